// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "serve/deadline.h"
#include "serve/http_server.h"
#include "serve/request_head.h"

namespace tidewatch {

// Why reading stopped.
enum class ReadEnd : std::uint8_t {
  kNone,       // it did not: there is a request, or a piece of a body
  kClosed,     // by the client, or by an error of the network
  kIdle,       // nothing came in time, and nothing was begun
  kTimedOut,   // what was begun did not come in time
  kMalformed,  // not HTTP; see detail()
  kHeaderTooLarge,
  kVersion,  // not HTTP/1
};

// Reads requests from a connection, one after the other; the only place that knows Beast.
// Ownership: socket, deadline and options outlive it. Threads: all on the socket's strand.
// Bounds: a buffer of header_bytes_max + 64 KiB, and 64 KiB more while a body is read.
// Usage: read_head(), read_body() until it gives an empty piece (or never), read_head(), …
class RequestReader {
 public:
  RequestReader(boost::asio::ip::tcp::socket& socket, Deadline& deadline,
                const HttpOptions& options);
  ~RequestReader();

  // Waits for the first byte of a request. kNone at once when there is one already.
  boost::asio::awaitable<ReadEnd> wait();
  boost::asio::awaitable<ReadEnd> read_head(RequestHead& head);
  // Gives the next piece of the body, valid until the next call; an empty one at its end.
  boost::asio::awaitable<ReadEnd> read_body(std::string_view& piece);

  bool body_done() const;
  // Whether body bytes have come already (then 100 Continue is not waited for).
  bool has_bytes() const;
  const std::string& detail() const;  // of kMalformed

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch

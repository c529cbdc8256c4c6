// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

// The start of an HTTP/1.1 answer.
struct HttpAnswerHead {
  int status = 0;
  std::size_t head_bytes = 0;  // the blank line included
  std::size_t body_bytes = 0;  // Content-Length; 0 when there is none
  bool close = false;          // the server ends the connection
};

// Reads the head at the start of `bytes`: kUnavailable while it is not complete (read more),
// kInvalidArgument when it is none, or its body's length is not said (chunked).
Result<HttpAnswerHead> parse_answer_head(std::string_view bytes);

// Opens a TCP connection with TCP_NODELAY; the descriptor is the caller's to close. Blocks.
// kUnavailable says which address refused.
Result<int> connect_tcp(const std::string& host, std::uint16_t port);

// Writes all of `bytes`, waiting while the socket is full. kUnavailable when the peer is gone.
Status write_all(int socket, std::string_view bytes);

struct HttpAnswer {
  int status = 0;
  std::string body;
};
// One request on a connection of its own; for what is asked now and then. Blocks until answered.
Result<HttpAnswer> http_request(const std::string& host, std::uint16_t port,
                                std::string_view method, std::string_view path,
                                std::string_view body);

}  // namespace tidewatch

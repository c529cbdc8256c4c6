// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "observe/metrics.h"
#include "serve/engine.h"
#include "serve/static_files.h"

namespace tidewatch {

struct ServerCore;

struct HttpOptions {
  std::string bind = "127.0.0.1";  // an address; "localhost" is 127.0.0.1
  std::uint16_t port = 8000;       // 0: any free one, see port()
  int io_threads = 1;
  int query_threads = 2;
  std::size_t query_queue_max = 64;           // requests that wait for a query thread; more get 503
  std::size_t connections_max = 1024;         // more get 503 and are closed
  std::size_t live_clients_max = 256;         // more get 503
  std::size_t header_bytes_max = 16 << 10;    // request line and headers; 431
  std::uint64_t body_bytes_max = 1ull << 30;  // POST /v1/posts, as it comes and decoded; 413
  std::size_t json_body_bytes_max = 8 << 20;  // every other body; 413
  // A compressed body may grow by this factor once it has passed decoded_bytes_free; more get 413.
  std::uint64_t decoded_ratio_max = 200;
  std::uint64_t decoded_bytes_free = 16 << 20;
  std::chrono::milliseconds header_timeout{10'000};  // first byte to end of headers; then 408
  std::chrono::milliseconds idle_timeout{60'000};    // between requests, and for data to move
  std::chrono::milliseconds live_heartbeat{15'000};
  std::chrono::milliseconds stop_grace{5'000};  // for answers under way when stop() is called
  // Names by which the server may be called besides those of the loopback (only checked when it
  // is bound there, or when not empty), and web pages' origins that may change state.
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> allowed_origins;
  const Clock* clock = nullptr;  // for Date and durations; nullptr: the system's
};

// The HTTP front end: API, live stream, dashboard and metrics on one port. docs/api.md says what
// it answers.
// Ownership: `engine`, `metrics` and the files must outlive the server, and until the engine has
// called (or dropped) `done` of every IngestSession; the server itself may be gone by then.
// Threads: options.io_threads for the network and options.query_threads for Engine members that
// block. start(), stop() and the destructor from one thread; port() and live() from any.
// Bounds: in HttpOptions; one read buffer of 64 KiB and the header a connection.
// Errors of start(): kInvalidArgument (the address), kUnavailable (cannot listen there).
class HttpServer {
 public:
  static Result<std::unique_ptr<HttpServer>> start(HttpOptions options, Engine& engine,
                                                   Metrics& metrics, StaticFiles files);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;  // where it listens, in the machine's byte order
  LiveEvents& live();          // valid as long as the server; publishing after stop() does nothing

  // Stops accepting, ends live streams and idle connections, lets answers under way finish within
  // options.stop_grace, then cuts what is left. Waits for Engine members that are running on the
  // query pool. May be called again.
  void stop();

 private:
  explicit HttpServer(std::shared_ptr<ServerCore> core);
  std::shared_ptr<ServerCore> core_;
};

}  // namespace tidewatch

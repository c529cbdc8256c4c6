// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/clock.h"
#include "core/result.h"
#include "observe/metrics.h"
#include "serve/engine.h"

namespace tidewatch {

struct GrpcCore;

struct GrpcOptions {
  bool enabled = true;             // for who starts it
  std::string bind = "127.0.0.1";  // an address; "localhost" is 127.0.0.1
  std::uint16_t port = 8001;       // 0: any free one, see port()
  // Calls of one connection at a time; a client's library queues more.
  int streams_per_connection_max = 256;
  // Calls and streams of all connections; more are answered RESOURCE_EXHAUSTED.
  std::size_t calls_max = 1'024;
  std::size_t watchers_max = 256;             // of those, Watch streams
  std::size_t message_bytes_max = 16 << 20;   // a longer one is answered RESOURCE_EXHAUSTED
  std::size_t memory_bytes_max = 256U << 20;  // of gRPC's own buffers: reads wait beyond
  // Messages of one stream that wait for their answer, and posts (or texts) in them. When either is
  // reached the stream is not read until answers are written: the client's writes then wait.
  std::size_t batches_in_flight_max = 64;
  std::size_t items_in_flight_max = 16'384;
  std::size_t batch_posts_max = 4'096;  // in one message: more end the stream (INVALID_ARGUMENT)
  std::size_t call_texts_max = 1'024;
  std::size_t watch_events_max = 256;           // that wait for one slow Watch client; then it ends
  std::chrono::milliseconds stop_grace{5'000};  // for answers under way when stop() is called
  const Clock* clock = nullptr;                 // nullptr: the system's
};

// The gRPC front end: tidewatch.v1 and the Open Inference Protocol on one port, with the standard
// health service and reflection. docs/api.md says what it answers; README.md how it is built.
// Ownership: `engine` and `metrics` must outlive the server, and until the engine has called (or
// dropped) every `done` it was given; the server itself may be gone by then.
// Threads: gRPC's own, between 2 and 16 by the machine's cores, run every handler and none of them
// blocks; one of ours (QueryPool) runs what does. start(), stop() and the destructor from one
// thread; port() and alerts() from any.
// Bounds: in GrpcOptions.
// Errors of start(): kUnavailable (cannot listen there).
class GrpcServer {
 public:
  static Result<std::unique_ptr<GrpcServer>> start(GrpcOptions options, Engine& engine,
                                                   Metrics& metrics);
  ~GrpcServer();  // stops
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  std::uint16_t port() const;  // where it listens
  AlertEvents& alerts();       // valid as long as the server; publishing after stop() does nothing

  // Accepts nothing more, ends Watch streams, reads no more of the others and lets what is under
  // way be answered within options.stop_grace, then cuts it. May be called again.
  void stop();

 private:
  struct Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch

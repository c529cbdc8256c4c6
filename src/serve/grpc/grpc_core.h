// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/mutex.h"
#include "serve/grpc/alert_hub.h"
#include "serve/grpc/grpc_server.h"
#include "serve/query_pool.h"

namespace tidewatch {

// A stream that must be told when the server stops.
class OpenStream {
 public:
  virtual ~OpenStream() = default;
  virtual void server_stops() = 0;
};

// What the calls of one server share; each of them holds it, so that an answer of the engine that
// comes after the server's end finds what it needs.
// Threads: every member may be used concurrently.
struct GrpcCore {
  GrpcCore(GrpcOptions grpc_options, Engine& served_engine, Metrics& served_metrics)
      : options(std::move(grpc_options)),
        engine(served_engine),
        metrics(served_metrics),
        clock(options.clock != nullptr ? *options.clock : system_clock),
        alerts(options.watchers_max, options.watch_events_max),
        pool(/*threads=*/1, /*waiting_max=*/64) {}

  const GrpcOptions options;
  Engine& engine;
  Metrics& metrics;
  const SystemClock system_clock;
  const Clock& clock;
  AlertHub alerts;
  QueryPool pool;
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> calls{0};  // open now

  // Registers a stream, or tells it at once when the server stops already.
  void add(const std::shared_ptr<OpenStream>& stream) EXCLUDES(mu);
  void remove(OpenStream* stream) EXCLUDES(mu);
  void stop_streams() EXCLUDES(mu);

  Mutex mu;
  std::unordered_map<OpenStream*, std::weak_ptr<OpenStream>> streams GUARDED_BY(mu);
};

// One open call among GrpcOptions::calls_max.
class CallTicket {
 public:
  explicit CallTicket(GrpcCore& core)
      : core_(core),
        taken_(core.calls.fetch_add(1, std::memory_order_relaxed) < core.options.calls_max) {}
  ~CallTicket() { core_.calls.fetch_sub(1, std::memory_order_relaxed); }
  CallTicket(const CallTicket&) = delete;
  CallTicket& operator=(const CallTicket&) = delete;
  bool ok() const { return taken_; }
  static Error refusal() {
    return {Code::kResourceExhausted, "too many calls are open; try again",
            std::chrono::milliseconds{1'000}};
  }

 private:
  GrpcCore& core_;
  const bool taken_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/mutex.h"
#include "serve/http_server.h"
#include "serve/live_hub.h"
#include "serve/query_pool.h"
#include "serve/router.h"

namespace tidewatch {

class Connection;

// What the connections of one server share. HttpServer owns it together with the callbacks that
// the engine still holds (so that a late answer finds an I/O context to be dropped in).
// Threads: const and atomic members from any; `connections` under its lock; `acceptor` on its
// strand.
struct ServerCore : std::enable_shared_from_this<ServerCore> {
  ServerCore(HttpOptions http_options, Engine& served_engine, Metrics& served_metrics,
             StaticFiles static_files);

  // The route's instruments; nullptr is what belongs to no route: files and errors.
  Metrics::Route& route_metrics(const RouteEntry* entry) const;
  std::uint64_t random();  // for spreading clients; not for secrets

  const HttpOptions options;
  Engine& engine;
  Metrics& metrics;
  const StaticFiles files;
  const SystemClock system_clock;
  const Clock& clock;
  bool loopback = true;  // bound to it, so that Host must name it; set before anything runs
  LiveHub hub;
  QueryPool pool;
  Gauge& query_depth;
  std::vector<Metrics::Route*> routes;  // one for each of route_table(), then one for the rest
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> ingesting{0};  // bodies that are being read
  std::atomic<std::uint64_t> random_state{0x9E3779B97F4A7C15};

  Mutex mu;
  CondVar connection_ended;
  std::unordered_map<Connection*, std::weak_ptr<Connection>> connections GUARDED_BY(mu);

  // Last, so that it goes first: coroutines that are left in it refer to all of the above.
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  boost::asio::ip::tcp::acceptor acceptor;
  std::uint16_t port = 0;
  std::vector<std::thread> threads;
};

}  // namespace tidewatch

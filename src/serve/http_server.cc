// SPDX-License-Identifier: Apache-2.0
#include "serve/http_server.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "core/thread_name.h"
#include "observe/log.h"
#include "serve/connection.h"
#include "serve/server_core.h"

namespace tidewatch {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
// After the grace: for coroutines to notice that their sockets are closed.
constexpr std::chrono::milliseconds kCutTime{1'000};

Result<tcp::endpoint> endpoint_of(const HttpOptions& options) {
  boost::system::error_code error;
  const std::string name = options.bind == "localhost" ? "127.0.0.1" : options.bind;
  const auto address = asio::ip::make_address(name, error);
  if (error) {
    return Error{Code::kInvalidArgument, "cannot bind to '" + options.bind +
                                             "': not an address; use 127.0.0.1 for this machine "
                                             "or 0.0.0.0 for all networks"};
  }
  return tcp::endpoint(address, options.port);
}

Status listen(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) return {};
  return Error{Code::kUnavailable, "cannot listen on " + endpoint.address().to_string() + " port " +
                                       std::to_string(endpoint.port()) + ": " + error.message() +
                                       "; choose another port, 0 for any free one"};
}

// Tells a client that there are too many, as far as that goes without waiting.
void turn_away(tcp::socket& socket, const std::string& date) {
  Answer busy = problem(503, Code::kUnavailable, "too many connections; try again");
  busy.headers.emplace_back("Retry-After", "1");
  const std::string bytes = render_head(busy, date, false) + busy.body;
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(bytes), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

asio::awaitable<void> accept_clients(ServerCore& core) {
  asio::steady_timer pause(core.acceptor.get_executor());
  while (!core.stopping) {
    auto strand = asio::make_strand(core.io);
    auto [error, socket] = co_await core.acceptor.async_accept(strand, kAwait);
    if (core.stopping || error == asio::error::operation_aborted) break;
    if (error) {
      // Out of file descriptors, mostly: existing connections will free some.
      log(LogLevel::kWarning, "serve", "cannot accept a connection", {{"why", error.message()}});
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(kAwait);
      continue;
    }
    tcp::socket client(std::move(socket));
    std::shared_ptr<Connection> connection;
    {
      MutexLock lock(core.mu);
      if (core.connections.size() < core.options.connections_max) {
        connection = std::make_shared<Connection>(std::move(client), core);
        core.connections.emplace(connection.get(), connection);
      }
    }
    if (connection == nullptr) {
      const auto now = core.clock.wall_now().time_since_epoch();
      turn_away(client, http_date(std::chrono::floor<std::chrono::seconds>(now).count()));
      continue;
    }
    asio::co_spawn(connection->executor(), connection->run(), asio::detached);
  }
}

// Calls `act` for every connection, on its strand.
void for_each_connection(ServerCore& core, void (Connection::*act)()) {
  std::vector<std::shared_ptr<Connection>> open;
  {
    MutexLock lock(core.mu);
    for (const auto& [key, weak] : core.connections) {
      if (auto connection = weak.lock()) open.push_back(std::move(connection));
    }
  }
  for (auto& connection : open) {
    const auto executor = connection->executor();
    asio::post(executor, [connection = std::move(connection), act] { (connection.get()->*act)(); });
  }
}

// False when there are still connections at `until`.
bool wait_for_connections(ServerCore& core, std::chrono::steady_clock::time_point until) {
  MutexLock lock(core.mu);
  while (!core.connections.empty()) {
    if (!core.connection_ended.wait_until(core.mu, until)) return core.connections.empty();
  }
  return true;
}

}  // namespace

ServerCore::ServerCore(HttpOptions http_options, Engine& served_engine, Metrics& served_metrics,
                       StaticFiles static_files)
    : options(std::move(http_options)),
      engine(served_engine),
      metrics(served_metrics),
      files(static_files),
      clock(options.clock != nullptr ? *options.clock : system_clock),
      hub(options.live_clients_max),
      pool(options.query_threads, options.query_queue_max),
      query_depth(metrics.queue_depth("query")),
      io(std::max(options.io_threads, 1)),
      work(io.get_executor()),
      acceptor(asio::make_strand(io)) {
  for (const RouteEntry& entry : route_table()) {
    routes.push_back(&metrics.route(std::string(entry.method) + ' ' + std::string(entry.pattern)));
  }
  routes.push_back(&metrics.route("other"));
}

Metrics::Route& ServerCore::route_metrics(const RouteEntry* entry) const {
  return entry == nullptr ? *routes.back()
                          : *routes[static_cast<std::size_t>(entry - route_table().data())];
}

std::uint64_t ServerCore::random() {
  // SplitMix64 of a counter.
  std::uint64_t z = random_state.fetch_add(0x9E3779B97F4A7C15, std::memory_order_relaxed);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

HttpServer::HttpServer(std::shared_ptr<ServerCore> core) : core_(std::move(core)) {}

HttpServer::~HttpServer() { stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpOptions options, Engine& engine,
                                                      Metrics& metrics, StaticFiles files) {
  TRY_ASSIGN(const tcp::endpoint endpoint, endpoint_of(options));
  auto core = std::make_shared<ServerCore>(std::move(options), engine, metrics, files);
  core->loopback = endpoint.address().is_loopback();
  TRY(listen(core->acceptor, endpoint));
  boost::system::error_code error;
  core->port = core->acceptor.local_endpoint(error).port();
  asio::co_spawn(core->acceptor.get_executor(), accept_clients(*core), asio::detached);
  for (int i = 0; i < std::max(core->options.io_threads, 1); ++i) {
    core->threads.emplace_back([&io = core->io] {
      name_thread("http");
      io.run();
    });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

std::uint16_t HttpServer::port() const { return core_->port; }

LiveEvents& HttpServer::live() { return core_->hub; }

void HttpServer::stop() {
  ServerCore& core = *core_;
  if (core.stopping.exchange(true)) return;
  const auto now = std::chrono::steady_clock::now();
  asio::post(core.acceptor.get_executor(), [&core] {
    boost::system::error_code ignored;
    core.acceptor.close(ignored);
  });
  core.hub.close();
  for_each_connection(core, &Connection::end_when_idle);
  if (!wait_for_connections(core, now + core.options.stop_grace)) {
    for_each_connection(core, &Connection::cut);
    if (!wait_for_connections(core, now + core.options.stop_grace + kCutTime)) {
      log(LogLevel::kWarning, "serve", "stopped while answers were under way");
    }
  }
  core.pool.stop();
  core.work.reset();
  core.io.stop();
  for (std::thread& thread : core.threads) thread.join();
  core.threads.clear();
}

}  // namespace tidewatch

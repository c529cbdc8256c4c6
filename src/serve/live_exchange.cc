// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "serve/connection.h"
#include "serve/static_answer.h"

namespace tidewatch {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t kEventsAtOnce = 64;

// Ends with the coroutine, also when that is destroyed instead of resumed.
struct Subscription {
  Subscription(ServerCore& server, std::shared_ptr<LiveClient> subscribed)
      : core(server), client(std::move(subscribed)) {
    core.metrics.live_clients().add(1);
  }
  ~Subscription() {
    core.hub.unsubscribe(client);
    core.metrics.live_clients().add(-1);
  }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  ServerCore& core;
  const std::shared_ptr<LiveClient> client;
};

}  // namespace

// One live stream's state on the connection's strand, shared with those who wake it.
struct Connection::Live {
  explicit Live(const asio::any_io_executor& executor) : timer(executor) {}
  void wake() { timer.cancel(); }
  void end() {
    ended = true;
    wake();
  }

  asio::steady_timer timer;
  bool ended = false;  // the client has gone, or the server stops
};

// The client sends nothing more: an end of its stream means that it has gone.
awaitable<void> Connection::watch_for_end(std::shared_ptr<Live> state) {
  const auto self = shared_from_this();
  std::array<char, 1024> unread;
  while (!state->ended) {
    const auto [error, count] = co_await socket_.async_read_some(asio::buffer(unread), kAwait);
    if (error) break;
  }
  state->end();
}

awaitable<bool> Connection::stream_events(LiveClient& client, Live& state) {
  while (!state.ended && !core_.stopping) {
    const std::vector<LiveFrame> frames = client.take(kEventsAtOnce);
    std::string bytes;
    for (const LiveFrame& frame : frames) bytes += *frame;
    if (frames.empty()) {
      if (client.ended()) break;
      state.timer.expires_after(core_.options.live_heartbeat);
      const auto [woken] = co_await state.timer.async_wait(kAwait);
      if (woken) continue;
      bytes = ": still here\n\n";
    }
    const bool written = co_await write(bytes, {});
    if (!written) co_return false;
  }
  co_return true;
}

awaitable<Answer> Connection::live(Exchange& exchange) {
  if (!accepts_event_stream(exchange.head.accept)) {
    co_return problem(406, Code::kInvalidArgument,
                      "this is a stream of server-sent events; accept text/event-stream");
  }
  const auto state = std::make_shared<Live>(executor());
  std::function<void()> wake = [state, executor = executor()] {
    asio::post(executor, [state] { state->wake(); });
  };
  Answer stream;
  stream.content_type = "text/event-stream";
  stream.headers.emplace_back("X-Accel-Buffering", "no");  // nginx: do not collect it
  stream.streamed = true;
  stream.close = true;
  if (exchange.head_only) co_return stream;

  std::shared_ptr<LiveClient> client =
      core_.hub.subscribe(exchange.head.last_event_id, std::move(wake));
  if (client == nullptr) {
    Answer busy = problem(503, Code::kUnavailable, "too many live streams are open; try again");
    busy.headers.emplace_back("Retry-After", "5");
    co_return busy;
  }
  const Subscription subscription(core_, std::move(client));
  exchange.abandoned = true;  // everything is written here
  on_stop_ = [state] { state->end(); };
  std::string head = render_head(stream, date(), false);
  head += "retry: 2000\n\n";
  const bool begun = co_await write(head, {});
  core_.route_metrics(exchange.match.entry).observe(200, std::chrono::nanoseconds(0));
  if (begun) {
    asio::co_spawn(executor(), watch_for_end(state), asio::detached);
    co_await stream_events(*subscription.client, *state);
  }
  on_stop_ = nullptr;
  state->ended = true;
  co_return stream;
}

}  // namespace tidewatch

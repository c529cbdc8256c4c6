// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "serve/answer.h"
#include "serve/deadline.h"
#include "serve/request_reader.h"
#include "serve/router.h"
#include "serve/server_core.h"

namespace tidewatch {

// One client: reads requests one after the other (pipelined ones too) and answers them in order.
// Ownership: the coroutine run() holds it; `core` outlives it. Threads: all on the socket's
// strand, but for the constructor and the destructor.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::ip::tcp::socket socket, ServerCore& core);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  auto executor() { return socket_.get_executor(); }
  // Serves the client until it goes, an error, or the server's stop.
  boost::asio::awaitable<void> run();
  // The server stops: ends it now if no request is under way, else after the answer.
  void end_when_idle();
  // Cuts it off.
  void cut();

 private:
  // What became of a body that is not a stream.
  struct Body {
    std::string bytes;
    std::optional<Answer> refused;  // set: answer this (and nothing when `closed`)
    bool closed = false;
  };
  // A request and what is found out about it on the way.
  struct Exchange {
    RequestHead head;
    Target target;
    RouteMatch match;
    bool head_only = false;  // HEAD
    bool abandoned = false;  // the client is gone, or the answer has been written already
  };

  boost::asio::awaitable<bool> serve_one();  // false: the connection ends
  boost::asio::awaitable<Answer> answer(Exchange& exchange);
  std::optional<Answer> refuse(Exchange& exchange) const;
  boost::asio::awaitable<Answer> dispatch(Exchange& exchange);
  boost::asio::awaitable<Answer> ingest(Exchange& exchange);  // ingest_exchange.cc
  // classify_exchange.cc
  struct ClientWatch;
  boost::asio::awaitable<Answer> classify(Exchange& exchange);
  boost::asio::awaitable<Answer> infer(Exchange& exchange);
  boost::asio::awaitable<void> watch_client(std::shared_ptr<ClientWatch> watch);
  void end_watch(ClientWatch& watch);
  // x-timeout-ms; 0: none.
  static Result<std::chrono::milliseconds> request_timeout(const RequestHead& head);
  Result<RequestLimits> request_limits(const RequestHead& head) const;
  // live_exchange.cc
  struct Live;
  boost::asio::awaitable<Answer> live(Exchange& exchange);
  boost::asio::awaitable<bool> stream_events(LiveClient& client, Live& state);
  boost::asio::awaitable<void> watch_for_end(std::shared_ptr<Live> state);
  boost::asio::awaitable<Answer> control(Exchange& exchange);  // control_exchange.cc
  boost::asio::awaitable<Answer> query(std::function<Result<std::string>()> work);
  boost::asio::awaitable<Answer> with_body(
      Exchange& exchange, std::function<Result<std::string>(const std::string&)> work);
  boost::asio::awaitable<Body> read_body(Exchange& exchange);
  boost::asio::awaitable<void> continue_if_asked(const Exchange& exchange);
  static Answer read_failure(ReadEnd end, std::string_view detail, std::string_view members);

  boost::asio::awaitable<bool> write(std::string_view head, std::string_view body);
  boost::asio::awaitable<void> linger();
  std::string date() const;

  ServerCore& core_;
  boost::asio::ip::tcp::socket socket_;
  Deadline deadline_;
  RequestReader reader_;
  bool idle_ = false;              // waits for the first byte of a request
  std::function<void()> on_stop_;  // ends a live stream
};

}  // namespace tidewatch

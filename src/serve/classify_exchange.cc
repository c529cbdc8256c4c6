// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <exception>
#include <type_traits>
#include <utility>

#include "serve/connection.h"
#include "serve/open_inference_json.h"

namespace tidewatch {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

constexpr std::uint64_t kTimeoutMsMax = 86'400'000;  // a day

// As in ingest_exchange.cc: the order of the members matters.
template <typename Handler, typename Executor>
struct Waiting {
  std::shared_ptr<ServerCore> core;
  Executor executor;
  Handler handler;
};

// Runs `start` on the query pool (it may parse and tokenize, but not wait) and waits for what it
// passes to `done`, without holding a thread.
template <typename T>
awaitable<T> engine_answer(ServerCore& core, std::function<void(std::function<void(T)>)> start) {
  auto begin = [&core, &start](auto handler) {
    using Handler = decltype(handler);
    const auto executor = asio::get_associated_executor(handler);
    using Executor = std::remove_const_t<decltype(executor)>;
    auto waiting = std::make_shared<Waiting<Handler, Executor>>(
        Waiting<Handler, Executor>{core.shared_from_this(), executor, std::move(handler)});
    std::function<void(T)> done = [waiting = std::move(waiting)](T result) {
      asio::post(waiting->executor,
                 [resume = std::move(waiting->handler), value = std::move(result)]() mutable {
                   std::move(resume)(std::move(value));
                 });
    };
    const bool taken = core.pool.try_run([start, done] {
      try {
        start(done);
      } catch (const std::exception& failure) {
        done(Error{Code::kInternal, std::string("unexpected failure: ") + failure.what()});
      }
    });
    core.query_depth.set(static_cast<double>(core.pool.waiting()));
    if (!taken) done(Error{Code::kUnavailable, "too many queries wait already; try again"});
  };
  asio::use_awaitable_t<> token;
  T result =
      co_await asio::async_initiate<asio::use_awaitable_t<>, void(T)>(std::move(begin), token);
  co_return result;
}

Result<std::uint64_t> whole_number(std::string_view name, std::string_view text,
                                   std::uint64_t max) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) {
    return Error{Code::kInvalidArgument,
                 std::string(name) + " must be a whole number of at most " + std::to_string(max)};
  }
  return value;
}

}  // namespace

// Sets the cancel flag of a request when its client goes away before the answer.
struct Connection::ClientWatch {
  std::shared_ptr<CancelFlag> cancelled = std::make_shared<CancelFlag>(false);
  bool answered = false;
};

awaitable<void> Connection::watch_client(std::shared_ptr<ClientWatch> watch) {
  const auto self = shared_from_this();
  while (!watch->answered) {
    const auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kAwait);
    if (error || watch->answered) co_return;
    char byte = 0;
    boost::system::error_code read;
    const std::size_t count =
        socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, read);
    if (read == asio::error::would_block) continue;
    if (!read && count > 0) co_return;  // the next request already: nothing to be seen behind it
    watch->cancelled->store(true, std::memory_order_relaxed);
    co_return;
  }
}

Result<std::chrono::milliseconds> Connection::request_timeout(const RequestHead& head) {
  if (head.timeout_ms.empty()) return std::chrono::milliseconds{0};
  TRY_ASSIGN(const std::uint64_t timeout_ms,
             whole_number("x-timeout-ms", head.timeout_ms, kTimeoutMsMax));
  return std::chrono::milliseconds{timeout_ms};
}

Result<RequestLimits> Connection::request_limits(const RequestHead& head) const {
  RequestLimits limits;
  TRY_ASSIGN(const std::chrono::milliseconds timeout, request_timeout(head));
  if (timeout.count() > 0) limits.deadline = core_.clock.steady_now() + timeout;
  return limits;
}

awaitable<Answer> Connection::classify(Exchange& exchange) {
  Result<RequestLimits> limits = request_limits(exchange.head);  // from the head's arrival
  Body body = co_await read_body(exchange);
  if (body.closed) {
    exchange.abandoned = true;
    co_return Answer{};
  }
  if (body.refused) co_return *std::move(body.refused);
  if (!limits) co_return problem(limits.error());
  const auto watch = std::make_shared<ClientWatch>();
  limits->cancelled = watch->cancelled;
  asio::co_spawn(executor(), watch_client(watch), asio::detached);

  using Document = Result<std::string>;
  std::function<void(std::function<void(Document)>)> start =
      [&engine = core_.engine, json = std::make_shared<const std::string>(std::move(body.bytes)),
       asked = *limits](std::function<void(Document)> done) {
        engine.classify_json(*json, asked, std::move(done));
      };
  Document document = co_await engine_answer<Document>(core_, std::move(start));
  end_watch(*watch);
  co_return json_answer(std::move(document));
}

awaitable<Answer> Connection::infer(Exchange& exchange) {
  Result<RequestLimits> limits = request_limits(exchange.head);
  Body body = co_await read_body(exchange);
  if (body.closed) {
    exchange.abandoned = true;
    co_return Answer{};
  }
  if (body.refused) co_return *std::move(body.refused);
  if (!limits) co_return problem(limits.error());
  std::optional<std::size_t> header_length;
  if (!exchange.head.infer_header_length.empty()) {
    const auto length = whole_number("Inference-Header-Content-Length",
                                     exchange.head.infer_header_length, body.bytes.size());
    if (!length) co_return problem(length.error());
    header_length = *length;
  }
  const auto watch = std::make_shared<ClientWatch>();
  limits->cancelled = watch->cancelled;
  asio::co_spawn(executor(), watch_client(watch), asio::detached);

  struct Asked {
    std::string body;
    RouteMatch match;
    RequestLimits limits;
    std::optional<std::size_t> header_length;
  };
  const auto asked =
      std::make_shared<Asked>(Asked{std::move(body.bytes), exchange.match, *limits, header_length});
  using Done = std::function<void(Result<InferAnswer>)>;
  std::function<void(Done)> start = [&core = core_, asked](Done done) {
    Engine& engine = core.engine;
    const auto model = find_model(engine, asked->match.argument, asked->match.second);
    if (!model) return done(model.error());
    Result<InferRequest> request = parse_infer(asked->body, asked->header_length, model->name,
                                               asked->limits, core.clock.steady_now());
    if (!request) return done(request.error());
    ClassifyCall call = std::move(request->call);
    engine.classify_async(std::move(call),
                          [&engine, done = std::move(done),
                           request = *std::move(request)](const Result<ClassifyResult>& result) {
                            if (!result) return done(result.error());
                            done(render_infer(request, *result, engine.labels()));
                          });
  };
  Result<InferAnswer> inferred =
      co_await engine_answer<Result<InferAnswer>>(core_, std::move(start));
  end_watch(*watch);
  if (!inferred) co_return problem(inferred.error());
  Answer answer_now;
  if (inferred->header_length) {
    answer_now.content_type = "application/octet-stream";
    answer_now.headers.emplace_back("Inference-Header-Content-Length",
                                    std::to_string(*inferred->header_length));
  }
  answer_now.body = std::move(inferred->body);
  co_return answer_now;
}

void Connection::end_watch(ClientWatch& watch) {
  watch.answered = true;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

}  // namespace tidewatch

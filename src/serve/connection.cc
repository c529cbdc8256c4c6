// SPDX-License-Identifier: Apache-2.0
#include "serve/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "observe/log.h"
#include "serve/inference_routes.h"
#include "serve/openapi_document.h"
#include "serve/request_body.h"
#include "serve/request_guard.h"
#include "serve/static_answer.h"

namespace tidewatch {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

constexpr std::chrono::seconds kLingerMax{5};
constexpr std::size_t kLingerBytesMax = 64 << 20;

Answer closing(Answer answer) {
  answer.close = true;
  return answer;
}

Answer ready_answer(const Status& ready) {
  if (!ready) {
    Answer answer = problem(503, ready.error().code, ready.error().message);
    answer.headers.emplace_back("Retry-After", "1");
    return answer;
  }
  Answer answer;
  answer.constant_body = R"({"status":"ready"})";
  return answer;
}

AlertEvent alert_event(Handler handler) noexcept {
  switch (handler) {
    case Handler::kEscalate:
      return AlertEvent::kEscalated;
    case Handler::kResolve:
      return AlertEvent::kResolved;
    case Handler::kReopen:
      return AlertEvent::kReopened;
    case Handler::kMute:
      return AlertEvent::kMuted;
    default:
      return AlertEvent::kAcknowledged;
  }
}

RuleAction rule_action(Handler handler) noexcept {
  switch (handler) {
    case Handler::kRule:
      return RuleAction::kGet;
    case Handler::kRulePut:
      return RuleAction::kPut;
    case Handler::kRuleDelete:
      return RuleAction::kDelete;
    case Handler::kRuleValidate:
      return RuleAction::kValidate;
    case Handler::kRulePreview:
      return RuleAction::kPreview;
    default:
      return RuleAction::kList;
  }
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, ServerCore& core)
    : core_(core),
      socket_(std::move(socket)),
      deadline_(socket_),
      reader_(socket_, deadline_, core.options) {
  core_.metrics.http_connections().add(1);
}

Connection::~Connection() {
  core_.metrics.http_connections().add(-1);
  {
    MutexLock lock(core_.mu);
    core_.connections.erase(this);
  }
  core_.connection_ended.notify_all();
}

void Connection::end_when_idle() {
  boost::system::error_code ignored;
  if (idle_) socket_.cancel(ignored);
  if (on_stop_) on_stop_();
}

void Connection::cut() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  while (!core_.stopping) {
    idle_ = true;
    const ReadEnd end = co_await reader_.wait();
    idle_ = false;
    if (end != ReadEnd::kNone) break;
    const bool keep = co_await serve_one();
    if (!keep) break;
  }
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

awaitable<bool> Connection::serve_one() {
  const SteadyTime started = core_.clock.steady_now();
  Exchange exchange;
  const ReadEnd end = co_await reader_.read_head(exchange.head);
  if (end == ReadEnd::kClosed || end == ReadEnd::kIdle) co_return false;

  Answer answer_now;
  if (end == ReadEnd::kNone) {
    exchange.head_only = exchange.head.method == "HEAD";
    answer_now = co_await answer(exchange);
    const std::vector<std::string>& path = exchange.target.segments;
    if (!path.empty() && path.front() == "v2" && answer_now.content_type == kProblemType) {
      answer_now = as_inference_error(std::move(answer_now));
    }
  } else {
    answer_now = closing(read_failure(end, reader_.detail(), {}));
  }
  if (exchange.abandoned) co_return false;

  const bool keep = end == ReadEnd::kNone && exchange.head.keep_alive && !answer_now.close &&
                    reader_.body_done() && !core_.stopping;
  const std::string head = render_head(answer_now, date(), keep);
  const bool bodiless = exchange.head_only || answer_now.status == 204 || answer_now.status == 304;
  const std::string_view body = bodiless ? std::string_view() : answer_now.bytes();
  const bool written = co_await write(head, body);
  core_.route_metrics(exchange.match.entry)
      .observe(answer_now.status, core_.clock.steady_now() - started);
  // Others of the 500s say what the client did, that it should wait, or that its deadline passed.
  if (answer_now.status == 500) {
    log(LogLevel::kWarning, "serve", "answered with an error",
        {{"status", answer_now.status},
         {"method", exchange.head.method},
         {"path", exchange.target.raw_path},
         {"answer", answer_now.bytes().substr(0, 500)}});
  }
  if (written && !keep && (end != ReadEnd::kNone || !reader_.body_done())) co_await linger();
  co_return written&& keep;
}

// What is wrong with a request, whatever its route; nothing when it may go on.
std::optional<Answer> Connection::refuse(Exchange& exchange) const {
  const RequestHead& head = exchange.head;
  if (head.host_count > 1 || (head.host_count == 0 && !head.http_1_0)) {
    return closing(problem(400, Code::kInvalidArgument, "a request needs exactly one Host header"));
  }
  Result<Target> target = parse_target(head.target);
  if (!target) return problem(target.error());
  exchange.target = *std::move(target);
  const std::string& host =
      exchange.target.authority.empty() ? head.host : exchange.target.authority;

  const bool guarded = core_.loopback || !core_.options.allowed_hosts.empty();
  if (guarded && !host.empty() && !host_allowed(host, core_.options.allowed_hosts)) {
    return closing(problem(421, Code::kPermissionDenied,
                           "this server does not go by the name in the Host header; call it "
                           "localhost, or add the name to allowed_hosts"));
  }
  const bool safe = head.method == "GET" || head.method == "HEAD" || head.method == "OPTIONS";
  const bool origin_ok = origin_allowed(head.origin, host, core_.options.allowed_origins);
  const bool hidden_origin = head.fetch_site == "cross-site" && head.origin.empty();
  if (!safe && (!origin_ok || hidden_origin)) {
    return closing(problem(403, Code::kPermissionDenied,
                           "a web page of another origin may not do this; add its origin to "
                           "allowed_origins if it should"));
  }
  if (head.unknown_transfer_coding) {
    return closing(problem(501, Code::kUnimplemented, "Transfer-Encoding may only be chunked"));
  }
  if (head.unknown_expectation) {
    return closing(problem(417, Code::kInvalidArgument, "Expect may only be 100-continue"));
  }
  exchange.match = find_route(head.method, exchange.target);
  return std::nullopt;
}

awaitable<Answer> Connection::answer(Exchange& exchange) {
  if (std::optional<Answer> refused = refuse(exchange)) co_return *std::move(refused);
  const RequestHead& head = exchange.head;
  const RouteMatch& match = exchange.match;
  if (match.entry != nullptr) {
    Answer answer_now = co_await dispatch(exchange);
    co_return answer_now;
  }
  const bool is_file = match.allow.empty() && !is_api_path(exchange.target);
  const std::string allow = is_file ? "GET, HEAD, OPTIONS" : match.allow;
  if (head.method == "OPTIONS" && !allow.empty()) {
    Answer answer_now;
    answer_now.status = 204;
    answer_now.headers.emplace_back("Allow", allow);
    co_return answer_now;
  }
  if (is_file && (head.method == "GET" || head.method == "HEAD")) {
    co_return static_answer(core_.files, exchange.target, head.accept_encoding, head.if_none_match);
  }
  if (allow.empty()) {
    co_return problem(404, Code::kNotFound,
                      "there is nothing at this path; GET /openapi.json lists what there is");
  }
  Answer answer_now = problem(405, Code::kInvalidArgument, "this path takes " + allow);
  answer_now.headers.emplace_back("Allow", allow);
  co_return answer_now;
}

awaitable<Answer> Connection::dispatch(Exchange& exchange) {
  Engine& engine = core_.engine;
  // The pool's jobs are done before this coroutine goes on, so they may refer to the request.
  const Engine::Params params = [&target = exchange.target](std::string_view name) {
    return target.param(name);
  };
  const std::string& argument = exchange.match.argument;
  std::function<Result<std::string>()> work;
  switch (exchange.match.entry->handler) {
    case Handler::kIngest: {
      Answer answer_now = co_await ingest(exchange);
      co_return answer_now;
    }
    case Handler::kLive: {
      Answer answer_now = co_await live(exchange);
      co_return answer_now;
    }
    case Handler::kClassify: {
      Answer answer_now = co_await classify(exchange);
      co_return answer_now;
    }
    case Handler::kInfer: {
      Answer answer_now = co_await infer(exchange);
      co_return answer_now;
    }
    case Handler::kInferIndex:
    case Handler::kInferLoad:
    case Handler::kInferUnload: {
      std::function<Result<std::string>(const std::string&)> act =
          [&engine, &match = exchange.match](const std::string& body) {
            return repository_answer(engine, match, body);
          };
      Answer answer_now = co_await with_body(exchange, std::move(act));
      co_return answer_now;
    }
    case Handler::kInferServer:
    case Handler::kInferLive:
    case Handler::kInferReady:
    case Handler::kInferModel:
    case Handler::kInferModelReady:
    case Handler::kInferConfig:
    case Handler::kInferStats:
      co_return inference_answer(engine, exchange.match);
    case Handler::kAcknowledge:
    case Handler::kEscalate:
    case Handler::kResolve:
    case Handler::kReopen:
    case Handler::kMute: {
      const AlertEvent event = alert_event(exchange.match.entry->handler);
      std::function<Result<std::string>(const std::string&)> act =
          [&engine, &argument, event](const std::string& body) {
            return engine.act_on_alert(event, argument, body);
          };
      Answer answer_now = co_await with_body(exchange, std::move(act));
      co_return answer_now;
    }
    case Handler::kOutboxRetry:
    case Handler::kChannelRetry: {
      const bool of_channel = exchange.match.entry->handler == Handler::kChannelRetry;
      std::function<Result<std::string>(const std::string&)> retry =
          [&engine, &argument, of_channel](const std::string&) {
            return of_channel ? engine.retry_channel(argument) : engine.retry_message(argument);
          };
      Answer answer_now = co_await with_body(exchange, std::move(retry));
      co_return answer_now;
    }
    case Handler::kRulePut:
    case Handler::kRuleDelete:
    case Handler::kRuleValidate:
    case Handler::kRulePreview: {
      const RuleAction action = rule_action(exchange.match.entry->handler);
      std::function<Result<std::string>(const std::string&)> act =
          [&engine, &argument, action](const std::string& body) {
            return engine.rules(action, argument, body);
          };
      Answer answer_now = co_await with_body(exchange, std::move(act));
      co_return answer_now;
    }
    case Handler::kSwap:
    case Handler::kRollback:
    case Handler::kCanaryState:
    case Handler::kCanaryStart:
    case Handler::kCanaryPromote:
    case Handler::kCanaryEnd: {
      Answer answer_now = co_await control(exchange);
      co_return answer_now;
    }
    case Handler::kHealth: {
      Answer answer_now;
      answer_now.constant_body = R"({"status":"ok"})";
      co_return answer_now;
    }
    case Handler::kReady:
      co_return ready_answer(engine.ready());
    case Handler::kOpenApi: {
      Answer answer_now;
      answer_now.constant_body = openapi_document();
      answer_now.headers.emplace_back("Cache-Control", "no-cache");
      co_return answer_now;
    }
    case Handler::kStats:
      work = [&] { return engine.stats(); };
      break;
    case Handler::kSystem:
      work = [&] { return engine.system(); };
      break;
    case Handler::kTrends:
      work = [&] { return engine.trends(params); };
      break;
    case Handler::kSeries:
      work = [&] { return engine.series(argument, params); };
      break;
    case Handler::kAlerts:
      work = [&] { return engine.alerts(params); };
      break;
    case Handler::kAlert:
      work = [&] { return engine.alert(argument); };
      break;
    case Handler::kOutbox:
      work = [&] { return engine.outbox(params); };
      break;
    case Handler::kChannels:
      work = [&] { return engine.channels(); };
      break;
    case Handler::kSources:
      work = [&] { return engine.sources(); };
      break;
    case Handler::kPosts:
      work = [&] { return engine.posts(params); };
      break;
    case Handler::kPostsSummary:
      work = [&] { return engine.posts_summary(params); };
      break;
    case Handler::kPost:
      work = [&] { return engine.post(argument); };
      break;
    case Handler::kModels:
      work = [&] { return engine.models(); };
      break;
    case Handler::kRules:
    case Handler::kRule:
      work = [&engine, &argument, action = rule_action(exchange.match.entry->handler)] {
        return engine.rules(action, argument, {});
      };
      break;
    case Handler::kReport:
      work = [&] { return engine.report(params); };
      break;
    case Handler::kMetrics:
      work = [&] { return Result<std::string>(engine.metrics_text()); };
      break;
  }
  Answer answer_now = co_await query(std::move(work));
  if (exchange.match.entry->handler == Handler::kReport && answer_now.status == 200) {
    as_report(exchange.target.param("format").value_or("html"), answer_now);
  }
  if (exchange.match.entry->handler == Handler::kMetrics && answer_now.status == 200) {
    answer_now.content_type = Metrics::kContentType;
  }
  co_return answer_now;
}

awaitable<Answer> Connection::query(std::function<Result<std::string>()> work) {
  using Document = Result<std::string>;
  auto start = [this, &work](auto handler) {
    using HandlerType = decltype(handler);
    auto shared = std::make_shared<HandlerType>(std::move(handler));
    auto done = [shared, executor = executor()](Document document) {
      asio::post(executor, [shared, document = std::move(document)]() mutable {
        (std::move(*shared))(std::move(document));
      });
    };
    const bool taken = core_.pool.try_run([&core = core_, &work, done] {
      core.query_depth.set(static_cast<double>(core.pool.waiting()));
      try {
        done(work());
      } catch (const std::exception& failure) {
        done(Error{Code::kInternal, std::string("unexpected failure: ") + failure.what()});
      }
    });
    core_.query_depth.set(static_cast<double>(core_.pool.waiting()));
    if (!taken) {
      done(Error{Code::kUnavailable, "too many queries wait already; try again"});
    }
  };
  asio::use_awaitable_t<> token;
  Document document = co_await asio::async_initiate<asio::use_awaitable_t<>, void(Document)>(
      std::move(start), token);
  co_return json_answer(std::move(document));
}

awaitable<Answer> Connection::with_body(
    Exchange& exchange, std::function<Result<std::string>(const std::string&)> work) {
  const Body body = co_await read_body(exchange);
  if (body.closed) {
    exchange.abandoned = true;
    co_return Answer{};
  }
  if (body.refused) co_return *body.refused;
  std::function<Result<std::string>()> bound = [&] { return work(body.bytes); };
  Answer answer_now = co_await query(std::move(bound));
  co_return answer_now;
}

awaitable<Connection::Body> Connection::read_body(Exchange& exchange) {
  Body body;
  const std::uint64_t bytes_max = core_.options.json_body_bytes_max;
  BodyIntake intake = open_body(exchange.head, core_.options, bytes_max, kJsonType);
  if (intake.refused) {
    body.refused = std::move(intake.refused);
    co_return body;
  }
  co_await continue_if_asked(exchange);

  const ContentDecoder::Sink sink = [&body](std::string_view bytes) {
    body.bytes += bytes;
    return true;
  };
  std::uint64_t received = 0;
  while (true) {
    std::string_view piece;
    const ReadEnd end = co_await reader_.read_body(piece);
    if (end == ReadEnd::kClosed) {
      body.closed = true;
      co_return body;
    }
    if (end != ReadEnd::kNone) {
      body.refused = read_failure(end, reader_.detail(), {});
      co_return body;
    }
    if (piece.empty()) break;
    received += piece.size();
    Status fed;
    if (received > bytes_max) fed = body_too_large(bytes_max);
    while (fed && !piece.empty()) {
      const std::string_view part = piece.substr(0, intake.decoder->piece_bytes());
      piece.remove_prefix(part.size());
      const Result<bool> wanted = intake.decoder->feed(part, sink);
      if (!wanted) fed = wanted.error();
    }
    if (!fed) {
      body.refused = body_problem(fed.error());
      co_return body;
    }
  }
  const Status whole = intake.decoder->finish();
  if (!whole) body.refused = body_problem(whole.error());
  co_return body;
}

awaitable<void> Connection::continue_if_asked(const Exchange& exchange) {
  if (exchange.head.expects_continue && !reader_.body_done() && !reader_.has_bytes()) {
    co_await write("HTTP/1.1 100 Continue\r\n\r\n", {});
  }
}

Answer Connection::read_failure(ReadEnd end, std::string_view detail, std::string_view members) {
  switch (end) {
    case ReadEnd::kTimedOut:
      return problem(408, Code::kDeadlineExceeded,
                     "the request did not come in time; send it faster", members);
    case ReadEnd::kHeaderTooLarge:
      return problem(431, Code::kOutOfRange, "the request line and headers are too long", members);
    case ReadEnd::kVersion:
      return problem(505, Code::kUnimplemented, "this server speaks HTTP/1.1 and 1.0", members);
    default:
      return problem(400, Code::kInvalidArgument, detail, members);
  }
}

awaitable<bool> Connection::write(std::string_view head, std::string_view body) {
  while (!head.empty() || !body.empty()) {
    const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head.data(), head.size()),
                                                       asio::buffer(body.data(), body.size())};
    deadline_.set(core_.options.idle_timeout);
    const auto [error, count] = co_await socket_.async_write_some(buffers, kAwait);
    deadline_.clear();
    if (error) co_return false;
    const std::size_t of_head = std::min(count, head.size());
    head.remove_prefix(of_head);
    body.remove_prefix(count - of_head);
  }
  co_return true;
}

// Reads on for a while after the answer: closing with unread bytes would reset the connection, and
// the client might lose the answer.
awaitable<void> Connection::linger() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  std::array<char, 16 << 10> rest;
  deadline_.set(std::min<std::chrono::milliseconds>(kLingerMax, core_.options.idle_timeout));
  for (std::size_t total = 0; total < kLingerBytesMax && !core_.stopping;) {
    const auto [error, count] = co_await socket_.async_read_some(asio::buffer(rest), kAwait);
    if (error) break;
    total += count;
  }
  deadline_.clear();
}

std::string Connection::date() const {
  const auto now = core_.clock.wall_now().time_since_epoch();
  return http_date(std::chrono::floor<std::chrono::seconds>(now).count());
}

}  // namespace tidewatch

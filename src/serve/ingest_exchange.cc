// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

#include "serve/connection.h"
#include "serve/request_body.h"

namespace tidewatch {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

// Counts a body while it is read.
class Ingesting {
 public:
  explicit Ingesting(std::atomic<std::size_t>& count) : count_(count) { ++count_; }
  ~Ingesting() { --count_; }
  Ingesting(const Ingesting&) = delete;
  Ingesting& operator=(const Ingesting&) = delete;

 private:
  std::atomic<std::size_t>& count_;
};

// A coroutine that waits for the engine, as the engine's callback holds it. The order of the
// members matters: what is in the I/O context has to go before the core, which owns that.
template <typename Handler, typename Executor>
struct Waiting {
  std::shared_ptr<ServerCore> core;
  Executor executor;
  Handler handler;
};

// Ends the session and waits until its posts are on disk.
awaitable<IngestSummary> finish(ServerCore& core, IngestSession& session, bool arrived_whole) {
  auto start = [&core, &session, arrived_whole](auto handler) {
    using Handler = decltype(handler);
    const auto executor = asio::get_associated_executor(handler);
    using Executor = std::remove_const_t<decltype(executor)>;
    // Holds the core: the engine may call back when the server is gone. The handler moves into the
    // I/O context then, without the core: else each would hold the other for ever.
    auto waiting = std::make_shared<Waiting<Handler, Executor>>(
        Waiting<Handler, Executor>{core.shared_from_this(), executor, std::move(handler)});
    session.finish(arrived_whole, [waiting = std::move(waiting)](IngestSummary summary) {
      asio::post(waiting->executor,
                 [resume = std::move(waiting->handler), done = std::move(summary)]() mutable {
                   std::move(resume)(std::move(done));
                 });
    });
  };
  asio::use_awaitable_t<> token;
  IngestSummary summary =
      co_await asio::async_initiate<asio::use_awaitable_t<>, void(IngestSummary)>(std::move(start),
                                                                                  token);
  co_return summary;
}

// Feeds a session and remembers on which line it is, for bodies that break off.
struct Feed {
  IngestSession& session;
  ContentDecoder& decoder;
  std::uint64_t line_ends = 0;

  // False when the session wants no more.
  Result<bool> take(std::string_view piece) {
    const ContentDecoder::Sink sink = [this](std::string_view bytes) {
      line_ends += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
      return session.feed(bytes);
    };
    while (!piece.empty()) {
      const std::string_view part = piece.substr(0, decoder.piece_bytes());
      piece.remove_prefix(part.size());
      TRY_ASSIGN(const bool wanted, decoder.feed(part, sink));
      if (!wanted) return false;
    }
    return true;
  }
};

}  // namespace

awaitable<Answer> Connection::ingest(Exchange& exchange) {
  const RequestHead& head = exchange.head;
  const std::uint64_t bytes_max = core_.options.body_bytes_max;
  BodyIntake intake = open_body(head, core_.options, bytes_max, "application/x-ndjson");
  if (intake.refused) co_return *std::move(intake.refused);
  const Ingesting ingesting(core_.ingesting);
  const Result<std::chrono::milliseconds> timeout = request_timeout(head);
  if (!timeout) co_return problem(timeout.error());
  const std::unique_ptr<IngestSession> session = core_.engine.open_ingest(*timeout);
  Feed feed{*session, *intake.decoder};
  co_await continue_if_asked(exchange);

  ReadEnd end = ReadEnd::kNone;
  Status failure;        // the body's own fault
  bool stopped = false;  // by the session
  std::uint64_t received = 0;
  while (!stopped && failure) {
    std::string_view piece;
    end = co_await reader_.read_body(piece);
    if (end != ReadEnd::kNone || piece.empty()) break;
    received += piece.size();
    if (received > bytes_max) {
      failure = body_too_large(bytes_max);
      break;
    }
    const Result<bool> wanted = feed.take(piece);
    if (!wanted) failure = wanted.error();
    stopped = wanted && !*wanted;
  }
  if (end == ReadEnd::kNone && failure && !stopped) failure = intake.decoder->finish();

  const bool whole = end == ReadEnd::kNone && failure && !stopped;
  IngestSummary summary = co_await finish(core_, *session, whole);
  if (end == ReadEnd::kClosed) {
    exchange.abandoned = true;
    co_return Answer{};
  }
  if (!whole && !summary.stopped) summary.unprocessed_from_line = feed.line_ends + 1;
  if (end != ReadEnd::kNone) {
    co_return read_failure(end, reader_.detail(), summary_members(summary));
  }
  if (!failure) co_return body_problem(failure.error(), summary_members(summary));
  co_return ingest_answer(summary, retry_after_seconds(core_.ingesting, core_.random()));
}

}  // namespace tidewatch

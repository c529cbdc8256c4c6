// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
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

// Ends the session and waits until its posts are on disk.
awaitable<IngestSummary> finish(ServerCore& core, IngestSession& session, bool arrived_whole) {
  auto start = [&core, &session, arrived_whole](auto handler) {
    using HandlerType = decltype(handler);
    const auto executor = asio::get_associated_executor(handler);
    auto shared = std::make_shared<HandlerType>(std::move(handler));
    // Holds the core: the engine may call this when the server is gone.
    session.finish(arrived_whole,
                   [shared, executor, keep = core.shared_from_this()](IngestSummary summary) {
                     asio::post(executor, [shared, summary = std::move(summary)]() mutable {
                       (std::move(*shared))(std::move(summary));
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
  const std::unique_ptr<IngestSession> session = core_.engine.open_ingest();
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

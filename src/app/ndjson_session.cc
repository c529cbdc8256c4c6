// SPDX-License-Identifier: Apache-2.0
#include "app/ndjson_session.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/mutex.h"
#include "ingest/line_splitter.h"

namespace tidewatch {
namespace {

// What is known of a body so far; lives until its last post was told.
class Tally final : public CommitListener {
 public:
  explicit Tally(Metrics& metrics) : metrics_(metrics) {}

  // The cookie of a post is its line.
  void committed(std::uint64_t line, Outcome outcome, const Status& status) override {
    std::function<void(IngestSummary)> done;
    IngestSummary summary;
    {
      MutexLock lock(mu_);
      --pending_;
      switch (outcome) {
        case Outcome::kStored:
          ++summary_.accepted;
          metrics_.posts_accepted().add();
          break;
        case Outcome::kDuplicate:
          ++summary_.duplicates;
          metrics_.posts_duplicate().add();
          break;
        case Outcome::kFailed:
          stop_at(line, {Code::kUnavailable, "posts cannot be stored: " + status.error().message});
          break;
      }
      if (!take_done(done, summary)) return;
    }
    done(std::move(summary));
  }

  void admitted() {
    MutexLock lock(mu_);
    ++pending_;
  }
  void refused(std::uint64_t line) {
    MutexLock lock(mu_);
    --pending_;
    stop_at(line, {Code::kResourceExhausted,
                   "the engine is behind; send the rest again after Retry-After"});
  }
  bool stopped() {
    MutexLock lock(mu_);
    return summary_.stopped.has_value();
  }
  void rejected(std::uint64_t line, const DecodeError& error) {
    MutexLock lock(mu_);
    note(line, error);
  }
  void finish(std::function<void(IngestSummary)> callback) {
    std::function<void(IngestSummary)> done;
    IngestSummary summary;
    {
      MutexLock lock(mu_);
      done_ = std::move(callback);
      if (!take_done(done, summary)) return;
    }
    done(std::move(summary));
  }

 private:
  // Lines from here on are to be sent again. The first line and reason stand; those after it that
  // were stored all the same are recognised by their ids.
  void stop_at(std::uint64_t line, Error error) REQUIRES(mu_) {
    if (summary_.stopped && summary_.unprocessed_from_line <= line) return;
    summary_.unprocessed_from_line = line;
    if (!summary_.stopped) summary_.stopped = std::move(error);
  }
  void note(std::uint64_t line, const DecodeError& error) REQUIRES(mu_) {
    ++summary_.rejected;
    if (summary_.errors.size() < kLineErrorsMax) {
      summary_.errors.push_back({line, error.field, error.reason});
    } else {
      ++summary_.errors_omitted;
    }
  }
  // True, once, when the body has ended and every post was told.
  bool take_done(std::function<void(IngestSummary)>& done, IngestSummary& summary) REQUIRES(mu_) {
    if (pending_ > 0 || !done_) return false;
    done = std::exchange(done_, nullptr);
    summary = std::move(summary_);
    std::stable_sort(summary.errors.begin(), summary.errors.end(),
                     [](const LineError& a, const LineError& b) { return a.line < b.line; });
    return true;
  }

  Metrics& metrics_;
  Mutex mu_;
  std::uint64_t pending_ GUARDED_BY(mu_) = 0;
  IngestSummary summary_ GUARDED_BY(mu_);
  std::function<void(IngestSummary)> done_ GUARDED_BY(mu_);
};

class NdjsonSession final : public IngestSession {
 public:
  NdjsonSession(const DecodeLimits& limits, const Clock& clock, FreshIds& fresh_ids,
                Pipeline& pipeline, Metrics& metrics, StageTimes& times,
                std::chrono::milliseconds timeout)
      : limits_(limits),
        timeout_(timeout),
        clock_(clock),
        pipeline_(pipeline),
        metrics_(metrics),
        times_(times),
        splitter_(limits.line_bytes_max),
        decoder_(limits, clock, fresh_ids),
        tally_(std::make_shared<Tally>(metrics)) {}

  bool feed(std::string_view bytes) override {
    if (stopped_ || tally_->stopped()) return false;
    splitter_.feed(bytes);
    while (const auto line = splitter_.next()) {
      if (!take(*line)) return false;
    }
    return true;
  }

  void finish(bool arrived_whole, std::function<void(IngestSummary)> done) override {
    if (arrived_whole && !stopped_) {
      if (const auto line = splitter_.finish()) take(*line);
    }
    tally_->finish(std::move(done));
  }

 private:
  bool take(const LineSplitter::Line& line) {
    if (line.too_long) {
      reject(line.number, line_too_long(limits_), "line_too_long");
      return true;
    }
    const SteadyTime received = clock_.steady_now();
    auto decoded = decoder_.decode(line.text);
    times_.record(Stage::kDecode, clock_.steady_now() - received);
    if (const auto* error = std::get_if<DecodeError>(&decoded)) {
      reject(line.number, *error, rejection_reason(*error));
      return true;
    }
    tally_->admitted();  // before submit: the answer may come before it returns
    const auto admission = pipeline_.submit(
        std::move(std::get<Post>(decoded)), received, tally_, line.number, /*wait=*/false,
        timeout_.count() > 0 ? received + timeout_ : SteadyTime::max());
    if (admission == Pipeline::Admission::kBehind) {
      tally_->refused(line.number);
      metrics_.shed().add();
      stopped_ = true;
      return false;
    }
    return true;
  }

  void reject(std::uint64_t line, const DecodeError& error, std::string_view reason) {
    tally_->rejected(line, error);
    metrics_.rejected(reason).add();
  }

  const DecodeLimits limits_;
  const std::chrono::milliseconds timeout_;
  const Clock& clock_;
  Pipeline& pipeline_;
  Metrics& metrics_;
  StageTimes& times_;
  LineSplitter splitter_;
  PostDecoder decoder_;
  const std::shared_ptr<Tally> tally_;
  bool stopped_ = false;
};

}  // namespace

std::string_view rejection_reason(const DecodeError& error) {
  if (error.field.empty()) return "json";
  if (error.field == "time") return "time";
  if (error.reason.starts_with("missing")) return "missing";
  if (error.reason.find("bytes") != std::string::npos) return "too_long";
  return "type";
}

std::unique_ptr<IngestSession> make_ndjson_session(const DecodeLimits& limits, const Clock& clock,
                                                   FreshIds& fresh_ids, Pipeline& pipeline,
                                                   Metrics& metrics, StageTimes& times,
                                                   std::chrono::milliseconds timeout) {
  return std::make_unique<NdjsonSession>(limits, clock, fresh_ids, pipeline, metrics, times,
                                         timeout);
}

}  // namespace tidewatch

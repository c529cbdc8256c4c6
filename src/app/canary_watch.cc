// SPDX-License-Identifier: Apache-2.0
#include "app/canary_watch.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace tidewatch {
namespace {

constexpr std::uint64_t kReviewEvery = 64;  // texts compared
// And at least this often, whatever is compared: under load it may be nothing.
constexpr std::chrono::seconds kReviewAfter{1};

void add_labels(CanarySide& side, const Scores& scores) {
  if (scores.emotion < side.emotions.size()) {
    ++side.emotions[scores.emotion];
    side.confidence_sum += static_cast<double>(scores.emotion_prob[scores.emotion]);
  }
  if (scores.topic < side.topics.size()) ++side.topics[scores.topic];
}

}  // namespace

CanaryWatch::CanaryWatch(const Options& options, std::shared_ptr<LiveModel> live,
                         std::shared_ptr<LiveModel> candidate, const std::vector<ProbeText>& probes,
                         const Clock& clock, Metrics& metrics, std::function<bool()> busy,
                         Decided decided)
    : options_(options),
      probes_(probes),
      clock_(clock),
      metrics_(metrics),
      busy_(std::move(busy)),
      decided_(std::move(decided)),
      model_(live->model().manifest.name),
      live_version_(live->model().manifest.version),
      candidate_version_(candidate->model().manifest.version),
      live_(std::move(live)),
      candidate_(std::move(candidate)) {}

CanaryWatch::~CanaryWatch() { stop(); }

void CanaryWatch::start() {
  thread_ = std::jthread([this] { watch(); });
}

void CanaryWatch::stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.notify_all();
  MutexLock lock(stop_mu_);
  if (thread_.joinable()) thread_.join();
}

bool CanaryWatch::stopping() const {
  MutexLock lock(mu_);
  return stopping_;
}

void CanaryWatch::ran(CanarySideName name, std::chrono::nanoseconds took, std::size_t texts,
                      bool failed) noexcept {
  if (texts == 0) return;
  Side& of = side(name);
  of.runs.fetch_add(texts, std::memory_order_relaxed);
  if (failed) {
    of.errors.fetch_add(texts, std::memory_order_relaxed);
  } else {
    of.latency.record(took / static_cast<std::int64_t>(texts), texts);
  }
}

void CanaryWatch::answered(CanarySideName name, std::span<const std::int32_t> token_ids,
                           const Scores& scores) noexcept {
  {
    MutexLock lock(mu_);
    if (stopping_) return;
    if (queue_.size() >= options_.queue_texts_max) {
      shed_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    queue_.push_back({{token_ids.begin(), token_ids.end()}, scores, name});
  }
  changed_.notify_one();
}

void CanaryWatch::watch() {
  CanaryDecision decision;
  std::uint64_t since_review = 0;
  SteadyTime probe_at = clock_.steady_now();
  SteadyTime review_at = probe_at;
  const auto look = [&] {
    since_review = 0;
    review_at = clock_.steady_now() + kReviewAfter;
    decision = review();
  };
  while (decision.verdict == CanaryVerdict::kGoOn) {
    const SteadyTime now = clock_.steady_now();
    if (now >= probe_at) {
      if (!probe()) break;
      probe_at = clock_.steady_now() + options_.probe_every;
      look();
      continue;
    }
    if (now >= review_at) {
      look();
      continue;
    }
    std::optional<Waiting> text;
    {
      MutexLock lock(mu_);
      while (!stopping_ && queue_.empty()) {
        if (!changed_.wait_until(mu_, std::min(probe_at, review_at))) break;
      }
      if (stopping_) break;
      if (!queue_.empty()) {
        text = std::move(queue_.front());
        queue_.pop_front();
      }
    }
    if (!text) continue;
    // What is live goes first: the comparison is given up, not put off.
    if (busy_()) {
      shed_.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    compare(*text);
    if (++since_review >= kReviewEvery ||
        (options_.limits.promote_after > 0 && since_review >= options_.limits.promote_after)) {
      look();
    }
  }
  live_.reset();
  candidate_.reset();
  if (decision.verdict != CanaryVerdict::kGoOn) decided_(decision);
}

void CanaryWatch::compare(const Waiting& text) {
  const bool by_live = text.side == CanarySideName::kLive;
  LiveModel& other = by_live ? *candidate_ : *live_;
  const SteadyTime started = clock_.steady_now();
  const Result<Scores> scores = other.run_background(text.token_ids);
  // The candidate's runs count wherever they happen; the live model's only where they are live.
  if (by_live) {
    ran(CanarySideName::kCandidate, clock_.steady_now() - started, 1, !scores.ok());
  }
  if (!scores) return;
  MutexLock lock(mu_);
  ++compared_.compared;
  if (scores->emotion != text.scores.emotion) ++compared_.emotion_differs;
  if (scores->topic != text.scores.topic) ++compared_.topic_differs;
  add_labels(compared_.live, by_live ? text.scores : *scores);
  add_labels(compared_.candidate, by_live ? *scores : text.scores);
}

bool CanaryWatch::probe() {
  std::vector<GoldenText> texts;
  std::vector<Scores> live;
  std::vector<Scores> candidate;
  std::uint64_t failed = 0;
  for (const ProbeText& text : probes_) {
    if (stopping()) return false;
    const Result<Scores> is = candidate_->run_background(text.token_ids);
    const Result<Scores> was = live_->run_background(text.token_ids);
    if (!is) ++failed;
    if (!was) continue;
    texts.push_back(text.golden);
    live.push_back(*was);
    candidate.push_back(is ? *is : Scores{});  // a failed run has every label wrong
  }
  candidate_side_.runs.fetch_add(probes_.size(), std::memory_order_relaxed);
  candidate_side_.errors.fetch_add(failed, std::memory_order_relaxed);
  MutexLock lock(mu_);
  compared_.live.accuracy = golden_accuracy(texts, live);
  compared_.candidate.accuracy = golden_accuracy(texts, candidate);
  ++compared_.live.probe_rounds;
  ++compared_.candidate.probe_rounds;
  return true;
}

CanaryFigures CanaryWatch::figures() const {
  CanaryFigures figures;
  {
    MutexLock lock(mu_);
    figures = compared_;
  }
  figures.shed = shed_.load(std::memory_order_relaxed);
  const auto fill = [](CanarySide& to, const Side& from) {
    to.runs = from.runs.load(std::memory_order_relaxed);
    to.errors = from.errors.load(std::memory_order_relaxed);
    to.latency_p99_ms = from.latency.percentiles().p99;
  };
  fill(figures.live, live_side_);
  fill(figures.candidate, candidate_side_);
  return figures;
}

CanaryDecision CanaryWatch::review() {
  const CanaryFigures now = figures();
  const auto share = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  const auto set = [&](std::string_view figure, double value, std::string_view task = {}) {
    metrics_.canary(figure, model_, candidate_version_, task).set(value);
  };
  set("compared_texts", static_cast<double>(now.compared));
  set("shed_texts", static_cast<double>(now.shed));
  set("disagreement", share(now.emotion_differs, now.compared), "emotion");
  set("disagreement", share(now.topic_differs, now.compared), "topic");
  set("label_distance", total_variation(now.live.emotions, now.candidate.emotions), "emotion");
  set("label_distance", total_variation(now.live.topics, now.candidate.topics), "topic");
  set("chi_square", chi_square(now.live.emotions, now.candidate.emotions).statistic, "emotion");
  set("chi_square", chi_square(now.live.topics, now.candidate.topics).statistic, "topic");
  for (const auto& [version, of] :
       {std::pair{&live_version_, &now.live}, std::pair{&candidate_version_, &now.candidate}}) {
    metrics_.canary("confidence", model_, *version)
        .set(now.compared == 0 ? 0 : of->confidence_sum / static_cast<double>(now.compared));
    metrics_.canary("latency_p99_seconds", model_, *version).set(of->latency_p99_ms / 1'000);
    metrics_.canary("error_ratio", model_, *version).set(share(of->errors, of->runs));
    metrics_.canary("accuracy", model_, *version, "emotion").set(of->accuracy.emotion);
    metrics_.canary("accuracy", model_, *version, "topic").set(of->accuracy.topic);
  }
  return decide_canary(now, options_.limits);
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "app/counting.h"

#include <algorithm>
#include <map>
#include <utility>

#include "app/scored_post.h"
#include "app/usual_weeks.h"
#include "core/thread_name.h"
#include "core/unix_time.h"
#include "observe/log.h"

namespace tidewatch {
namespace {

constexpr std::size_t kCountBatch = 1'024;  // posts counted under one lock
constexpr std::chrono::milliseconds kWallTick{500};

}  // namespace

void add_counts(KeyCounts& sum, const KeyCounts& counts) {
  sum.posts += counts.posts;
  sum.negative += counts.negative;
  sum.new_authors += counts.new_authors;
  sum.new_texts += counts.new_texts;
  sum.bare_reposts += counts.bare_reposts;
  sum.new_author_negative += counts.new_author_negative;
  for (std::size_t i = 0; i < sum.emotions.size(); ++i) sum.emotions[i] += counts.emotions[i];
}

Counting::Counting(Options options, LabelSchema labels, const Clock& clock, Store& store,
                   AlertDesk& desk, StageTimes& times)
    : options_(std::move(options)),
      labels_(std::move(labels)),
      clock_(clock),
      store_(store),
      desk_(desk),
      times_(times),
      watch_(options_.watch, labels_),
      evidence_(watch_),
      alerts_(options_.alert, labels_, evidence_),
      queue_(options_.queue_posts_max) {}

void Counting::start() {
  thread_ = std::jthread([this] { run(); });
}

Counting::~Counting() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void Counting::set_rules(std::shared_ptr<const RuleMatcher> rules) {
  MutexLock lock(mu_);
  watch_.set_rules(std::move(rules));
}

void Counting::push(std::span<CommittedPost> posts) {
  for (CommittedPost& post : posts) {
    if (!queue_.push(std::move(post.post))) return;  // closed: the posts are on disk
  }
}

void Counting::finish() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
  std::vector<ScoredPost> none;
  count(none, std::nullopt, /*flush=*/true);
  write_out();
}

void Counting::run() {
  name_thread("count");
  std::vector<ScoredPost> posts;
  SteadyTime next_tick = clock_.steady_now();
  while (true) {
    posts.clear();
    if (options_.follow_wall_clock) {
      if (!queue_.pop_some_until(posts, kCountBatch, next_tick)) return;
    } else if (!queue_.pop_some(posts, kCountBatch)) {
      return;
    }
    std::optional<EventTime> now;
    if (options_.follow_wall_clock && clock_.steady_now() >= next_tick) {
      now = clock_.wall_now();
      next_tick = clock_.steady_now() + kWallTick;
    }
    if (posts.empty() && !now) continue;
    count(posts, now, /*flush=*/false);
    write_out();
  }
}

void Counting::count(std::vector<ScoredPost>& posts, std::optional<EventTime> now, bool flush) {
  const SteadyTime before = clock_.steady_now();
  {
    MutexLock lock(mu_);
    const auto take = [this](std::span<const Change> changes)
                          REQUIRES(mu_) { take_changes(changes); };
    for (const ScoredPost& post : posts) watch_.add(post, take);
    if (now) watch_.advance_to(*now, take);
    if (flush) watch_.flush(take);
    if (const auto watermark = watch_.aggregator().stats().watermark; watermark && (now || flush)) {
      alerts_.close_orphans(*watermark, updates_);
    }
    std::vector<MinuteCounts> minutes = watch_.aggregator().take_minutes();
    minutes_.insert(minutes_.end(), std::make_move_iterator(minutes.begin()),
                    std::make_move_iterator(minutes.end()));
  }
  if (!posts.empty()) {
    const auto took = clock_.steady_now() - before;
    times_.record(Stage::kCount, took / static_cast<std::int64_t>(posts.size()), posts.size());
  }
}

void Counting::take_changes(std::span<const Change> changes) {
  for (const Change& change : changes) remember_peak(change);
  alerts_.on_changes(changes, updates_);
}

void Counting::remember_peak(const Change& change) {
  const auto key = std::make_pair(to_string(change.name), change.onset);
  auto it = peaks_.find(key);
  if (it == peaks_.end()) {
    if (peaks_.size() >= kPeaksMax) {
      peaks_.erase(std::min_element(peaks_.begin(), peaks_.end(), [](const auto& a, const auto& b) {
        return a.second.score < b.second.score;
      }));
    }
    it = peaks_.emplace(key, WavePeak{}).first;
  }
  WavePeak& peak = it->second;
  peak.posts = std::max<std::uint64_t>(peak.posts, change.since_onset.posts);
  if (change.score > peak.score) {
    peak.name = change.name;
    peak.kind = change.kind;
    peak.onset = change.onset;
    peak.at = change.at;
    peak.score = change.score;
    peak.from_rate = change.from_rate;
    peak.to_rate = change.to_rate;
  }
}

void Counting::write_out() {
  if (minutes_.empty() && updates_.empty()) return;
  Status status;
  if (!minutes_.empty()) {
    status = store_.put_minutes(minutes_, labels_);
    if (status) minutes_.clear();
  }
  std::size_t written = 0;
  while (status && written < updates_.size()) {
    status = desk_.write(updates_[written]);
    if (!status) break;
    ++written;
  }
  updates_.erase(updates_.begin(), updates_.begin() + static_cast<std::ptrdiff_t>(written));
  if (!status && !write_failed_) {
    log(LogLevel::kError, "count", "cannot write alerts or counts; they are kept and tried again",
        {{"reason", status.error().message}, {"alerts", updates_.size()}});
  }
  write_failed_ = !status;
  if (updates_.size() > kUnwrittenMax) {
    updates_.erase(updates_.begin(), updates_.end() - static_cast<std::ptrdiff_t>(kUnwrittenMax));
  }
  if (minutes_.size() > kUnwrittenMax) {
    minutes_.erase(minutes_.begin(), minutes_.end() - static_cast<std::ptrdiff_t>(kUnwrittenMax));
  }
}

Status Counting::restore(std::chrono::minutes recount, std::chrono::hours recount_max) {
  for (const auto state : {AlertQuery::State::kEnded, AlertQuery::State::kGoingOn}) {
    AlertQuery query;
    query.state = state;
    query.limit = 1'000;
    TRY_ASSIGN(AlertPage page, store_.alerts(query));
    std::reverse(page.alerts.begin(), page.alerts.end());
    alerts_.restore(page.alerts, store_.stats().newest.value_or(EventTime{}));
  }
  const EventTime now = clock_.wall_now();
  EventTime since = now - recount;
  std::int64_t whole_until = 0;  // minutes before this one are in the store
  const KeyName everything{KeyKind::kTopicRegion, "*", "*", ""};
  TRY_ASSIGN(const std::vector<SeriesPoint> written,
             store_.series(to_string(everything), now - recount_max, now + recount,
                           std::chrono::seconds{60}));
  if (!written.empty()) {
    whole_until = unix_seconds(written.back().time);
    since = std::min(since, written.back().time - options_.watch.aggregate.unique_window);
  }
  {
    MutexLock lock(mu_);
    const Status learned = learn_usual_weeks(store_, labels_, since, watch_.detector());
    if (!learned) {
      log(LogLevel::kWarning, "count",
          "the usual week is learned anew, that of the store is not read",
          {{"reason", learned.error().message}});
    }
  }
  std::vector<ScoredPost> posts;
  const auto feed = [&] {
    count(posts, std::nullopt, /*flush=*/false);
    posts.clear();
  };
  TRY(store_.scan_posts(Sequence{}, since, [&](const StoredPost& stored) {
    posts.push_back(scored_post(stored, labels_));
    if (posts.size() >= kCountBatch) feed();
    return true;
  }));
  feed();
  std::erase_if(minutes_, [&](const MinuteCounts& m) { return m.minute < whole_until; });
  write_out();
  return {};
}

std::vector<TrendView> Counting::trends(std::size_t count_max, std::chrono::seconds window,
                                        const Detector::KeyFilter& filter) const {
  MutexLock lock(mu_);
  const auto names = [&](KeyId key) REQUIRES(mu_) { return watch_.aggregator().name(key); };
  std::vector<TrendView> trends;
  const auto watermark = watch_.aggregator().stats().watermark;
  const std::int64_t end = watermark ? unix_seconds(*watermark) : 0;
  for (const KeyView& view : watch_.detector().top(count_max, names, filter)) {
    const KeyName* name = watch_.aggregator().name(view.key);
    if (name == nullptr) continue;
    TrendView trend{*name, view, {}, {}};
    for (const auto& [second, counts] : watch_.aggregator().recent_seconds(view.key, window)) {
      add_counts(trend.window, counts);
      const std::int64_t age = std::max<std::int64_t>(0, end - 1 - second);
      const auto part =
          static_cast<std::size_t>(age * 30 / std::max<std::int64_t>(window.count(), 1));
      if (part < trend.sparkline.size()) trend.sparkline[29 - part] += counts.posts;
    }
    trends.push_back(std::move(trend));
  }
  return trends;
}

std::optional<std::vector<std::pair<std::int64_t, KeyCounts>>> Counting::recent_seconds(
    const KeyName& key, std::chrono::seconds back) const {
  MutexLock lock(mu_);
  const auto id = watch_.aggregator().find(key);
  if (!id) return std::nullopt;
  return watch_.aggregator().recent_seconds(*id, back);
}

AggregateStats Counting::stats() const {
  MutexLock lock(mu_);
  return watch_.aggregator().stats();
}

std::size_t Counting::open_alerts() const { return alerts_.open_count(); }

std::vector<WavePeak> Counting::peaks(std::size_t count_max) const {
  std::vector<WavePeak> peaks;
  {
    MutexLock lock(mu_);
    for (const auto& [key, peak] : peaks_) peaks.push_back(peak);
  }
  std::stable_sort(peaks.begin(), peaks.end(),
                   [](const WavePeak& a, const WavePeak& b) { return a.score > b.score; });
  if (peaks.size() > count_max) peaks.resize(count_max);
  return peaks;
}

}  // namespace tidewatch

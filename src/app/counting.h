// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "aggregate/aggregator.h"
#include "alert/alert_manager.h"
#include "alert/watch_evidence.h"
#include "app/alert_desk.h"
#include "app/stage_times.h"
#include "core/bounded_queue.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "detect/post_watch.h"
#include "store/store.h"
#include "store/store_writer.h"

namespace tidewatch {

// Adds `counts` to `sum`.
void add_counts(KeyCounts& sum, const KeyCounts& counts);

// A key that changes, for GET /v1/trends and `replay --json`.
struct TrendView {
  KeyName name;
  KeyView now;
  KeyCounts window;                           // sums over the window asked for
  std::array<std::uint32_t, 30> sparkline{};  // posts in 30 equal parts of the window, oldest first
};

// The strongest moment of a wave, for the summary of a replay.
struct WavePeak {
  KeyName name;
  ChangeKind kind = ChangeKind::kVolume;
  std::int64_t onset = 0;
  std::int64_t at = 0;
  double score = 0;
  double from_rate = 0;
  double to_rate = 0;
  std::uint64_t posts = 0;
};

// Counts stored posts on a thread of its own and turns what it notices into alerts:
//   stored posts ─► PostWatch ─► AlertManager ─► AlertDesk ─► store, outbox
//
// Ownership: clock, store, desk and times must outlive it. Threads: push and the queries may be
// called concurrently; push blocks when `queue_posts_max` posts wait (back-pressure on the store's
// writer).
// Errors: an alert or minute that cannot be written is kept and tried again with the next posts
// (at most kUnwrittenMax each; beyond, the oldest are dropped).
// Life cycle: restore() if wanted, then start(), then pushes; finish() counts what waits, closes
// every window (end of a file) and joins; the destructor stops without closing windows.
class Counting {
 public:
  struct Options {
    PostWatch::Options watch;
    AlertOptions alert;
    std::size_t queue_posts_max = 16'384;
    bool follow_wall_clock = true;  // false in a replay: event time alone decides
  };

  Counting(Options options, LabelSchema labels, const Clock& clock, Store& store, AlertDesk& desk,
           StageTimes& times);
  ~Counting();
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;

  // After a restart: takes the alerts of the store and what its weeks usually look like, and counts
  // its latest posts again (at least `recount` of it, more when counts of minutes were not written,
  // at most `recount_max`). Minutes that the store has whole are not written again.
  Status restore(std::chrono::minutes recount, std::chrono::hours recount_max) EXCLUDES(mu_);
  void start();
  // Changes what rules are watched, from the next post counted on; null: none.
  void set_rules(std::shared_ptr<const RuleMatcher> rules) EXCLUDES(mu_);
  void push(std::span<CommittedPost> posts);
  // Alerts and minutes that could not be written: after finish() they are lost.
  std::size_t unwritten() const { return updates_.size() + minutes_.size(); }
  void finish() EXCLUDES(mu_);

  std::vector<TrendView> trends(std::size_t count_max, std::chrono::seconds window,
                                const Detector::KeyFilter& filter) const EXCLUDES(mu_);
  // Seconds with posts of a key among the last ten minutes; nothing when it is not counted now.
  std::optional<std::vector<std::pair<std::int64_t, KeyCounts>>> recent_seconds(
      const KeyName& key, std::chrono::seconds back) const EXCLUDES(mu_);
  AggregateStats stats() const EXCLUDES(mu_);
  std::size_t open_alerts() const EXCLUDES(mu_);
  std::size_t queue_depth() const { return queue_.size(); }

  // Waves seen so far by their peak, largest score first.
  std::vector<WavePeak> peaks(std::size_t count_max) const EXCLUDES(mu_);

 private:
  static constexpr std::size_t kUnwrittenMax = 100'000;
  static constexpr std::size_t kPeaksMax = 10'000;

  void run();
  // Counts posts and turns the closed ticks into alert updates.
  void count(std::vector<ScoredPost>& posts, std::optional<EventTime> now, bool flush)
      EXCLUDES(mu_);
  void take_changes(std::span<const Change> changes) REQUIRES(mu_);
  void remember_peak(const Change& change) REQUIRES(mu_);
  void write_out() EXCLUDES(mu_);

  const Options options_;
  const LabelSchema labels_;
  const Clock& clock_;
  Store& store_;
  AlertDesk& desk_;
  StageTimes& times_;

  mutable Mutex mu_;
  PostWatch watch_ GUARDED_BY(mu_);
  WatchEvidence evidence_;  // used by alerts_ alone, under mu_
  AlertManager alerts_;     // its open_count may be called concurrently
  std::map<std::pair<std::string, std::int64_t>, WavePeak> peaks_ GUARDED_BY(mu_);

  // For the counting thread alone.
  std::vector<AlertUpdate> updates_;   // not yet written
  std::vector<MinuteCounts> minutes_;  // not yet written
  bool write_failed_ = false;

  BoundedQueue<ScoredPost> queue_;
  std::jthread thread_;  // last: uses the rest
};

}  // namespace tidewatch

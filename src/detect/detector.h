// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "aggregate/window_counts.h"
#include "detect/change.h"

namespace tidewatch {

// How busy a key is: class i has an expected rate of at most kBusyPerMinute[i] posts a minute, the
// last class has no limit.
inline constexpr std::size_t kBusyClasses = 5;
inline constexpr std::array<double, kBusyClasses - 1> kBusyPerMinute{0.2, 2, 20, 200};
inline constexpr std::size_t kQuietClassMax = 2;  // the busiest class of quiet keys

// Settings of the detector. Rates are posts by new authors (KeyCounts::new_authors).
struct DetectOptions {
  // Volume: two CUSUMs, tuned to these multiples of the baseline. Both forget: what counts is how
  // much came at once, since wandering adds up to any evidence in the end. The one for the larger
  // multiple forgets within a minute, the other one in five; in one of a key of up to
  // kQuietClassMax, since quiet keys have slow bursts of their own.
  double ratio_low = 3.5;
  double ratio_high = 25.0;
  std::chrono::seconds low_memory{300}, quiet_memory{60},
      burst_memory{30};  // time constants of forgetting
  // Thresholds of the log-likelihood ratio, dispersion-corrected, by how busy the key is
  // (kBusyPerMinute): busy keys of real streams have bursts of their own, quiet ones hardly any.
  // `tidewatch calibrate-alerts` measures them.
  std::array<double, kBusyClasses> volume_thresholds{11.0, 11.0, 11.0, 11.0, 11.0};
  std::array<double, kBusyClasses> burst_thresholds{11.0, 11.0, 11.0, 11.0, 11.0};
  double baseline_floor_per_minute = 1.0;       // a quieter key is taken to be this busy
  std::chrono::seconds baseline_span{45 * 60};  // time constant of the running baseline
  // The running baseline follows the rhythm of the week by what topics, and other keys once they
  // are a week old, usually have at an hour. Keys with a profile of their own, 3 kB each; 0:
  // the running baseline alone.
  std::size_t week_profiles_max = 1'024;
  std::uint32_t authors_min = 16;  // new authors since the onset
  double excess_min = 10.0;        // of them, above what the baseline expects
  // They came in this many different seconds: a blip is no wave. Fewer are enough when so many
  // authors came beside those of the largest second.
  std::uint32_t seconds_min = 4;
  double authors_at_once = 100;

  // Negative share: a Bernoulli CUSUM, tuned to this odds ratio against the baseline share.
  double odds_ratio = 2.0;
  double negative_threshold = 14.0;
  std::uint32_t negative_authors_min = 30;  // negative posts by new authors since the onset
  double share_lift_min = 0.1;              // since the onset, above the baseline share

  // A key younger than this, and a stream younger than this, gives no change.
  std::chrono::seconds warm_up{120};

  // A wave ends when its rate has been back near the baseline for this long; a shorter pause
  // belongs to it.
  std::chrono::seconds quiet_before_end{30 * 60};
  // The key reported for a family (topic@region, topic@*, *@region, *@*) is the most specific one
  // that has this share of the excess.
  double explained_share = 0.6;
  // Of the posts of a topic, the share that a classifier may put under one other topic (the largest
  // of the bundled models: 0.106). A change no larger than this share of another topic's open wave
  // is taken for its misclassified posts.
  double leak_share = 0.1;
  std::size_t waves_max = 1'024;  // open at once; when full no wave starts (stats: refused)
};

// What the detector thinks of a key now, for GET /v1/trends.
struct KeyView {
  KeyId key;
  double score = 0;                // the larger statistic over its threshold: 1 is the threshold
  double baseline_per_minute = 0;  // posts by new authors a minute, expected
  double rate_per_minute = 0;      // and over about the last minute
  double baseline_negative_share = 0;
  double negative_share = 0;  // over about the last minute; 0 without posts
  bool rising = false;        // well above the baseline now
  bool in_wave = false;       // a kStarted without its kEnded, of either kind
};

struct DetectStats {
  std::uint64_t keys = 0;
  std::uint64_t waves_open = 0;
  std::uint64_t waves_started = 0;
  std::uint64_t waves_refused = 0;    // waves_max was reached
  std::uint64_t waves_explained = 0;  // a key over its threshold, told as a relative's wave
  std::uint64_t memory_bytes = 0;
};

// Notices when a key leaves its baseline: kVolume and kNegative changes. Stage after aggregate,
// before alert. The method is in key_score.h and docs/adr/0003-change-detection.md.
//
// One event, one wave: when keys of a family cross together, one of them is told. That is the most
// specific one that has most of the excess (explained_share); a key above it when the change is
// wider; never *@* when one or two topics (or regions) account for it; never a key with topic or
// region `unknown`. The key told of must be over its own threshold, or what crossed must rise by
// much more than the rest of that key: a burst as a busy topic has them is no news of its
// provinces. A change of at most leak_share of what another topic has more of at the same place is
// taken for its misclassified posts (docs/adr/0016-news-of-the-key-told.md). Hashtags and keywords
// lie under *@* only: a wave of #x# and one of a topic may both be told. While a wave is open it
// tells for its relatives; a narrower key starts a wave of its own within it when it rises ten
// minutes later or more and has most of what is up then. kVolume and kNegative are told apart.
// `since_onset` of a kStarted holds what came since the onset.
//
// Threads: none; not thread-safe. Deterministic: the same ticks give the same changes.
// Cost: O(keys in the tick + open waves) a tick; silent time costs nothing, however long. A key
// over its threshold without a wave costs O(keys that are up) every 30 seconds.
// Memory: 64 bytes a key for scores and about 200 beside, for as many keys as the aggregator has;
// 3 kB for each of week_profiles_max keys.
class Detector {
 public:
  explicit Detector(DetectOptions options);
  ~Detector();
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;

  // Names a key; null when it was evicted. Called during observe() and top() only.
  using KeyNames = std::function<const KeyName*(KeyId)>;
  using KeyFilter = std::function<bool(const KeyName&)>;

  // Takes the next tick (seconds must increase). Appends changes in order of `at`.
  void observe(const Tick& tick, const KeyNames& names, std::vector<Change>& changes);

  struct WatchedRule {
    // The second (Unix) from which on it is matched: silence since then is known, so that its first
    // posts can be a wave.
    std::int64_t since = 0;
    // Its query lets through negative posts alone, or none: it has no kNegative changes.
    bool fixed_share = false;
  };
  // Tells what is known of rules, by name. Others are taken to be watched from the beginning of the
  // stream, whatever the emotion. Takes the place of what was said before, from the next tick on;
  // an open negative wave of a rule whose share is fixed by now ends with it.
  void watch_rules(std::unordered_map<std::string, WatchedRule> rules);

  // Tells how many posts by new authors a topic-region key had in the hour that begins at
  // `hour_start` (Unix seconds, a multiple of 3,600), for its usual week: what was learned before a
  // restart. Older hours first, and before the first tick; other keys and later calls do nothing.
  void learn_hour(const KeyName& key, std::int64_t hour_start, double posts);

  // Says that all ticks up to `second` have been seen: ends waves that went
  // quiet, at the time that silence did it. Optional in a replay: the next tick does the same.
  void advance(std::int64_t second, const KeyNames& names, std::vector<Change>& changes);

  // Nothing for a key never seen or evicted.
  std::optional<KeyView> view(KeyId key) const;

  // The keys with the largest score that pass the filter (empty: all), largest first; ties by
  // excess rate, then by id. O(keys).
  std::vector<KeyView> top(std::size_t count_max, const KeyNames& names,
                           const KeyFilter& filter = {}) const;

  DetectStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch

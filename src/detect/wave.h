// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "aggregate/window_counts.h"
#include "detect/change.h"
#include "detect/detector.h"
#include "detect/forecast.h"

namespace tidewatch {

// One open wave of one key: how strong it is, and whether it has gone quiet. Times are Unix
// seconds. Its level is a rate over about five minutes: of posts by new authors for kVolume, of
// negative posts and of posts with a text by new authors for kNegative.
class Wave {
 public:
  struct Start {
    KeyId key;
    std::size_t slot = 0;
    KeyName name;
    ChangeKind kind = ChangeKind::kVolume;
    std::uint64_t serial = 0;
    std::int64_t onset = 0;
    std::int64_t at = 0;
    double from_rate = 0;  // posts a second (kNegative: share)
    KeyCounts since_onset;
    double statistic = 0, burst = 0;  // nats
    std::uint8_t busy_class = 0;
  };

  explicit Wave(Start start);

  void take(std::int64_t second, const KeyCounts& counts);
  // Remembers the largest statistics of the key, in nats.
  void note(double statistic, double burst) {
    start_.statistic = std::max(start_.statistic, statistic);
    start_.burst = std::max(start_.burst, burst);
  }

  // Says what is normal now: expected posts a second, or the expected negative share. When the
  // level has been near it for `quiet` seconds by `second`, gives the second when that was so;
  // else a negative number. To be called before the counts of `second` are taken.
  std::int64_t quiet_since(std::int64_t second, double normal, std::int64_t quiet);

  // The posts a second (kNegative: the share) of the level at `second`.
  double level(std::int64_t second) const;

  // Posts above what was normal before: since the onset, and a second now. For kNegative negative
  // posts, against the share before.
  double excess(std::int64_t second) const;
  double excess_rate(std::int64_t second) const;

  // Whether a kContinues is due; marks it as told.
  bool due(std::int64_t second);

  // Fills in everything but phase, at and score.
  Change change(std::int64_t at) const;

  const Start& start() const { return start_; }
  std::size_t slot() const { return start_.slot; }
  ChangeKind kind() const { return start_.kind; }
  std::uint64_t serial() const { return start_.serial; }

 private:
  double decayed(double value, std::int64_t second) const;
  void pass_minutes(std::int64_t second);

  Start start_;
  double rate_ = 0;   // at last_: of what the wave counts
  double texts_ = 0;  // kNegative only: of posts with a text
  double peak_ = 0;   // of level()
  RateTrend trend_;
  std::int64_t minute_ = 0;  // that `minute_posts_` is of, Unix minutes
  double minute_posts_ = 0;
  std::int64_t last_ = 0;
  std::int64_t calm_since_ = -1;  // -1: it is not calm
  std::int64_t told_ = 0;
  std::uint32_t posts_told_ = 0;
};

}  // namespace tidewatch

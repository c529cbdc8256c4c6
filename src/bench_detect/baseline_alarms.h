// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench_detect/alarm_source.h"

namespace tidewatch {

// What others do, for comparison: a score of each key's posts every minute (or poll). The
// settings are thresholds on it. `bias` keeps scores of nearly silent keys low (posts, added as
// each method has it); it is tuned together with the threshold.
enum class BaselineKind : std::uint8_t {
  kHourAgainstTwelve,  // last hour over the mean hour of the 12 before: (x + bias) / (mean + bias)
  kSevenDaySigma,      // last 10 min: standard deviations above the mean of the last 7 days
  kPolling,            // the same every 20 min, of the last 20 min against the last day's
  kWindowedGaussian,  // last minute: Gaussian tail of the last day's minutes, as -log10 (as in NAB)
  kSigniTrend,        // E. Schubert et al., KDD 2014: EWMA and moving variance of minutes, biased
};
inline constexpr std::size_t kBaselineKinds = 5;

// Bounds: memory is num_keys x about 4 kB at most (the 7-day ring). Alarms are raised again after
// 30 minutes below a threshold, as in the engine.
class BaselineAlarms : public AlarmSource {
 public:
  BaselineAlarms(BaselineKind kind, double bias, std::size_t num_keys);
  ~BaselineAlarms() override;

  std::string name() const override;
  void observe(const Tick& tick) override;
  void reach(std::int64_t now) override;
  std::size_t num_settings() const override;
  std::string setting_name(std::size_t setting) const override;
  const std::vector<Alarm>& alarms(std::size_t setting) const override { return alarms_[setting]; }

  double bias() const { return bias_; }

 private:
  class Score;
  class RatioScore;
  class RingScore;
  class DecayScore;

  void close_minute();

  BaselineKind kind_;
  double bias_;
  std::vector<std::unique_ptr<Score>> score_;  // one; in a vector to be movable
  std::int64_t minute_ = -1;                   // open, Unix seconds at its start; -1: none yet
  std::int64_t minutes_seen_ = 0;
  std::vector<std::uint32_t> posts_;                   // of the open minute, by key
  std::vector<std::vector<std::int64_t>> last_above_;  // by setting and key
  std::vector<std::vector<Alarm>> alarms_;             // by setting
};

const char* baseline_name(BaselineKind kind);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace tidewatch {

inline constexpr std::int64_t kBinSeconds = 300;
inline constexpr std::int64_t kDaySeconds = 86'400;

// How busy one topic was, as counts of posts in bins of five minutes: the background of the
// detection benchmark, and what `calibrate-alerts` learns from.
struct RateCurve {
  std::string name;
  std::int64_t start = 0;  // Unix seconds of the first bin
  std::vector<double> counts;

  double days() const {
    return static_cast<double>(counts.size()) * static_cast<double>(kBinSeconds) / kDaySeconds;
  }
};

// Reads `timestamp,value` lines as the Numenta Anomaly Benchmark writes them (2015-02-26 21:42:53,
// UTC assumed; one header line). A gap is filled with the value before it; at most a day of it.
Result<RateCurve> read_rate_curve(const std::string& path);
Result<RateCurve> parse_rate_curve(std::string_view text, std::string name);

// Reads one file, every *.csv of a folder, or of its `realTweets` folder, by name. The curves are
// cut to the bins that all of them have.
Result<std::vector<RateCurve>> read_rate_curves(const std::string& path);

// Curves for a machine without data: a day's and a week's rhythm, a rate that wanders (an AR(1) of
// its logarithm) and bursts of its own that decay within the hour, at the mean rates of seven busy
// to nearly silent topics (17 to 0.1 posts a minute).
std::vector<RateCurve> make_rate_curves(std::uint64_t seed, int days);

}  // namespace tidewatch

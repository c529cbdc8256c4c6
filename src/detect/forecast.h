// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tidewatch {

// What an open wave is expected to bring in the next 30 minutes.
struct Forecast {
  double posts = 0;          // median
  double low = 0, high = 0;  // 80 % interval
  double acceleration = 0;   // change of the rate's logarithm a minute: 0.1 is +10 % a minute
};

// Follows the logarithm of a wave's rate by minutes: damped linear trend (E. S. Gardner and E.
// McKenzie, Management Science 31, 1985) by exponential smoothing, so that no growth goes on for
// ever; the interval is that of the one-step errors seen so far, which add up with the horizon, and
// of Poisson counts. O(1), 32 bytes. Pure but for its own numbers.
class RateTrend {
 public:
  // Takes the posts of the next minute.
  void take(double posts);

  // `minutes` ahead; nothing is known before two minutes: posts as they are, a wide interval.
  Forecast forecast(int minutes = 30) const;

  std::uint32_t minutes() const { return minutes_; }

 private:
  double level_ = 0, trend_ = 0;  // of ln(posts + 1) a minute
  double error_ = 0.5;            // mean square of one-step errors
  std::uint32_t minutes_ = 0;
};

}  // namespace tidewatch

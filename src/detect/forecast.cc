// SPDX-License-Identifier: Apache-2.0
#include "detect/forecast.h"

#include <algorithm>
#include <cmath>

namespace tidewatch {
namespace {

constexpr double kLevelGain = 0.5, kTrendGain = 0.2, kErrorGain = 0.1;
constexpr double kDamping = 0.85;  // of the trend, each minute
constexpr double kTrendMax = 1.5;
constexpr double kQuantile80 = 1.2816;  // of a normal variable: 10 % above
constexpr double kSpreadMax = 4;        // of the logarithm

}  // namespace

void RateTrend::take(double posts) {
  const double seen = std::log1p(std::max(posts, 0.0));
  if (minutes_++ == 0) {
    level_ = seen;
    return;
  }
  const double expected = level_ + kDamping * trend_;
  const double off = seen - expected;
  error_ += kErrorGain * (off * off - error_);
  level_ = expected + kLevelGain * off;
  trend_ = std::clamp(kDamping * trend_ + kTrendGain * off, -kTrendMax, kTrendMax);
}

Forecast RateTrend::forecast(int minutes) const {
  Forecast forecast;
  forecast.acceleration = trend_;
  double damped = kDamping, growth = 0, posts = 0, variance = 0, spread = 0;
  for (int ahead = 1; ahead <= minutes; ++ahead) {
    growth += damped * trend_;
    damped *= kDamping;
    const double now = std::max(std::expm1(level_ + growth), 0.0);
    // One-step errors move the level by its gain from then on; weighted by what the minute brings.
    variance += kLevelGain * kLevelGain * error_;
    spread += now * std::sqrt(variance);
    posts += now;
  }
  forecast.posts = posts;
  const double relative = posts > 0 ? std::min(spread / posts, kSpreadMax) : kSpreadMax;
  const double count_error = std::sqrt(posts);
  forecast.low =
      std::max(posts * std::exp(-kQuantile80 * relative) - kQuantile80 * count_error, 0.0);
  forecast.high = posts * std::exp(kQuantile80 * relative) + kQuantile80 * count_error + 1;
  return forecast;
}

}  // namespace tidewatch

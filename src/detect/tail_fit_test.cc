// SPDX-License-Identifier: Apache-2.0
#include "detect/tail_fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tidewatch {
namespace {

// Peaks above 5 with a generalised Pareto tail of scale 4.
std::vector<double> peaks_of(double shape, std::size_t count, std::uint64_t seed = 7) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  std::vector<double> peaks;
  for (std::size_t i = 0; i < count; ++i) {
    const double u = 1 - uniform(random);
    peaks.push_back(5 + (shape == 0 ? -4 * std::log(u) : 4 / shape * (std::pow(u, -shape) - 1)));
  }
  return peaks;
}

TEST(TailFitTest, FindsTheLevelThatOneInAThousandPeaksExceeds) {
  for (const double shape : {-0.2, 0.0, 0.3, 0.6}) {
    // 800 peaks in 10 days: 0.08 a day is one in a thousand. One fit may be off by half as much
    // again with a heavy tail; their mean may not.
    const double truth =
        5 + (shape == 0 ? 4 * std::log(1'000) : 4 / shape * (std::pow(1'000, shape) - 1));
    double log_ratio = 0;
    constexpr int kFits = 40;
    for (int seed = 1; seed <= kFits; ++seed) {
      const TailFit fit = fit_tail(peaks_of(shape, 800, static_cast<std::uint64_t>(seed)), 10);
      EXPECT_TRUE(fit.fitted);
      EXPECT_NEAR(fit.rate_above(fit.level_for(0.08)), 0.08, 1e-6) << shape;
      log_ratio += std::log(fit.level_for(0.08) / truth) / kFits;
    }
    // A bounded tail is never believed: the level is then too high.
    EXPECT_NEAR(log_ratio, shape < 0 ? 0.17 : 0, 0.15) << shape;
  }
}

TEST(TailFitTest, AHeavierTailAsksForAHigherLevel) {
  EXPECT_LT(fit_tail(peaks_of(0, 400), 10).level_for(0.1),
            fit_tail(peaks_of(0.6, 400), 10).level_for(0.1));
}

TEST(TailFitTest, LevelsRiseAsTheRateFalls) {
  const TailFit fit = fit_tail(peaks_of(0.3, 200), 20);
  EXPECT_LE(fit.level_for(10), fit.level_for(1));
  EXPECT_LT(fit.level_for(1), fit.level_for(0.1));
  EXPECT_EQ(fit.level_for(1e9), fit.above);
}

TEST(TailFitTest, FewPeaksGiveAnExponentialTailAndSaySo) {
  EXPECT_FALSE(fit_tail({}, 10).fitted);
  EXPECT_EQ(fit_tail({}, 10).peaks_per_unit, 0);
  for (const std::size_t count : {1, 2, 9}) {
    const TailFit fit = fit_tail(peaks_of(0, count), 10);
    EXPECT_FALSE(fit.fitted);
    EXPECT_EQ(fit.shape, 0);
    EXPECT_GT(fit.level_for(0.001), fit.above);
  }
}

TEST(TailFitTest, EqualPeaksAreNoTail) {
  const TailFit fit = fit_tail(std::vector<double>(50, 12.0), 10);
  EXPECT_FALSE(fit.fitted);
  EXPECT_TRUE(std::isfinite(fit.level_for(0.01)));
}

}  // namespace
}  // namespace tidewatch

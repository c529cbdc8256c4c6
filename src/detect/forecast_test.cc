// SPDX-License-Identifier: Apache-2.0
#include "detect/forecast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tidewatch {
namespace {

TEST(ForecastTest, ASteadyRateGoesOn) {
  RateTrend trend;
  for (int minute = 0; minute < 30; ++minute) trend.take(100);
  const Forecast forecast = trend.forecast();
  EXPECT_NEAR(forecast.posts, 3'000, 30);
  EXPECT_NEAR(forecast.acceleration, 0, 0.01);
  EXPECT_LT(forecast.low, forecast.posts);
  EXPECT_GT(forecast.high, forecast.posts);
}

TEST(ForecastTest, GrowthIsSeenAndDamped) {
  RateTrend trend;
  for (int minute = 0; minute < 15; ++minute) trend.take(10 * std::pow(1.2, minute));
  const Forecast forecast = trend.forecast();
  EXPECT_GT(forecast.acceleration, 0.05);
  const double now = 10 * std::pow(1.2, 14);
  EXPECT_GT(forecast.posts, 30 * now);
  EXPECT_LT(forecast.posts, 30 * now * 5);  // 1.2^30 would be 237
}

TEST(ForecastTest, EightOfTenWavesEndWithinTheInterval) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> step(0, 0.1);
  int within = 0;
  constexpr int kWaves = 400;
  for (int wave = 0; wave < kWaves; ++wave) {
    RateTrend trend;
    double rate = std::log(60.0);
    const auto minute = [&] {
      rate += step(random);
      return static_cast<double>(std::poisson_distribution<int>(std::exp(rate))(random));
    };
    for (int i = 0; i < 40; ++i) trend.take(minute());
    const Forecast forecast = trend.forecast();
    double posts = 0;
    for (int i = 0; i < 30; ++i) posts += minute();
    within += posts >= forecast.low && posts <= forecast.high;
  }
  EXPECT_NEAR(within, 0.8 * kWaves, 0.12 * kWaves);
}

TEST(ForecastTest, WithoutPostsNothingComes) {
  RateTrend trend;
  trend.take(0);
  EXPECT_EQ(trend.forecast().posts, 0);
  EXPECT_GE(trend.forecast().high, 1);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tidewatch {
namespace {

using namespace std::chrono_literals;

TEST(PoissonArrivals, KeepsTheRateOfEachPhase) {
  PoissonArrivals arrivals({{1'000, 20s}, {0, 5s}, {4'000, 10s}}, 7);
  int counts[3] = {};
  std::chrono::nanoseconds last{0};
  while (const auto due = arrivals.next()) {
    ASSERT_GE(*due, last);
    last = *due;
    ++counts[*due < 20s ? 0 : *due < 25s ? 1 : 2];
  }
  EXPECT_LT(last, 35s);
  EXPECT_NEAR(counts[0], 20'000, 4 * std::sqrt(20'000));  // four standard deviations
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(counts[2], 40'000, 4 * std::sqrt(40'000));
}

TEST(PoissonArrivals, GapsAreExponential) {
  PoissonArrivals arrivals({{1'000, 100s}}, 3);
  std::chrono::nanoseconds last{0};
  double sum = 0;
  double squares = 0;
  int count = 0;
  int above_mean = 0;
  while (const auto due = arrivals.next()) {
    const double gap_ms = std::chrono::duration<double, std::milli>(*due - last).count();
    last = *due;
    sum += gap_ms;
    squares += gap_ms * gap_ms;
    above_mean += gap_ms > 1 ? 1 : 0;
    ++count;
  }
  const double mean = sum / count;
  EXPECT_NEAR(mean, 1.0, 0.02);
  EXPECT_NEAR(std::sqrt(squares / count - mean * mean), 1.0, 0.03);
  EXPECT_NEAR(static_cast<double>(above_mean) / count, std::exp(-1.0), 0.01);
}

TEST(PoissonArrivals, SameSeedSameTimes) {
  PoissonArrivals a({{500, 1s}}, 11);
  PoissonArrivals b({{500, 1s}}, 11);
  PoissonArrivals c({{500, 1s}}, 12);
  bool differs = false;
  while (const auto due = a.next()) {
    EXPECT_EQ(due, b.next());
    differs = differs || due != c.next();
  }
  EXPECT_FALSE(b.next().has_value());
  EXPECT_TRUE(differs);
}

TEST(Bundling, LonePostLeavesAtOnceAndAStreamLeavesOnceAWindow) {
  Bundling bundling(2ms);
  const SteadyTime t0 = SteadyTime{} + 1h;
  EXPECT_EQ(bundling.wake_at(t0), t0);
  bundling.sent(t0);
  EXPECT_EQ(bundling.wake_at(t0 + 500us), t0 + 2ms);
  EXPECT_EQ(bundling.wake_at(t0 + 2500us), t0 + 2500us);
}

TEST(Bundling, NoWindowSendsEachWhenDue) {
  Bundling bundling(0ms);
  const SteadyTime t0 = SteadyTime{} + 1h;
  bundling.sent(t0);
  EXPECT_EQ(bundling.wake_at(t0 + 1us), t0 + 1us);
  // A sender that is behind does not sleep: what was due before is sent now.
  bundling.sent(t0 + 10ms);
  EXPECT_EQ(bundling.wake_at(t0 + 1ms), t0 + 10ms);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "observe/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

namespace tidewatch {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

// The nearest-rank percentile of sorted samples, in milliseconds.
double exact_ms(const std::vector<std::int64_t>& sorted, double p) {
  const auto rank =
      static_cast<std::size_t>(std::ceil(p * static_cast<double>(sorted.size()) - 1e-9));
  return static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1]) / 1e6;
}

TEST(LatencyHistogram, IsEmptyAtFirst) {
  const LatencyHistogram histogram;
  const Percentiles p = histogram.percentiles();
  EXPECT_EQ(p.count, 0u);
  EXPECT_EQ(p.p50, 0);
  EXPECT_EQ(p.max, 0);
}

TEST(LatencyHistogram, EveryBucketIsWithinOnePercentOfWhatItHolds) {
  for (std::uint64_t ns = 1'000; ns <= 100'000'000'000;
       ns += std::max<std::uint64_t>(1, ns / 997)) {
    const std::size_t index = LatencyBuckets::index(ns);
    ASSERT_LT(index, LatencyBuckets::kCount) << ns;
    const double truth = static_cast<double>(ns) / 1e6;
    ASSERT_NEAR(LatencyBuckets::middle_ms(index), truth, truth * 0.01) << ns;
    ASSERT_GE(index, LatencyBuckets::index(ns - 1)) << ns;
  }
}

TEST(LatencyHistogram, AgreesWithSortedSamples) {
  struct Case {
    const char* name;
    double log_mean;
    double log_sigma;
    std::size_t count;
  };
  const Case cases[] = {{"one sample", 14, 1, 1},      {"two samples", 14, 1, 2},
                        {"a thousand", 15, 1.5, 1000}, {"microseconds", 9, 0.5, 20'000},
                        {"seconds", 21, 1, 20'000},    {"narrow", 16, 0.001, 5'001}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> distribution(c.log_mean, c.log_sigma);
    LatencyHistogram histogram;
    std::vector<std::int64_t> samples;
    for (std::size_t i = 0; i < c.count; ++i) {
      const auto ns = static_cast<std::int64_t>(std::clamp(distribution(random), 1e3, 9.9e10));
      samples.push_back(ns);
      histogram.record(nanoseconds(ns));
    }
    std::sort(samples.begin(), samples.end());
    const Percentiles p = histogram.percentiles();
    EXPECT_EQ(p.count, c.count);
    EXPECT_NEAR(p.p50, exact_ms(samples, 0.50), 0.01 * exact_ms(samples, 0.50));
    EXPECT_NEAR(p.p95, exact_ms(samples, 0.95), 0.01 * exact_ms(samples, 0.95));
    EXPECT_NEAR(p.p99, exact_ms(samples, 0.99), 0.01 * exact_ms(samples, 0.99));
    EXPECT_NEAR(p.p999, exact_ms(samples, 0.999), 0.01 * exact_ms(samples, 0.999));
    EXPECT_EQ(p.max, static_cast<double>(samples.back()) / 1e6);
    EXPECT_LE(p.p50, p.p95);
    EXPECT_LE(p.p95, p.p99);
    EXPECT_LE(p.p99, p.p999);
    EXPECT_LE(p.p999, p.max);
  }
}

TEST(LatencyHistogram, TakesWhatLiesOutsideItsRange) {
  LatencyHistogram histogram;
  histogram.record(-5s);
  histogram.record(0ns);
  histogram.record(1h);
  const Percentiles p = histogram.percentiles();
  EXPECT_EQ(p.count, 3u);
  EXPECT_LT(p.p50, 0.001);
  EXPECT_NEAR(p.p99, 100'000, 1'000);
  EXPECT_EQ(p.max, 3'600'000);
}

TEST(LatencyHistogram, RecordsManyAtOnceAndForgets) {
  LatencyHistogram histogram;
  histogram.record(1ms, 98);
  histogram.record(10ms, 2);
  Percentiles p = histogram.percentiles();
  EXPECT_EQ(p.count, 100u);
  EXPECT_NEAR(p.p95, 1.0, 0.01);
  EXPECT_NEAR(p.p99, 10.0, 0.1);
  histogram.reset();
  p = histogram.percentiles();
  EXPECT_EQ(p.count, 0u);
  EXPECT_EQ(p.max, 0);
}

TEST(LatencyHistogram, LosesNothingBetweenThreads) {
  LatencyHistogram histogram;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&histogram, t] {
      for (int i = 0; i < 20'000; ++i) histogram.record(std::chrono::microseconds(t * 20'000 + i));
    });
  }
  while (histogram.percentiles().count < 10) std::this_thread::yield();
  threads.clear();
  const Percentiles p = histogram.percentiles();
  EXPECT_EQ(p.count, 80'000u);
  EXPECT_EQ(p.max, 79.999);
}

TEST(RecentLatency, ForgetsWhatIsAMinuteOld) {
  RecentLatency recent;
  ManualClock clock;
  clock.advance(1h);
  recent.record(clock.steady_now(), 900ms);
  EXPECT_EQ(recent.percentiles(clock.steady_now()).max, 900);
  clock.advance(30s);
  recent.record(clock.steady_now(), 10ms);
  EXPECT_EQ(recent.percentiles(clock.steady_now()).count, 2u);
  clock.advance(25s);
  EXPECT_EQ(recent.percentiles(clock.steady_now()).count, 2u);
  clock.advance(5s);
  Percentiles p = recent.percentiles(clock.steady_now());
  EXPECT_EQ(p.count, 1u);
  EXPECT_EQ(p.max, 10);
  clock.advance(10h);
  EXPECT_EQ(recent.percentiles(clock.steady_now()).count, 0u);
  recent.record(clock.steady_now(), 2ms);
  p = recent.percentiles(clock.steady_now());
  EXPECT_EQ(p.count, 1u);
  EXPECT_EQ(p.max, 2);
}

TEST(RecentLatency, TakesTimesThatStepBack) {
  RecentLatency recent;
  const SteadyTime now{100s};
  recent.record(now, 1ms);
  recent.record(now - 6s, 2ms);
  recent.record(now - 60s, 3ms);  // its slot holds a later time by now: counted there
  EXPECT_EQ(recent.percentiles(now).count, 3u);
}

TEST(RecentLatency, TellsTheRate) {
  RecentLatency recent;
  const SteadyTime start{1000s};
  EXPECT_EQ(recent.per_second(start), 0);
  for (int second = 0; second < 50; ++second) {
    for (int i = 0; i < 20; ++i) recent.record(start + std::chrono::seconds(second), 1ms);
  }
  EXPECT_NEAR(recent.per_second(start + 50s), 20, 0.01);
}

TEST(RecentLatency, LosesNothingWithinASlotBetweenThreads) {
  RecentLatency recent;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&recent] {
      for (int i = 0; i < 30'000; ++i) {
        recent.record(SteadyTime{1000s} + std::chrono::milliseconds(i), 1ms);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(recent.percentiles(SteadyTime{1030s}).count, 120'000u);
}

}  // namespace
}  // namespace tidewatch

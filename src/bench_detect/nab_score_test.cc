// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/nab_score.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tidewatch {
namespace {

const NabProfile kStandard = nab_profiles().front();

NabSeries series_of(std::size_t rows, std::vector<std::pair<std::size_t, std::size_t>> windows,
                    const std::vector<std::size_t>& detected) {
  NabSeries series{"x", std::vector<double>(rows, 0), std::move(windows)};
  for (const std::size_t row : detected) series.scores[row] = 1;
  return series;
}

double at_one(const NabSeries& series, const NabProfile& profile = kStandard) {
  return nab_score_at({series}, profile, 1).score;
}

TEST(NabScoreTest, NothingIsNoughtAndTheLeftEndsOfAllWindowsAreAHundred) {
  const std::vector<std::pair<std::size_t, std::size_t>> windows{{200, 299}, {600, 699}};
  EXPECT_NEAR(at_one(series_of(1'000, windows, {})), 0, 1e-9);
  EXPECT_NEAR(at_one(series_of(1'000, windows, {200, 600})), 100, 1e-9);
  EXPECT_NEAR(at_one(series_of(1'000, windows, {200})), 50, 1e-9);
  // Only the earliest of a window counts.
  EXPECT_NEAR(at_one(series_of(1'000, windows, {200, 250, 299, 600})), 100, 1e-9);
}

TEST(NabScoreTest, LateIsWorthLess) {
  const double at_middle = at_one(series_of(1'000, {{200, 299}}, {250}));
  const double sigmoid = (2 / (1 + std::exp(-2.5)) - 1) / (2 / (1 + std::exp(-5.0)) - 1);
  EXPECT_NEAR(at_middle, 100 * (sigmoid + 1) / 2, 1e-6);
  EXPECT_GT(at_middle, at_one(series_of(1'000, {{200, 299}}, {298})));
}

TEST(NabScoreTest, FalsePositivesCostByProfileAndDistance) {
  const auto score = [](std::size_t row, const NabProfile& profile) {
    return at_one(series_of(1'000, {{200, 299}}, {200, row}), profile);
  };
  // Before any window, and far behind one: the whole weight, of a range of 2.
  EXPECT_NEAR(score(190, kStandard), 100 - 100 * 0.11 / 2, 1e-9);
  EXPECT_NEAR(score(900, kStandard), 100 - 100 * 0.11 / 2, 1e-9);
  EXPECT_GT(score(305, kStandard), score(350, kStandard));
  EXPECT_NEAR(score(900, nab_profiles()[1]), 100 - 100 * 0.22 / 2, 1e-9);
  // reward_low_FN_rate: a range of 3.
  EXPECT_NEAR(score(900, nab_profiles()[2]), 100 - 100 * 0.11 / 3, 1e-9);
}

TEST(NabScoreTest, TheProbationaryPeriodCountsForNothing) {
  EXPECT_EQ(nab_probation(1'000), 150U);
  EXPECT_EQ(nab_probation(20'000), 750U);
  EXPECT_NEAR(at_one(series_of(1'000, {{200, 299}}, {0, 149, 200})), 100, 1e-9);
}

TEST(NabScoreTest, OneThresholdForAllSeriesIsTheBestOne) {
  NabSeries a = series_of(1'000, {{200, 299}}, {});
  a.scores[200] = 5;
  a.scores[500] = 2;
  NabSeries b = a;
  b.scores[200] = 3;
  b.scores[500] = 4;
  const NabResult best = nab_score({a, b}, kStandard);
  EXPECT_EQ(best.threshold, 3);
  EXPECT_EQ(best.windows_found, 2U);
  EXPECT_EQ(best.false_positives, 1U);
  EXPECT_EQ(nab_score({series_of(1'000, {{200, 299}}, {})}, kStandard).score, 0);
}

}  // namespace
}  // namespace tidewatch

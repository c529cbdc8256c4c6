// SPDX-License-Identifier: Apache-2.0
#include "infer/calibration/range_estimator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace tidewatch {
namespace {

using Bins = std::vector<std::uint64_t>;

TEST(MagnitudeHistogramTest, GrowsByDoublingAndLosesNothing) {
  MagnitudeHistogram h;
  h.add(std::vector<float>{0.25F, -0.25F, 0, 0, -0.4F});  // limit 0.5, bins of 2^-12
  EXPECT_EQ(h.bin_width(), 0.5 / 2048);
  EXPECT_EQ(h.bins()[1024], 2U);     // 0.25 starts the upper half
  h.add(std::vector<float>{-3.0F});  // limit 4: three doublings
  EXPECT_EQ(h.bin_width(), 4.0 / 2048);
  EXPECT_EQ(h.bins()[128], 2U);   // 0.25 / (4/2048)
  EXPECT_EQ(h.bins()[1536], 1U);  // 3 / (4/2048)
  h.add(std::vector<float>{std::nanf(""), std::numeric_limits<float>::infinity()});
  EXPECT_EQ(h.count(), 4U);
  EXPECT_EQ(h.zeros(), 2U);
  EXPECT_EQ(h.max(), 3.0F);
  EXPECT_EQ(std::accumulate(h.bins().begin(), h.bins().end(), std::uint64_t{0}), 4U);
}

TEST(MagnitudeHistogramTest, ALimitItselfGoesIntoTheNextRange) {
  MagnitudeHistogram h;
  h.add(std::vector<float>{1.0F});
  EXPECT_EQ(h.bin_width(), 2.0 / 2048);
  h.add(std::vector<float>{2.0F});
  EXPECT_EQ(h.bin_width(), 4.0 / 2048);
}

TEST(RangeEstimatorTest, RangesOfATableOfValues) {
  std::vector<float> thousand(999, 0.5F);  // 0.5: bin 256 of width 2/1024 once 3.0 is there
  thousand.push_back(-3.0F);
  struct Case {
    const char* name;
    std::vector<float> values;
    RangeMethod method;
    float expected;
  };
  using Kind = RangeMethod::Kind;
  const float edge = 257.0F * 4.0F / 2048.0F;
  const std::vector<Case> cases{
      {"nothing seen", {}, {Kind::kMinMax, 100}, 1},
      {"zeros only", {0, 0}, {Kind::kEntropy, 100}, 1},
      {"min-max takes the magnitude", {1, -2.5F}, {Kind::kMinMax, 100}, 2.5F},
      {"min-max keeps the outlier", thousand, {Kind::kMinMax, 100}, 3},
      {"999 of 1000 are enough for 99.9", thousand, {Kind::kPercentile, 99.9}, edge},
      {"99.99 needs all of 1000", thousand, {Kind::kPercentile, 99.99}, 3},
      {"one value", {0.75F}, {Kind::kPercentile, 99.9}, 0.75F},
      {"zeros do not count", {0, 0, 0, 0, 0, 0, 0, 0, 0, 4}, {Kind::kPercentile, 90}, 4},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    MagnitudeHistogram h;
    h.add(c.values);
    EXPECT_FLOAT_EQ(estimate_range(h, c.method), c.expected);
  }
}

// By hand, two levels. 4 bins {4, 4, 1, 1}, N = 10:
//  kept 2: P = {4, 4 + 2} / 10, Q = {4, 4} / 8: 0.4 ln(0.4/0.5) + 0.6 ln(0.6/0.5) = 0.0201355
//  kept 3: levels of 1 and 2 bins: P = {4, 4, 2} / 10, Q = {4, 2.5, 2.5} / 9:
//          0.4 ln(0.9) + 0.4 ln(0.4 * 3.6) + 0.2 ln(0.2 * 3.6) = 0.0380122
//  kept 4: the pairs are even: P = Q, 0
TEST(RangeEstimatorTest, DivergenceByHand) {
  const Bins even{4, 4, 1, 1};
  EXPECT_NEAR(saturation_divergence(even, 2, 2), 0.0201355, 1e-6);
  EXPECT_NEAR(saturation_divergence(even, 3, 2), 0.0380122, 1e-6);
  EXPECT_NEAR(saturation_divergence(even, 4, 2), 0.0, 1e-12);
  // An empty last bin that takes what lies beyond: cannot be told by the steps.
  EXPECT_TRUE(std::isinf(saturation_divergence(Bins{3, 0, 1, 0}, 2, 2)));
  // Empty bins within a step get nothing: {2, 0, 2, 0} in two steps is exact.
  EXPECT_NEAR(saturation_divergence(Bins{2, 0, 2, 0}, 4, 2), 0.0, 1e-12);
}

TEST(RangeEstimatorTest, EntropyChoosesTheLeastDivergence) {
  struct Case {
    const char* name;
    Bins bins;
    std::size_t levels;
    std::size_t expected;
  };
  const std::vector<Case> cases{
      {"all of it", {4, 4, 1, 1}, 2, 4},
      {"as many levels as bins", {5, 1}, 2, 2},
      // kept 2: P = {100, 101}/201, Q = {1, 1}/2 : 0.0000124. kept 3: levels {100}, {100, 0}
      // plus one: infinite (the third bin is empty). kept 4: levels {100, 100}, {0, 1}: 0.
      {"an outlier that costs nothing", {100, 100, 0, 1}, 2, 4},
      // kept 8 puts {9, 1, 9, 1} on one level; kept 4 saturates one value of 41.
      {"an outlier is cut off", {9, 1, 9, 1, 0, 0, 0, 1}, 4, 4},
      {"trailing empty bins are ignored", {3, 3, 0, 0}, 2, 2},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(entropy_bins(c.bins, c.levels), c.expected);
  }
}

TEST(RangeMethodTest, NamesAreReadBack) {
  for (const RangeMethod& method : range_methods()) {
    const auto read = parse_range_method(range_method_name(method));
    ASSERT_TRUE(read.ok()) << range_method_name(method);
    EXPECT_EQ(*read, method);
  }
  for (const char* bad : {"", "max", "percentile-", "percentile-101", "percentile-99x"}) {
    EXPECT_FALSE(parse_range_method(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace tidewatch

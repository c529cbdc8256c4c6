// SPDX-License-Identifier: Apache-2.0
#include "detect/region_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace tidewatch {
namespace {

double score_of(double posts, double expected) {
  return posts > expected ? posts * std::log(posts / expected) - (posts - expected) : 0;
}

TEST(RegionScanTest, FindsTheBestOfAllSets) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<RegionCount> counts;
    for (std::size_t region = 0; region < 10; ++region) {
      const double expected = 1 + static_cast<double>(random() % 20);
      const bool hit = random() % 4 == 0;
      counts.push_back({region,
                        static_cast<double>(
                            std::poisson_distribution<int>(hit ? 3 * expected : expected)(random)),
                        expected});
    }
    double best = 0;
    for (unsigned set = 1; set < 1U << counts.size(); ++set) {
      double posts = 0, expected = 0;
      for (std::size_t i = 0; i < counts.size(); ++i) {
        if ((set >> i & 1U) == 0) continue;
        posts += counts[i].posts;
        expected += counts[i].expected;
      }
      best = std::max(best, score_of(posts, expected));
    }
    EXPECT_NEAR(scan_regions(counts, 2).score, best / 2, 1e-6) << round;
  }
}

TEST(RegionScanTest, NamesTheRegionsOfAnEventAndNoOther) {
  std::vector<RegionCount> counts;
  for (std::size_t region = 0; region < 31; ++region) counts.push_back({region, 5, 5.0});
  counts[3].posts = 60;
  counts[17].posts = 90;
  counts[20].posts = 45;
  RegionCluster cluster = scan_regions(counts);
  std::sort(cluster.regions.begin(), cluster.regions.end());
  EXPECT_EQ(cluster.regions, (std::vector<std::size_t>{3, 17, 20}));
  EXPECT_GT(cluster.score, 100);
}

TEST(RegionScanTest, NothingAboveTheExpectedIsNoCluster) {
  EXPECT_TRUE(scan_regions({}).regions.empty());
  EXPECT_TRUE(scan_regions({{0, 5, 5}, {1, 3, 4}}).regions.empty());
  EXPECT_EQ(scan_regions({{7, 2, 0}}).regions, (std::vector<std::size_t>{7}));
}

}  // namespace
}  // namespace tidewatch

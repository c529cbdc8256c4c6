// SPDX-License-Identifier: Apache-2.0
#include "detect/region_scan.h"

#include <algorithm>
#include <cmath>

namespace tidewatch {
namespace {

// A region where nothing was expected still has a ratio.
constexpr double kExpectedMin = 1e-6;

double ratio_of(const RegionCount& count) {
  return count.posts / std::max(count.expected, kExpectedMin);
}

}  // namespace

RegionCluster scan_regions(std::vector<RegionCount> counts, double dispersion, double share_min) {
  std::sort(counts.begin(), counts.end(), [](const RegionCount& a, const RegionCount& b) {
    const double ratio_a = ratio_of(a), ratio_b = ratio_of(b);
    return ratio_a != ratio_b ? ratio_a > ratio_b : a.region < b.region;
  });
  double posts = 0, expected = 0, best = 0, excess = 0;
  std::size_t size = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    posts += counts[i].posts;
    expected += std::max(counts[i].expected, kExpectedMin);
    if (posts <= expected) break;
    const double score = posts * std::log(posts / expected) - (posts - expected);
    if (score <= best) continue;
    best = score;
    size = i + 1;
    excess = posts - expected;
  }
  RegionCluster cluster;
  cluster.score = best / dispersion;
  for (std::size_t i = 0; i < size; ++i) {
    if (counts[i].posts - counts[i].expected >= share_min * excess) {
      cluster.regions.push_back(counts[i].region);
    }
  }
  return cluster;
}

}  // namespace tidewatch

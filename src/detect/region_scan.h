// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace tidewatch {

// What came of a topic in one region, and what was expected.
struct RegionCount {
  std::size_t region = 0;  // the caller's
  double posts = 0;
  double expected = 0;
};

struct RegionCluster {
  std::vector<std::size_t> regions;  // largest ratio first
  double score = 0;                  // log-likelihood ratio, nats
};

// The set of regions whose posts are the least likely by what was expected: the expectation-based
// Poisson scan statistic (M. Kulldorff, Communications in Statistics 26, 1997; D. B. Neill, J. R.
// Stat. Soc. B 74, 2012). Provinces of one story need not be neighbours, so that any set may be the
// cluster; the best of all 2^n is a prefix of the regions by posts over expected (the linear-time
// subset scanning property, Neill 2012). Regions with at least `share_min` of the cluster's excess
// are named: the last ones add nearly nothing. `dispersion` divides the score. O(n log n). Pure;
// ties by region. Empty when nothing is above what was expected.
RegionCluster scan_regions(std::vector<RegionCount> counts, double dispersion = 1,
                           double share_min = 0.02);

}  // namespace tidewatch

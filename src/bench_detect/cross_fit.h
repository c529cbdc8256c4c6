// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "bench_detect/alert_calibration.h"

namespace tidewatch {

// What thresholds fitted for a nominal number of false alarms a day gave on days that they were
// not fitted on. Both rising, of one length.
struct NominalRates {
  std::vector<double> nominal;
  std::vector<double> achieved;  // a day; 0 where none was seen
  double days = 0;               // that `achieved` was seen on

  // The largest nominal rate that gave at most `wanted` a day; between two steps by logarithm.
  // Never above `wanted`; the smallest one when all gave more.
  double nominal_for(double wanted) const;
};

// Fits on the first half of the world's bins and counts the false alarms on the second, and the
// other way round. A tail fit of few days promises too much: the largest bursts of other days are
// none of its sample, and waves that it saw as one open more than once at higher thresholds.
// `world` is as for calibrate_alerts; the first `warm_days` of each half only teach. O(bins) four
// times over.
NominalRates cross_fit(const WorldOptions& world, const std::vector<RateCurve>& curves,
                       const DetectOptions& options, double warm_days);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/alert_calibration.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

Stratum stratum(std::size_t peaks, double above) {
  Stratum stratum;
  stratum.peaks = peaks;
  stratum.tail.above = above;
  stratum.tail.peaks_per_unit = 1;
  return stratum;
}

TEST(AlertCalibrationTest, AClassWithTooFewWavesIsNoSaferThanTheOneBelow) {
  AlertCalibration calibration;
  calibration.strata[1] = stratum(80, 60);
  calibration.strata[2] = stratum(17, 20);  // too few to say so little
  calibration.strata[3] = stratum(3, 90);   // or more
  calibration.strata[kBusyClasses + 1] = stratum(80, 60);
  calibration.strata[kBusyClasses + 2] = stratum(60, 20);  // enough to be believed
  const AlertThresholds thresholds = thresholds_for(calibration, 100);
  EXPECT_DOUBLE_EQ(thresholds.volume[1], 60);
  EXPECT_DOUBLE_EQ(thresholds.volume[2], 60);
  EXPECT_DOUBLE_EQ(thresholds.volume[3], 90);
  EXPECT_DOUBLE_EQ(thresholds.burst[2], 20);
}

TEST(AlertCalibrationTest, AClassWithoutWavesLeansOnTheOneBelowToo) {
  AlertCalibration calibration;
  calibration.strata[1] = stratum(80, 60);
  calibration.strata[3] = stratum(17, 20);
  const AlertThresholds thresholds = thresholds_for(calibration, 100);
  EXPECT_DOUBLE_EQ(thresholds.volume[0], kVolumeThresholdMin) << "there is none below";
  EXPECT_DOUBLE_EQ(thresholds.volume[2], 60);
  EXPECT_DOUBLE_EQ(thresholds.volume[3], 60);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <vector>

#include "bench_detect/world.h"
#include "detect/detector.h"
#include "detect/tail_fit.h"

namespace tidewatch {

// How far the background of one kind of key goes by itself.
struct Stratum {
  std::string name;       // "volume, up to 2 posts/min", "negative share"
  std::size_t peaks = 0;  // waves of the background
  double largest = 0;     // nats
  TailFit tail;
};

// By how busy a key is, of the slower and of the faster volume statistic; then negative share.
inline constexpr std::size_t kStrata = 2 * kBusyClasses + 1;

struct AlertCalibration {
  std::array<Stratum, kStrata> strata;
  double days = 0;
  std::size_t num_keys = 0;
};

// Thresholds for a number of false alarms a day over all keys together: each stratum that had waves
// may have an equal part of them. Never below the minimum, which is what the fit looked at; of a
// class with waves too few to fit, never below the class of quieter keys.
struct AlertThresholds {
  std::array<double, kBusyClasses> volume{}, burst{};
  double negative = 0;
};
inline constexpr double kVolumeThresholdMin = 8, kNegativeThresholdMin = 9;

// Runs the detector over the world's bins at the lowest thresholds and fits the tail of the largest
// statistic of every wave, stratum by stratum; a first `warm_days` of the bins only teach it.
AlertCalibration calibrate_alerts(World& world, DetectOptions options, double warm_days);

AlertThresholds thresholds_for(const AlertCalibration& calibration, double false_alarms_per_day);
DetectOptions with_thresholds(DetectOptions options, const AlertThresholds& thresholds);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/alert_calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bench_detect/engine_alarms.h"

namespace tidewatch {
namespace {

// A class's own tail is believed from so many waves on.
constexpr std::size_t kWavesSure = 40;
constexpr double kThresholdMax = 1'000;
constexpr std::size_t kNegative = kStrata - 1;

std::string stratum_name(std::size_t stratum) {
  if (stratum == kNegative) return "negative share";
  const std::size_t busy = stratum % kBusyClasses;
  const char* const what = stratum < kBusyClasses ? "volume" : "burst";
  if (busy == kBusyClasses - 1) {
    return fmt::format("{}, over {:g} posts/min", what, kBusyPerMinute[busy - 1]);
  }
  return fmt::format("{}, up to {:g} posts/min", what, kBusyPerMinute[busy]);
}

}  // namespace

AlertCalibration calibrate_alerts(World& world, DetectOptions options, double warm_days) {
  options.volume_thresholds.fill(kVolumeThresholdMin);
  options.burst_thresholds.fill(kVolumeThresholdMin);
  options.negative_threshold = kNegativeThresholdMin;
  EngineAlarms engine(world, {{"lowest", options}});
  const std::int64_t from = world.now() + static_cast<std::int64_t>(warm_days * kDaySeconds);

  // The largest statistic of every wave, by key and kind while it is open.
  std::map<std::pair<std::uint64_t, ChangeKind>, Change> open;
  std::array<std::vector<double>, kStrata> peaks;
  const auto close = [&](const Change& wave) {
    if (wave.at < from) return;
    if (wave.kind == ChangeKind::kNegative) {
      peaks[kNegative].push_back(wave.statistic);
      return;
    }
    // A wave that one statistic alone found says nothing of the tail of the other.
    if (wave.statistic >= kVolumeThresholdMin) peaks[wave.busy_class].push_back(wave.statistic);
    if (wave.burst >= kVolumeThresholdMin) {
      peaks[kBusyClasses + wave.busy_class].push_back(wave.burst);
    }
  };
  const auto read_changes = [&] {
    for (const Change& change : engine.changes()) {
      const std::pair key{change.key.value, change.kind};
      if (change.phase == ChangePhase::kStarted) open[key] = change;
      open[key].statistic = std::max(open[key].statistic, change.statistic);
      open[key].burst = std::max(open[key].burst, change.burst);
      if (change.phase != ChangePhase::kEnded) continue;
      close(open[key]);
      open.erase(key);
    }
    engine.changes().clear();
  };
  std::vector<Tick> ticks;
  while (world.next_bin(ticks)) {
    for (const Tick& tick : ticks) engine.observe(tick);
    engine.reach(world.now());
    read_changes();
  }
  for (const auto& [key, wave] : open) close(wave);

  AlertCalibration calibration;
  calibration.days = static_cast<double>(world.now() - from) / kDaySeconds;
  calibration.num_keys = world.num_keys();
  for (std::size_t i = 0; i < kStrata; ++i) {
    Stratum& stratum = calibration.strata[i];
    stratum.name = stratum_name(i);
    stratum.peaks = peaks[i].size();
    stratum.largest = peaks[i].empty() ? 0 : *std::max_element(peaks[i].begin(), peaks[i].end());
    stratum.tail = fit_tail(std::move(peaks[i]), calibration.days);
  }
  return calibration;
}

AlertThresholds thresholds_for(const AlertCalibration& calibration, double false_alarms_per_day) {
  std::size_t with_waves = 0;
  for (const Stratum& stratum : calibration.strata) with_waves += stratum.peaks > 0;
  const double part =
      false_alarms_per_day / static_cast<double>(std::max<std::size_t>(with_waves, 1));
  const auto level = [&](std::size_t stratum, double lowest) {
    return std::clamp(calibration.strata[stratum].tail.level_for(part), lowest, kThresholdMax);
  };
  AlertThresholds thresholds;
  // Busier keys have larger bursts: a class with few waves, or none, is no safer than the one
  // below.
  const auto take_class = [&](std::array<double, kBusyClasses>& levels, std::size_t first,
                              std::size_t busy) {
    const Stratum& stratum = calibration.strata[first + busy];
    levels[busy] = level(first + busy, kVolumeThresholdMin);
    if (busy > 0 && stratum.peaks < kWavesSure) {
      levels[busy] = std::max(levels[busy], levels[busy - 1]);
    }
  };
  for (std::size_t busy = 0; busy < kBusyClasses; ++busy) {
    take_class(thresholds.volume, 0, busy);
    take_class(thresholds.burst, kBusyClasses, busy);
  }
  thresholds.negative = level(kNegative, kNegativeThresholdMin);
  return thresholds;
}

DetectOptions with_thresholds(DetectOptions options, const AlertThresholds& thresholds) {
  options.volume_thresholds = thresholds.volume;
  options.burst_thresholds = thresholds.burst;
  options.negative_threshold = thresholds.negative;
  return options;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/alert_calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bench_detect/engine_alarms.h"

namespace tidewatch {
namespace {

constexpr double kThresholdMax = 1'000;

std::string stratum_name(std::size_t stratum) {
  if (stratum == kBusyClasses) return "negative share";
  if (stratum == kBusyClasses - 1) {
    return fmt::format("volume, over {:g} posts/min", kBusyPerMinute[stratum - 1]);
  }
  return fmt::format("volume, up to {:g} posts/min", kBusyPerMinute[stratum]);
}

std::size_t stratum_of(const Change& change) {
  return change.kind == ChangeKind::kNegative ? kBusyClasses : change.busy_class;
}

}  // namespace

AlertCalibration calibrate_alerts(World& world, DetectOptions options, double warm_days) {
  options.volume_thresholds.fill(kVolumeThresholdMin);
  options.negative_threshold = kNegativeThresholdMin;
  EngineAlarms engine(world, {{"lowest", options}});
  const std::int64_t from = world.now() + static_cast<std::int64_t>(warm_days * kDaySeconds);

  // The largest statistic of every wave, by key and kind while it is open.
  std::map<std::pair<std::uint64_t, ChangeKind>, Change> open;
  std::array<std::vector<double>, kStrata> peaks;
  const auto close = [&](const Change& wave) {
    if (wave.at >= from) peaks[stratum_of(wave)].push_back(wave.statistic);
  };
  const auto read_changes = [&] {
    for (const Change& change : engine.changes()) {
      const std::pair key{change.key.value, change.kind};
      if (change.phase == ChangePhase::kStarted) open[key] = change;
      open[key].statistic = std::max(open[key].statistic, change.statistic);
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
  const auto level = [&](std::size_t stratum, double lowest) {
    const TailFit& tail = calibration.strata[stratum].tail;
    return std::clamp(tail.level_for(false_alarms_per_day / kStrata), lowest, kThresholdMax);
  };
  AlertThresholds thresholds;
  for (std::size_t i = 0; i < kBusyClasses; ++i)
    thresholds.volume[i] = level(i, kVolumeThresholdMin);
  thresholds.negative = level(kBusyClasses, kNegativeThresholdMin);
  return thresholds;
}

DetectOptions with_thresholds(DetectOptions options, const AlertThresholds& thresholds) {
  options.volume_thresholds = thresholds.volume;
  options.negative_threshold = thresholds.negative;
  return options;
}

}  // namespace tidewatch

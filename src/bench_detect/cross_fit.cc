// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/cross_fit.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "bench_detect/engine_alarms.h"
#include "bench_detect/judge.h"

namespace tidewatch {
namespace {

constexpr std::array<double, 9> kNominal{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10};
// For the logarithm of a rate of which none was seen.
constexpr double kSeenMin = 0.5;

struct Half {
  std::size_t first = 0, last = 0;  // bins
};

std::vector<std::size_t> false_alarms(const WorldOptions& options,
                                      const std::vector<RateCurve>& curves,
                                      const std::vector<EngineAlarms::Setting>& settings,
                                      double warm_days) {
  World world(options, curves);
  const std::int64_t from = world.now() + static_cast<std::int64_t>(warm_days * kDaySeconds);
  EngineAlarms engine(world, settings);
  std::vector<Tick> ticks;
  while (world.next_bin(ticks)) {
    for (const Tick& tick : ticks) engine.observe(tick);
    engine.reach(world.now());
    engine.changes().clear();
  }
  std::vector<std::size_t> counts;
  for (std::size_t i = 0; i < settings.size(); ++i) {
    counts.push_back(judge(engine.alarms(i), {}, world, from).false_alarms);
  }
  return counts;
}

}  // namespace

double NominalRates::nominal_for(double wanted) const {
  double best = nominal.front();
  const double floor = kSeenMin / std::max(days, 1e-9);
  for (std::size_t i = 0; i < nominal.size(); ++i) {
    if (achieved[i] > wanted) {
      if (i == 0) break;
      const double low = std::log(std::max(achieved[i - 1], floor));
      const double high = std::log(std::max(achieved[i], floor));
      const double at = std::clamp((std::log(wanted) - low) / std::max(high - low, 1e-9), 0.0, 1.0);
      best = nominal[i - 1] * std::pow(nominal[i] / nominal[i - 1], at);
      break;
    }
    best = nominal[i];
  }
  return std::min(best, wanted);
}

NominalRates cross_fit(const WorldOptions& world, const std::vector<RateCurve>& curves,
                       const DetectOptions& options, double warm_days) {
  const auto warm = static_cast<std::size_t>(warm_days * kDaySeconds / kBinSeconds);
  const std::size_t middle = (world.first_bin + warm + world.last_bin) / 2;
  const std::array<Half, 2> halves{
      {{world.first_bin, middle}, {middle - std::min(warm, middle), world.last_bin}}};
  const auto options_of = [&](std::size_t half) {
    WorldOptions part = world;
    part.first_bin = halves[half].first;
    part.last_bin = halves[half].last;
    return part;
  };
  NominalRates rates;
  rates.nominal.assign(kNominal.begin(), kNominal.end());
  rates.achieved.assign(kNominal.size(), 0);
  for (const std::size_t fitted : {std::size_t{0}, std::size_t{1}}) {
    World fit_world(options_of(fitted), curves);
    const AlertCalibration calibration = calibrate_alerts(fit_world, options, warm_days);
    std::vector<EngineAlarms::Setting> settings;
    for (const double nominal : kNominal) {
      settings.push_back({"", with_thresholds(options, thresholds_for(calibration, nominal))});
    }
    const Half& other = halves[1 - fitted];
    const std::vector<std::size_t> counts =
        false_alarms(options_of(1 - fitted), curves, settings, warm_days);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      rates.achieved[i] += static_cast<double>(counts[i]);
    }
    rates.days +=
        static_cast<double>(other.last - other.first) * kBinSeconds / kDaySeconds - warm_days;
  }
  double largest = 0;  // chance may let a looser setting seem to have fewer
  for (double& achieved : rates.achieved) {
    largest = std::max(largest, achieved / rates.days);
    achieved = largest;
  }
  return rates;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "app/calibrate_alerts.h"
#include "app/cli_support.h"
#include "app/version.h"
#include "bench_detect/alert_calibration.h"
#include "bench_detect/engine_alarms.h"
#include "bench_detect/judge.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kWarmDays = 2;
constexpr double kTargets[] = {0.1, 1, 10};
constexpr double kDaysMin = 8;

std::string thresholds_toml(const AlertThresholds& thresholds, double target,
                            const AlertCalibration& calibration) {
  return fmt::format(
      "# {:g} false alarms a day over {} keys, from {:.1f} days of background (calibrate-alerts).\n"
      "volume_thresholds = [{:.2f}]\nburst_thresholds = [{:.2f}]\nnegative_threshold = {:.2f}\n",
      target, calibration.num_keys, calibration.days, fmt::join(thresholds.volume, ", "),
      fmt::join(thresholds.burst, ", "), thresholds.negative);
}

struct Achieved {
  double target = 0;
  AlertThresholds thresholds;
  std::size_t false_alarms = 0;
};

Status calibrate_alerts_command(const CalibrateAlertsOptions& options) {
  if (options.background.empty()) {
    return Error{Code::kInvalidArgument,
                 "--background is missing: a file or folder of timestamp,value CSV in bins of 5 "
                 "minutes, as quiet and as busy as your stream"};
  }
  TRY_ASSIGN(const std::vector<RateCurve> curves, read_rate_curves(options.background));
  const std::size_t bins = curves.front().counts.size();
  if (curves.front().days() < kDaysMin) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: holds {:.1f} days; {:g} are needed", options.background,
                             curves.front().days(), kDaysMin)};
  }
  const auto warm = static_cast<std::size_t>(kWarmDays * kDaySeconds / kBinSeconds);
  const auto cut = static_cast<std::size_t>(options.fit_share * static_cast<double>(bins));
  WorldOptions world;
  world.seed = options.seed;
  world.hashtags = options.hashtags;
  world.confusion = measured_confusion();
  world.last_bin = cut;
  World fit_world(world, curves);
  const AlertCalibration calibration = calibrate_alerts(fit_world, {}, kWarmDays);

  std::vector<Achieved> targets;
  for (const double target : kTargets) targets.push_back({target, {}, 0});
  targets.push_back({options.false_alarms_per_day, {}, 0});
  std::vector<EngineAlarms::Setting> settings;
  for (Achieved& achieved : targets) {
    achieved.thresholds = thresholds_for(calibration, achieved.target);
    settings.push_back({"", with_thresholds({}, achieved.thresholds)});
  }
  world.first_bin = cut - warm;
  world.last_bin = bins;
  world.seed = options.seed + 1;
  World other_days(world, curves);
  EngineAlarms engine(other_days, settings);
  std::vector<Tick> ticks;
  while (other_days.next_bin(ticks)) {
    for (const Tick& tick : ticks) engine.observe(tick);
    engine.reach(other_days.now());
    engine.changes().clear();
  }
  const double days = static_cast<double>(bins - cut) * kBinSeconds / kDaySeconds;
  const std::int64_t from = curves.front().start + static_cast<std::int64_t>(cut) * kBinSeconds;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    targets[i].false_alarms = judge(engine.alarms(i), {}, other_days, from).false_alarms;
  }

  const Achieved& wanted = targets.back();
  const std::string toml = thresholds_toml(wanted.thresholds, wanted.target, calibration);
  if (!options.output.empty()) {
    std::ofstream file(options.output);
    file << toml;
    if (!file.flush()) {
      return Error{Code::kUnavailable,
                   fmt::format("{}: cannot be written; is the folder there?", options.output)};
    }
  }
  if (!options.json) {
    fmt::print(
        "keys      {}\nfitted    {:.1f} days, judged on {:.1f} others\n\n{:<30}{:>7}{:>10}{:>9}"
        "{:>8}\n",
        calibration.num_keys, calibration.days, days, "background", "waves", "largest", "above",
        "shape");
    for (const Stratum& stratum : calibration.strata) {
      fmt::print("{:<30}{:>7}{:>10.1f}{:>9.1f}{:>8.2f}{}\n", stratum.name, stratum.peaks,
                 stratum.largest, stratum.tail.above, stratum.tail.shape,
                 stratum.tail.fitted ? "" : "  too few for a fit");
    }
    fmt::print("\nfalse alarms a day  wanted  achieved  upper 95 % limit\n");
    for (const Achieved& a : targets) {
      fmt::print("{:>26g}{:>10.2f}{:>18.2f}\n", a.target,
                 static_cast<double>(a.false_alarms) / days,
                 poisson_upper_limit(a.false_alarms) / days);
    }
    fmt::print("\n{}", toml);
    if (!options.output.empty()) {
      fmt::print("\nwritten to {}; name it in [detect] thresholds_file\n", options.output);
    }
    return {};
  }
  Json strata = Json::array(), rates = Json::array();
  for (const Stratum& s : calibration.strata) {
    strata.push_back({{"name", s.name},
                      {"waves", s.peaks},
                      {"largest", s.largest},
                      {"above", s.tail.above},
                      {"scale", s.tail.scale},
                      {"shape", s.tail.shape},
                      {"fitted", s.tail.fitted}});
  }
  for (const Achieved& a : targets) {
    rates.push_back({{"wanted_per_day", a.target},
                     {"achieved_per_day", static_cast<double>(a.false_alarms) / days},
                     {"upper_95_per_day", poisson_upper_limit(a.false_alarms) / days},
                     {"volume_thresholds", a.thresholds.volume},
                     {"burst_thresholds", a.thresholds.burst},
                     {"negative_threshold", a.thresholds.negative}});
  }
  fmt::print("{}\n", Json{{"version", version_text()},
                          {"keys", calibration.num_keys},
                          {"days_fitted", calibration.days},
                          {"days_judged", days},
                          {"strata", strata},
                          {"false_alarms", rates}}
                         .dump());
  return {};
}

}  // namespace

int run_calibrate_alerts(const CalibrateAlertsOptions& options) {
  const Status status = calibrate_alerts_command(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch

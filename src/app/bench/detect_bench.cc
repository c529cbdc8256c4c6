// SPDX-License-Identifier: Apache-2.0
#include "app/bench/detect_bench.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "app/bench/flood_bench.h"
#include "app/cli_support.h"
#include "app/version.h"
#include "bench_detect/step_trial.h"
#include "bench_detect/trial_report.h"

namespace tidewatch {
namespace {

constexpr std::size_t kMadeUpEvents = 400;

Result<Confusion> confusion_of(const std::string& option) {
  if (option == "true") return Confusion{};
  if (option.empty()) return measured_confusion();
  return read_confusion(option);
}

Status bench_steps(const BenchDetectOptions& options) {
  StepOptions step;
  step.seed = options.seed;
  step.dispersion = options.dispersion;
  step.calibration_days = step.test_days = options.step_days;
  const StepResult result =
      run_steps(step, [](const std::string& what) { fmt::print(stderr, "{} ...\n", what); });
  std::vector<BaselineStepResult> others;
  if (!options.engine_only) {
    others = run_baseline_steps(
        step, [](const std::string& what) { fmt::print(stderr, "{} ...\n", what); });
  }
  const auto quantile = [&](double q) { return censored_quantile(result.delays, q); };
  const auto json_of = [](const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
  };
  const double rate = static_cast<double>(result.false_alarms) / step.test_days;
  const double limit = poisson_upper_limit(result.false_alarms) / step.test_days;
  if (options.json) {
    nlohmann::ordered_json baselines = nlohmann::ordered_json::array();
    for (const BaselineStepResult& other : others) {
      baselines.push_back({{"detector", other.name},
                           {"setting", other.setting},
                           {"false_alarms", other.false_alarms},
                           {"delay_s",
                            {{"p50", json_of(censored_quantile(other.delays, 0.5))},
                             {"p90", json_of(censored_quantile(other.delays, 0.9))},
                             {"p99", json_of(censored_quantile(other.delays, 0.99))}}}});
    }
    fmt::print("{}\n", nlohmann::ordered_json{{"bench", "detect"},
                                              {"machine", machine_text()},
                                              {"version", version_text()},
                                              {"keys", step.num_keys},
                                              {"from_per_second", step.from},
                                              {"to_per_second", step.to},
                                              {"dispersion", step.dispersion},
                                              {"days", step.test_days},
                                              {"threshold_nats", result.threshold},
                                              {"burst_threshold_nats", result.burst_threshold},
                                              {"false_alarms", result.false_alarms},
                                              {"false_alarms_per_day", rate},
                                              {"false_alarms_per_day_upper_95", limit},
                                              {"runs", step.runs},
                                              {"baselines", baselines},
                                              {"delay_s",
                                               {{"p50", json_of(quantile(0.5))},
                                                {"p90", json_of(quantile(0.9))},
                                                {"p99", json_of(quantile(0.99))}}}}
                           .dump());
    return {};
  }
  fmt::print("machine   {}\nversion   {}\n", machine_text(), version_text());
  fmt::print(
      "jump      {:g} to {:g} posts/s, dispersion {:g}, one of {} keys; thresholds {:.1f}, "
      "{:.1f} nats\n",
      step.from, step.to, step.dispersion, step.num_keys, result.threshold, result.burst_threshold);
  fmt::print("false     {} in {:g} days of all keys: {:.2f} a day, upper 95 % limit {:.2f}\n",
             result.false_alarms, step.test_days, rate, limit);
  const auto text = [](const std::vector<std::optional<double>>& delays, double q) {
    const auto value = censored_quantile(delays, q);
    return value ? fmt::format("{:.0f}", *value) : std::string{"missed"};
  };
  fmt::print("delay     p50 {}  p90 {}  p99 {} s, {} runs\n", text(result.delays, 0.5),
             text(result.delays, 0.9), text(result.delays, 0.99), step.runs);
  for (const BaselineStepResult& other : others) {
    fmt::print("{}, {}: {} false in a day; p50 {}  p90 {}  p99 {} s\n", other.name, other.setting,
               other.false_alarms, text(other.delays, 0.5), text(other.delays, 0.9),
               text(other.delays, 0.99));
  }
  return {};
}

Status bench_detect(const BenchDetectOptions& options) {
  if (options.step_days > 0) return bench_steps(options);
  if (options.floods > 0) return bench_floods(options);
  TrialOptions trial_options;
  trial_options.seed = options.seed;
  trial_options.hashtags = options.hashtags;
  trial_options.passes = options.passes;
  trial_options.baselines = !options.engine_only;
  trial_options.world.scale = options.scale;
  TRY_ASSIGN(trial_options.world.confusion, confusion_of(options.confusion));
  std::vector<RateCurve> backgrounds;
  if (options.background.empty()) {
    backgrounds = make_rate_curves(options.seed, options.days);
  } else {
    TRY_ASSIGN(backgrounds, read_rate_curves(options.background));
  }
  if (backgrounds.front().days() < 3) {
    return Error{Code::kInvalidArgument,
                 fmt::format("the background holds {:.1f} days; at least 3 are needed to calibrate "
                             "on some and judge on others",
                             backgrounds.front().days())};
  }
  std::vector<EventCurve> events;
  if (options.events.empty()) {
    events = make_event_curves(options.seed, kMadeUpEvents);
  } else {
    TRY_ASSIGN(events, read_event_curves(options.events));
  }
  const auto progress = [](const std::string& what) { fmt::print(stderr, "{} ...\n", what); };
  const Trial trial = run_trial(trial_options, backgrounds, events, progress);

  if (!options.picture.empty()) {
    std::ofstream picture(options.picture);
    picture << trial_picture(trial);
    if (!picture.flush()) {
      return Error{Code::kUnavailable,
                   fmt::format("{}: cannot be written; is the folder there?", options.picture)};
    }
  }
  if (options.json) {
    nlohmann::ordered_json json{
        {"bench", "detect"},
        {"machine", machine_text()},
        {"version", version_text()},
        {"seed", options.seed},
        {"background", options.background.empty() ? "made up" : options.background},
        {"event_curves", options.events.empty() ? "made up" : options.events},
        {"num_event_curves", events.size()},
        {"scale", options.scale},
        {"confusion",
         {{"source", trial_options.world.confusion.source},
          {"negative_found", trial_options.world.confusion.negative_found},
          {"negative_wrong", trial_options.world.confusion.negative_wrong},
          {"topic_right", trial_options.world.confusion.topic_right}}}};
    json.update(trial_json(trial));
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("machine   {}\nversion   {}\n{}", machine_text(), version_text(), trial_text(trial));
  }
  return {};
}

}  // namespace

int run_bench_detect(const BenchDetectOptions& options) {
  const Status status = bench_detect(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch

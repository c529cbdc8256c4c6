// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench_detect/alert_calibration.h"
#include "bench_detect/baseline_alarms.h"
#include "bench_detect/event_plan.h"
#include "bench_detect/judge.h"

namespace tidewatch {

struct TrialOptions {
  std::uint64_t seed = 1;
  WorldOptions world;              // bins and hashtags are set by the trial
  std::size_t hashtags = 9'744;    // with 7 topics: 10,000 keys
  double calibration_share = 0.4;  // of the days, from the start
  double warm_days = 7;            // before what is judged, to fill the slowest baseline
  std::size_t passes = 6;          // over the held-out days, each with events of its own
  std::vector<double> targets{0.1, 0.3, 1, 3, 10, 30};  // false alarms a day over all keys
  bool baselines = true;                                // false: the engine alone
  DetectOptions detect;
};

// One detector at one false-alarm target.
struct TrialLine {
  std::string detector, setting;
  double target = 0;             // false alarms a day, wanted
  double calibration_rate = 0;   // had on the calibration days
  std::size_t false_alarms = 0;  // on held-out days without events
  double test_days = 0;
  std::vector<EventVerdict> verdicts;  // of Trial::events
  std::size_t alarms = 0, beside = 0, false_in_event_passes = 0;
};

struct Trial {
  AlertCalibration calibration;
  double calibration_days = 0, test_days = 0;
  std::size_t num_keys = 0;
  TopicLevels levels;
  std::vector<std::string> topic_names;
  std::vector<double> topic_per_minute;
  std::vector<PlannedEvent> events;  // of all passes
  std::vector<TrialLine> lines;      // the engine's first, by target; then each baseline's
};

// The count-level benchmark. Nothing is fitted on the days that are judged: thresholds of the
// engine come from calibrate_alerts() and those of the baselines (with the better of three biases
// each) from a search, both on the first days of the curves. `progress` is told what goes on.
Trial run_trial(const TrialOptions& options, const std::vector<RateCurve>& backgrounds,
                const std::vector<EventCurve>& events,
                const std::function<void(const std::string&)>& progress);

}  // namespace tidewatch

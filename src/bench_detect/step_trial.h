// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench_detect/baseline_alarms.h"
#include "detect/detector.h"

namespace tidewatch {

// A rate that jumps for good, among many keys whose rate does not: how soon the detector says so at
// a wanted number of false alarms over all of them.
struct StepOptions {
  std::uint64_t seed = 1;
  std::size_t num_keys = 10'000;
  double from = 1, to = 3;      // posts a second
  double dispersion = 1;        // variance over mean of the counts of a second (negative binomial)
  double calibration_days = 1;  // of all keys: thresholds
  double test_days = 1;         // of all keys: false alarms, on other random numbers
  std::size_t runs = 1'000;     // jumps
  double target = 1;            // false alarms a day over all keys
  DetectOptions detect;
};

struct StepResult {
  double threshold = 0, burst_threshold = 0;  // nats
  std::size_t peaks = 0;                      // waves at the lowest threshold while calibrating
  std::size_t false_alarms = 0;
  std::vector<std::optional<double>> delays;  // seconds from the jump to the end of the second that
                                              // raised the alarm; none within 10 min: missed
};

// Another method on the same jump: the best of its biases and settings that had no more false
// alarms than wanted on one day of all keys.
struct BaselineStepResult {
  std::string name, setting;
  std::size_t false_alarms = 0;  // on another day of all keys
  std::vector<std::optional<double>> delays;
};

// Minute by minute, since that is how the others look; jumps fall anywhere within their minute.
// A key is two days old when it is judged, or jumps.
std::vector<BaselineStepResult> run_baseline_steps(
    const StepOptions& options, const std::function<void(const std::string&)>& progress);

// Keys are independent; each is an hour old when it is first judged, and eight when it jumps.
StepResult run_steps(const StepOptions& options,
                     const std::function<void(const std::string&)>& progress);

}  // namespace tidewatch

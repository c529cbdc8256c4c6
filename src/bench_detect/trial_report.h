// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench_detect/detect_trial.h"

namespace tidewatch {

// What a trial found, as one object: for every detector and target the false alarms (with the
// upper 95 % limit), delays (misses censored: null where the quantile is one), recall by the clock,
// precision, correctness of topic and region, by volume and by volume and level.
nlohmann::ordered_json trial_json(const Trial& trial);

// The same for people.
std::string trial_text(const Trial& trial);

// Median delay to events of 10,000 posts and more against false alarms a day, both logarithmic, one
// line a detector, as a picture in SVG.
std::string trial_picture(const Trial& trial);

}  // namespace tidewatch

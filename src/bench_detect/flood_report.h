// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench_detect/flood_trial.h"

namespace tidewatch {

// What a trial found: the shares of floods labelled and taken for a crowd with Wilson's 95 %
// limits, of all that have a text and by shape (floods of bare reposts apart); the delay to the
// label (misses censored: null); crowds; alerts a day of the background by kind, with the upper 95
// % limit (Poisson).
nlohmann::ordered_json flood_json(const FloodTrial& trial);

// The same for people.
std::string flood_text(const FloodTrial& trial);

}  // namespace tidewatch

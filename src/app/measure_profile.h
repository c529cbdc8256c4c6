// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "batch/latency_profile.h"
#include "core/clock.h"
#include "infer/model_registry.h"

namespace tidewatch {

// Runs made-up texts of each length, alone and in batches, and writes the times into the profile;
// it also warms the model up. Stops when `budget` is spent (what was not measured is taken to be
// like the nearest that was) and at the first run that fails: the profile then knows less, and the
// texts that follow say why.
// Threads: call it while nobody else uses instance 0 of its backend. Blocks for about `budget`.
void measure_profile(const Model& model, LatencyProfile& profile, const Clock& clock,
                     std::chrono::milliseconds budget = std::chrono::milliseconds{400});

}  // namespace tidewatch

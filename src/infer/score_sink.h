// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/clock.h"
#include "core/result.h"
#include "infer/scores.h"

namespace tidewatch {

// When a text was queued, taken into a batch, and answered.
struct ScoreTiming {
  SteadyTime enqueued_at{};
  SteadyTime started_at{};
  SteadyTime finished_at{};
};

// Who gets a text's scores.
// Threads: called once for each submitted item, from a model worker; must not block for long.
class ScoreSink {
 public:
  virtual ~ScoreSink() = default;
  virtual void scored(std::uint64_t cookie, const Result<Scores>& scores,
                      const ScoreTiming& timing) = 0;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/cascade.h"

#include <algorithm>

namespace tidewatch {

float outcome_margin(std::span<const float> probabilities, float floor) noexcept {
  float best = std::max(floor, 0.0F);
  float second = 0;
  for (const float p : probabilities) {
    second = std::max(second, std::min(best, p));
    best = std::max(best, p);
  }
  return best - second;
}

CascadeDoubt cascade_doubt(const CascadeMargins& margins, const Scores& first) noexcept {
  return {outcome_margin(first.emotion_prob, 0) < margins.emotion,
          outcome_margin(first.topic_prob, margins.topic_floor) < margins.topic};
}

}  // namespace tidewatch

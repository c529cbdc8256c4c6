// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "infer/scores.h"

namespace tidewatch {

// What a cascade with one margin makes of a file, for one task.
struct CascadeCurvePoint {
  double margin = 0;
  double escalated = 0;  // share of the texts that went to the second model
  double accuracy = 0;
  double macro_f1 = 0;
  double agreement = 0;  // share that got the label which the second model gives alone
};

inline constexpr std::size_t kCascadeCurvePoints = 21;  // margins 0, 0.05, …, 1

// The curve over kCascadeCurvePoints margins from one pass of each model: `first`, `second` and
// `truth` (label indexes) are by text and equally long. `emotion`: which task's margin and labels.
// `topic_floor` as in CascadeMargins. A text without tokens (version 0) is never escalated.
std::vector<CascadeCurvePoint> cascade_curve(bool emotion, float topic_floor,
                                             std::span<const Scores> first,
                                             std::span<const Scores> second,
                                             std::span<const std::uint8_t> truth,
                                             std::size_t num_labels);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "infer/scores.h"

namespace tidewatch {

// The model `auto`: `fast` answers, and the texts whose answer is doubtful go to `base`, whose
// scores replace the first ones.
inline constexpr std::string_view kCascadeName = "auto";
inline constexpr std::string_view kCascadeFirst = "fast";
inline constexpr std::string_view kCascadeSecond = "base";

// How sure the first model must be of each task; 0: never in doubt. How they were chosen:
// docs/adr/0006-cascade-margin.md.
struct CascadeMargins {
  double emotion = 0.10;
  double topic = 0.0;
  // The probability under which a topic counts as unknown (AggregateOptions).
  float topic_floor = 0.5F;
};

// Which tasks of an answer are in doubt.
struct CascadeDoubt {
  bool emotion = false;
  bool topic = false;
  bool any() const noexcept { return emotion || topic; }
  bool operator==(const CascadeDoubt&) const = default;
};

// How far the best outcome lies before the second best, 0 to 1. The outcomes are the labels and,
// where `floor` is not 0, "unknown", which stands at `floor` whatever the text says: a label
// under it loses to it. A text far below the floor is surely unknown: its margin is wide.
float outcome_margin(std::span<const float> probabilities, float floor) noexcept;

// Whether to ask the second model: a pure function of one text's scores, so that a replay decides
// alike whatever else is queued. A task is in doubt when its margin is under the one given. What
// the engine can afford is not asked here: a caller may leave a doubtful text with its first
// answer (a full queue today; the serving deadline will join it there).
CascadeDoubt cascade_doubt(const CascadeMargins& margins, const Scores& first) noexcept;

}  // namespace tidewatch

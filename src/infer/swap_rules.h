// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "infer/golden_set.h"
#include "infer/scores.h"

namespace tidewatch {

// What a new model may cost before a swap to it is refused.
struct SwapLimits {
  double agreement_min = 0.90;      // share of equal labels, of each task; 0: any
  double latency_ratio_max = 1.5;   // new over old, on the golden texts; 0: any
  double accuracy_drop_max = 0.05;  // share of the labelled golden texts, of each task; 1: any
};

// One model's answers to the golden texts, in their order.
struct GoldenAnswers {
  std::vector<Scores> scores;
  std::vector<std::chrono::nanoseconds> took;
};

// Of one task, old against new.
struct TaskFigures {
  std::uint64_t compared = 0;  // texts that the agreement is over
  double agreement = 1;
  std::uint64_t labelled = 0;
  double accuracy_old = 0;
  double accuracy_new = 0;
  double drop() const { return accuracy_old - accuracy_new; }
};

struct SwapFigures {
  std::uint64_t texts = 0;
  TaskFigures emotion;
  TaskFigures topic;          // compared where the old model is at least half sure: else it guesses
  double latency_ms_old = 0;  // median of a text
  double latency_ms_new = 0;
  // The median of the texts' own ratios: a stall of the machine hits a few texts of either. 1 when
  // the old took no time that could be measured.
  double latency_ratio = 1;
};

// Preconditions: as many texts as scores and times in both.
SwapFigures compare_golden(std::span<const GoldenText> texts, const GoldenAnswers& old_answers,
                           const GoldenAnswers& new_answers);

// Why the new model may not replace the old one, one sentence for each limit passed; empty: it may.
// A pure function.
std::vector<std::string> judge_swap(const SwapFigures& figures, const SwapLimits& limits);

// Share of the texts with a known label that `scores` has right; 0 of none.
struct GoldenAccuracy {
  std::uint64_t emotion_texts = 0;
  std::uint64_t topic_texts = 0;
  double emotion = 0;
  double topic = 0;
};
GoldenAccuracy golden_accuracy(std::span<const GoldenText> texts, std::span<const Scores> scores);

}  // namespace tidewatch

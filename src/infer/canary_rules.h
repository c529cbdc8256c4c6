// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "infer/scores.h"
#include "infer/swap_rules.h"

namespace tidewatch {

// When a canary ends by itself.
struct CanaryLimits {
  double accuracy_drop_max = 0.02;       // of the probe set, of either task; beyond: rolled back
  std::uint64_t probes_min = 50;         // labelled texts without which accuracy says nothing
  double error_rate_max = 0.01;          // of the candidate's runs
  std::uint64_t runs_min = 100;          // of the candidate, before its error rate says anything
  double latency_ratio_max = 2.0;        // P99 of one run, candidate over live; 0: any
  std::uint64_t latency_runs_min = 500;  // of each side
  std::uint64_t promote_after = 0;       // promote after so many texts compared; 0: never
};

// One model of the two.
struct CanarySide {
  std::uint64_t runs = 0;    // of a text
  std::uint64_t errors = 0;  // of them failed
  double latency_p99_ms = 0;
  GoldenAccuracy accuracy;  // of the last run over the probe set
  std::uint64_t probe_rounds = 0;
  // Over the texts that both answered.
  double confidence_sum = 0;  // of the best emotion
  std::array<std::uint64_t, kEmotionsMax> emotions{};
  std::array<std::uint64_t, kTopicsMax> topics{};
};

struct CanaryFigures {
  std::uint64_t compared = 0;  // texts that both answered
  std::uint64_t emotion_differs = 0;
  std::uint64_t topic_differs = 0;
  std::uint64_t shed = 0;  // comparisons dropped under load
  CanarySide live;
  CanarySide candidate;
};

// Half the sum of the absolute differences of two label distributions: 0 the same, 1 disjoint.
double total_variation(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b);
// Pearson's statistic of the two-row table, and its degrees of freedom.
struct ChiSquare {
  double statistic = 0;
  std::uint64_t freedom = 0;
};
ChiSquare chi_square(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b);

enum class CanaryVerdict : std::uint8_t { kGoOn, kRollBack, kPromote };
struct CanaryDecision {
  CanaryVerdict verdict = CanaryVerdict::kGoOn;
  std::string reason;  // for people; empty while it goes on
  bool operator==(const CanaryDecision&) const = default;
};

// A pure function of both sides' figures. Rolling back comes before promoting.
CanaryDecision decide_canary(const CanaryFigures& figures, const CanaryLimits& limits);

}  // namespace tidewatch

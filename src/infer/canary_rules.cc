// SPDX-License-Identifier: Apache-2.0
#include "infer/canary_rules.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

namespace tidewatch {
namespace {

double total(std::span<const std::uint64_t> counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
}

}  // namespace

double total_variation(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  assert(a.size() == b.size());
  const double of_a = total(a);
  const double of_b = total(b);
  if (of_a <= 0 || of_b <= 0) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::abs(static_cast<double>(a[i]) / of_a - static_cast<double>(b[i]) / of_b);
  }
  return sum / 2;
}

ChiSquare chi_square(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
  assert(a.size() == b.size());
  const double of_a = total(a);
  const double of_b = total(b);
  ChiSquare result;
  if (of_a <= 0 || of_b <= 0) return result;
  std::uint64_t columns = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double both = static_cast<double>(a[i] + b[i]);
    if (both <= 0) continue;
    ++columns;
    for (const auto& [count, row] : {std::pair{a[i], of_a}, std::pair{b[i], of_b}}) {
      const double expected = both * row / (of_a + of_b);
      const double off = static_cast<double>(count) - expected;
      result.statistic += off * off / expected;
    }
  }
  result.freedom = columns > 0 ? columns - 1 : 0;
  return result;
}

CanaryDecision decide_canary(const CanaryFigures& figures, const CanaryLimits& limits) {
  const CanarySide& live = figures.live;
  const CanarySide& candidate = figures.candidate;
  const auto roll_back = [](std::string reason) {
    return CanaryDecision{CanaryVerdict::kRollBack, std::move(reason)};
  };
  if (live.probe_rounds > 0 && candidate.probe_rounds > 0) {
    const auto drops = [&](const char* task, std::uint64_t texts, double was, double is) {
      if (texts < limits.probes_min || was - is <= limits.accuracy_drop_max + 1e-9) {
        return std::string{};
      }
      return fmt::format(
          "{} accuracy on {} probe texts is {:.1f} % against {:.1f} %, down by more "
          "than {:.1f} points",
          task, texts, 100 * is, 100 * was, 100 * limits.accuracy_drop_max);
    };
    const GoldenAccuracy& was = live.accuracy;
    const GoldenAccuracy& is = candidate.accuracy;
    if (auto why = drops("emotion", is.emotion_texts, was.emotion, is.emotion); !why.empty()) {
      return roll_back(std::move(why));
    }
    if (auto why = drops("topic", is.topic_texts, was.topic, is.topic); !why.empty()) {
      return roll_back(std::move(why));
    }
  }
  if (candidate.runs >= limits.runs_min && candidate.runs > 0) {
    const double rate = static_cast<double>(candidate.errors) / static_cast<double>(candidate.runs);
    if (rate > limits.error_rate_max) {
      return roll_back(fmt::format("{} of {} runs failed, more than {:.2f} %", candidate.errors,
                                   candidate.runs, 100 * limits.error_rate_max));
    }
  }
  const bool timed = live.runs >= limits.latency_runs_min &&
                     candidate.runs >= limits.latency_runs_min && live.latency_p99_ms > 0;
  if (limits.latency_ratio_max > 0 && timed &&
      candidate.latency_p99_ms > limits.latency_ratio_max * live.latency_p99_ms) {
    return roll_back(fmt::format("P99 of a run is {:.2f} ms against {:.2f}, more than {:.2f} times",
                                 candidate.latency_p99_ms, live.latency_p99_ms,
                                 limits.latency_ratio_max));
  }
  if (limits.promote_after > 0 && figures.compared >= limits.promote_after &&
      candidate.probe_rounds > 0) {
    return {CanaryVerdict::kPromote,
            fmt::format("{} texts compared without a reason against it", figures.compared)};
  }
  return {};
}

}  // namespace tidewatch

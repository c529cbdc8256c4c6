// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/nab_score.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace tidewatch {
namespace {

double scaled_sigmoid(double place) { return place > 3 ? -1 : 2 / (1 + std::exp(5 * place)) - 1; }

struct Sums {
  double raw = 0;
  std::size_t windows = 0, found = 0, false_positives = 0;
};

Sums score_series(const NabSeries& series, const NabProfile& profile, double threshold) {
  Sums sums;
  sums.windows = series.windows.size();
  const double at_left = scaled_sigmoid(-1);
  std::size_t next = 0;  // the window that the row is in or before
  double best = -1;      // of the detections in it; below 0: none
  const auto leave = [&] {
    if (best >= 0) {
      sums.raw += profile.true_positive * best;
      ++sums.found;
    } else {
      sums.raw -= profile.false_negative;
    }
    best = -1;
    ++next;
  };
  for (std::size_t row = nab_probation(series.scores.size()); row < series.scores.size(); ++row) {
    while (next < series.windows.size() && row > series.windows[next].second) leave();
    if (series.scores[row] < threshold) continue;
    if (next < series.windows.size() && row >= series.windows[next].first) {
      const auto [first, last] = series.windows[next];
      const double place =
          -static_cast<double>(last - row + 1) / static_cast<double>(last - first + 1);
      best = std::max(best, scaled_sigmoid(place) / at_left);
      continue;
    }
    ++sums.false_positives;
    double cost = -1;
    if (next > 0) {
      const auto [first, last] = series.windows[next - 1];
      const auto width = static_cast<double>(std::max<std::size_t>(last - first, 1));
      cost = scaled_sigmoid(static_cast<double>(row - last) / width);
    }
    sums.raw += profile.false_positive * cost;
  }
  while (next < series.windows.size()) leave();
  return sums;
}

}  // namespace

std::vector<NabProfile> nab_profiles() {
  return {{"standard", 1, 0.11, 1},
          {"reward_low_FP_rate", 1, 0.22, 1},
          {"reward_low_FN_rate", 1, 0.11, 2}};
}

std::size_t nab_probation(std::size_t rows) {
  return static_cast<std::size_t>(0.15 * static_cast<double>(std::min<std::size_t>(rows, 5'000)));
}

NabResult nab_score_at(const std::vector<NabSeries>& corpus, const NabProfile& profile,
                       double threshold) {
  NabResult result;
  result.threshold = threshold;
  double raw = 0;
  for (const NabSeries& series : corpus) {
    const Sums sums = score_series(series, profile, threshold);
    raw += sums.raw;
    result.windows += sums.windows;
    result.windows_found += sums.found;
    result.false_positives += sums.false_positives;
  }
  const auto windows = static_cast<double>(result.windows);
  const double nothing = -profile.false_negative * windows;
  const double perfect = profile.true_positive * windows;
  result.score = windows > 0 ? 100 * (raw - nothing) / (perfect - nothing) : 0;
  return result;
}

NabResult nab_score(const std::vector<NabSeries>& corpus, const NabProfile& profile) {
  std::set<double> thresholds{std::numeric_limits<double>::infinity()};
  for (const NabSeries& series : corpus) {
    for (const double score : series.scores) {
      if (score > 0) thresholds.insert(score);
    }
  }
  NabResult best;
  best.score = -std::numeric_limits<double>::infinity();
  for (const double threshold : thresholds) {
    const NabResult result = nab_score_at(corpus, profile, threshold);
    if (result.score > best.score) best = result;
  }
  return best;
}

}  // namespace tidewatch

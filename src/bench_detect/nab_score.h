// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace tidewatch {

// Scoring of the Numenta Anomaly Benchmark, written from its published description (A. Lavin and
// S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", ICMLA 2015, section III):
// - Rows of the probationary period, the first 15 % of a series (of at most 5,000 rows), count for
//   nothing.
// - Of a window the earliest detection counts: a scaled sigmoid of its place, 1 at the left end and
//   0 at the right; a window without any costs the weight of a false negative.
// - A detection outside costs the weight of a false positive times the same sigmoid of the distance
//   from the window before it, in widths of that window; 1 when there is none before.
// - A profile's score is the sum over the series at the threshold that makes it largest, one for
// all
//   series, scaled so that 0 is the detector that never detects and 100 a perfect one.
struct NabProfile {
  std::string name;
  double true_positive = 1, false_positive = 0.11, false_negative = 1;
};
std::vector<NabProfile> nab_profiles();  // standard, reward_low_FP_rate, reward_low_FN_rate

struct NabSeries {
  std::string name;
  std::vector<double> scores;                                // by row; larger is more anomalous
  std::vector<std::pair<std::size_t, std::size_t>> windows;  // first and last row, in order
};

struct NabResult {
  double score = 0;  // 0 to 100 for what is no worse than nothing
  double threshold = 0;
  std::size_t windows = 0, windows_found = 0, false_positives = 0;  // detected rows outside
};

// The score at one threshold: rows with a score of at least that are detections.
NabResult nab_score_at(const std::vector<NabSeries>& corpus, const NabProfile& profile,
                       double threshold);
// At the best threshold of all scores that occur.
NabResult nab_score(const std::vector<NabSeries>& corpus, const NabProfile& profile);

std::size_t nab_probation(std::size_t rows);

}  // namespace tidewatch

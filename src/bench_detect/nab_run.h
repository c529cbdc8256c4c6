// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "bench_detect/nab_score.h"
#include "bench_detect/rate_curve.h"
#include "core/result.h"
#include "detect/detector.h"

namespace tidewatch {

// Scores of a series of counts, row by row, as they could have been had at the end of that row. The
// count of a row is spread evenly over its five minutes, as posts by new authors of one key, and
// shown to the engine's detector; the row's value is the largest score that the detector gave the
// key within it. How high that is depends on the key, so that the row's score is its rarity: for
// how many days the value was lower than now. It has no settings. O(1) a row on average.
std::vector<double> nab_scores_of(const RateCurve& curve, DetectOptions options);

// Reads realTweets/*.csv and windows.json of a folder (windows are for the scorer alone).
Result<std::vector<NabSeries>> read_nab(const std::string& dir, const DetectOptions& options);

}  // namespace tidewatch

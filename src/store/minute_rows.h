// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "aggregate/window_counts.h"
#include "core/clock.h"
#include "core/result.h"
#include "store/label_sets.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace tidewatch {

// Replaces the counts of each key and minute. Within the caller's transaction.
Status write_minutes(Database& db, std::span<const MinuteCounts> minutes, const LabelSet& labels,
                     EventTime now);

// Sums of a key over the minutes that begin in [since, until), by step: points lie on multiples of
// it, so that the first may be earlier than `since`. Runs on a reader's connection.
Result<std::vector<SeriesPoint>> read_series(Database& db, const LabelSets& label_sets,
                                             const std::string& key, EventTime since,
                                             EventTime until, std::chrono::seconds step);

// Removes some of the minutes of the day that was written to longest ago, if that is before
// `written_before`. Returns false when there is no such day. Within the caller's transaction.
Result<bool> remove_some_minutes(Database& db, EventTime written_before);

}  // namespace tidewatch

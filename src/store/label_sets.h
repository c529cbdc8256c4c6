// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "core/result.h"
#include "infer/scores.h"
#include "store/sqlite.h"

namespace tidewatch {

// The label texts of one schema that posts and minutes were written with. Never changes.
struct LabelSet {
  std::int64_t id = 0;
  std::vector<std::string> emotions;
  std::vector<std::string> topics;
};

// Every label set in posts.db. A row holds the number of its set and places in it, so that labels
// are text on disk (a model swap cannot shift them) and yet cost one byte a row.
// Threads: find() may be called concurrently with everything; load() and ensure() one at a time,
// with their database. Bound: one entry for each schema ever used.
class LabelSets {
 public:
  Status load(Database& db);
  // Finds the set of a schema, or writes it in a transaction of its own.
  Result<const LabelSet*> ensure(Database& db, const LabelSchema& labels);
  // Null when there is no such set. The pointer stays good as long as this object.
  const LabelSet* find(std::int64_t id) const;

 private:
  const LabelSet* find(const LabelSchema& labels) const;
  mutable Mutex mu_;
  std::deque<LabelSet> sets_ GUARDED_BY(mu_);
};

}  // namespace tidewatch

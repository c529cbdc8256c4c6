// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "infer/scored_post.h"
#include "store/block_map.h"
#include "store/label_sets.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace tidewatch {

// The posts in posts.db as their one writer sees them: appended at the end, removed at the
// beginning, so that what is there is always the dense range [first, last] of sequences.
// Ownership: `db`, `label_sets` and `blocks` outlive it. Threads: one at a time (the caller holds
// the store's write lock), but first(), last() and count() may be called concurrently.
class PostLog {
 public:
  PostLog(Database& db, LabelSets& label_sets, BlockMap& blocks)
      : db_(db), label_sets_(label_sets), blocks_(blocks) {}
  Status load();

  // See Store::append.
  Result<std::vector<Store::Appended>> append(std::span<ScoredPost* const> posts,
                                              const LabelSchema& labels, EventTime now);

  // Removes the oldest posts of the oldest block, at most `count_max`, in one transaction.
  // Returns how many.
  Result<std::uint64_t> remove_oldest(std::uint64_t count_max);

  std::int64_t first() const { return floor_.load(std::memory_order_acquire) + 1; }
  std::int64_t last() const { return last_.load(std::memory_order_acquire); }
  std::uint64_t count() const { return static_cast<std::uint64_t>(last() - first() + 1); }

 private:
  Result<Store::Appended> append_one(ScoredPost& post, const LabelSet& labels,
                                     std::int64_t& sequence);
  Status write_blocks(const std::vector<Block>& changed);
  void note_block(std::vector<Block>& changed, std::int64_t sequence, std::int64_t time,
                  std::int64_t now);

  Database& db_;
  LabelSets& label_sets_;
  BlockMap& blocks_;
  Statement find_id_;
  Statement insert_;
  Statement upsert_block_;
  std::string scratch_;
  std::atomic<std::int64_t> floor_{0};  // the largest sequence ever removed
  std::atomic<std::int64_t> last_{0};
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "core/result.h"
#include "store/sqlite.h"

namespace tidewatch {

inline constexpr std::int64_t kBlockPosts = 4'096;
inline std::int64_t block_of(std::int64_t sequence) { return sequence / kBlockPosts; }

// What is known of the posts with sequences [number * kBlockPosts, (number + 1) * kBlockPosts).
// Times in milliseconds since the epoch.
struct Block {
  std::int64_t number = 0;
  std::int64_t time_min = 0;  // event time
  std::int64_t time_max = 0;
  std::int64_t stored_at = 0;  // wall time of its last append
};

// Half-open ranges of sequences.
struct SequenceRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// Event-time bounds by block: answers "which posts may be of that hour" without an index on time
// (which would cost every post about 14 bytes), and tells retention how old each block is.
// Blocks are on disk beside their posts (post_blocks of a partition), written in the same
// transaction.
// Threads: every member may be called concurrently. Bound: 32 bytes for each 4,096 posts.
class BlockMap {
 public:
  // Adds those of a partition; partitions come oldest first.
  Status load(Database& db);
  // Applies what a committed append wrote. Blocks come in order; the first may be the last one
  // known, grown.
  void update(const std::vector<Block>& changed);
  void drop_before(std::int64_t block_number);

  std::optional<Block> last() const;
  std::optional<Block> find(std::int64_t number) const;
  // Event-time bounds of everything.
  std::optional<std::pair<std::int64_t, std::int64_t>> time_bounds() const;
  // Ranges that may hold posts with times in [since, until), newest first, neighbours joined.
  std::vector<SequenceRange> overlapping(std::int64_t since, std::int64_t until) const;

 private:
  mutable Mutex mu_;
  std::deque<Block> blocks_ GUARDED_BY(mu_);
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "store/block_map.h"

#include <algorithm>

namespace tidewatch {

Status BlockMap::load(Database& db) {
  TRY_ASSIGN(Statement select,
             db.prepare("SELECT block, time_min, time_max, stored_at FROM post_blocks ORDER BY 1"));
  std::vector<Block> read;
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) break;
    read.push_back(
        {select.column_int(0), select.column_int(1), select.column_int(2), select.column_int(3)});
  }
  update(read);
  return {};
}

void BlockMap::update(const std::vector<Block>& changed) {
  const MutexLock lock(mu_);
  for (const Block& block : changed) {
    if (!blocks_.empty() && blocks_.back().number == block.number) {
      Block& known = blocks_.back();
      known.time_min = std::min(known.time_min, block.time_min);
      known.time_max = std::max(known.time_max, block.time_max);
      known.stored_at = std::max(known.stored_at, block.stored_at);
    } else {
      blocks_.push_back(block);
    }
  }
}

void BlockMap::drop_before(std::int64_t block_number) {
  const MutexLock lock(mu_);
  while (!blocks_.empty() && blocks_.front().number < block_number) blocks_.pop_front();
}

std::optional<Block> BlockMap::last() const {
  const MutexLock lock(mu_);
  if (blocks_.empty()) return std::nullopt;
  return blocks_.back();
}

std::optional<Block> BlockMap::find(std::int64_t number) const {
  const MutexLock lock(mu_);
  const auto block =
      std::lower_bound(blocks_.begin(), blocks_.end(), number,
                       [](const Block& one, std::int64_t wanted) { return one.number < wanted; });
  if (block == blocks_.end() || block->number != number) return std::nullopt;
  return *block;
}

std::optional<std::pair<std::int64_t, std::int64_t>> BlockMap::time_bounds() const {
  const MutexLock lock(mu_);
  if (blocks_.empty()) return std::nullopt;
  std::pair<std::int64_t, std::int64_t> bounds{blocks_.front().time_min, blocks_.front().time_max};
  for (const Block& block : blocks_) {
    bounds.first = std::min(bounds.first, block.time_min);
    bounds.second = std::max(bounds.second, block.time_max);
  }
  return bounds;
}

std::vector<SequenceRange> BlockMap::overlapping(std::int64_t since, std::int64_t until) const {
  std::vector<SequenceRange> ranges;
  const MutexLock lock(mu_);
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    if (block->time_max < since || block->time_min >= until) continue;
    const std::int64_t begin = block->number * kBlockPosts;
    const std::int64_t end = begin + kBlockPosts;
    if (!ranges.empty() && ranges.back().begin == end) {
      ranges.back().begin = begin;
    } else {
      ranges.push_back({begin, end});
    }
  }
  return ranges;
}

}  // namespace tidewatch

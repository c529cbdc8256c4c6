// SPDX-License-Identifier: Apache-2.0
#include "aggregate/recent_pairs.h"

#include <algorithm>
#include <bit>
#include <new>

namespace tidewatch {

RecentPairs::RecentPairs(std::size_t entries_max, std::uint32_t window_seconds)
    : line_mask_(std::bit_ceil(std::max(entries_max, kLine)) / kLine - 1),
      window_seconds_(window_seconds),
      // calloc gives zero pages that cost nothing until they are touched.
      entries_(static_cast<std::uint64_t*>(std::calloc((line_mask_ + 1) * kLine, 8))) {
  if (!entries_) throw std::bad_alloc();
}

bool RecentPairs::seen(std::uint64_t hash, std::int64_t second) {
  std::uint64_t* const entries = line(hash);
  std::uint64_t mark = hash >> 32;
  if (mark == 0) mark = 1;  // 0 is the empty entry
  const auto now = static_cast<std::uint32_t>(second);
  std::size_t victim = 0;
  std::int64_t victim_age = -1;
  for (std::size_t i = 0; i < kLine; ++i) {
    const std::uint64_t entry = entries[i];
    if (entry == 0) {  // entries fill from the left
      entries[i] = mark << 32 | now;
      return false;
    }
    // Posts come somewhat out of order, so an age may be negative; one further off than the window
    // either way is over.
    const std::int64_t age = static_cast<std::int32_t>(now - static_cast<std::uint32_t>(entry));
    const bool fresh = std::abs(age) <= static_cast<std::int64_t>(window_seconds_);
    if (entry >> 32 == mark) {
      if (age >= 0 || !fresh) entries[i] = mark << 32 | now;
      return fresh;
    }
    const std::int64_t staleness = fresh ? std::max<std::int64_t>(age, 0) : std::abs(age);
    if (staleness > victim_age) {
      victim = i;
      victim_age = staleness;
    }
  }
  entries[victim] = mark << 32 | now;
  return false;
}

}  // namespace tidewatch

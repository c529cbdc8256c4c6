// SPDX-License-Identifier: Apache-2.0
#include "infer/score_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace tidewatch {

ScoreCache::Key ScoreCache::key_of(std::span<const std::int32_t> token_ids,
                                   ModelVersion model) noexcept {
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(token_ids.data(), token_ids.size_bytes(), model.value);
  return {hash.low64, hash.high64};
}

ScoreCache::ScoreCache(std::size_t bytes_max) {
  sets_ = bytes_max / (sizeof(Entry) * kWays);
  entries_.resize(sets_ * kWays);
}

std::optional<Scores> ScoreCache::find(const Key& key) {
  if (sets_ == 0) return std::nullopt;
  const std::size_t set = set_of(key);
  const std::uint64_t now = tick_.fetch_add(1, std::memory_order_relaxed) + 1;
  MutexLock lock(stripes_[set % kStripes]);
  for (std::size_t i = set * kWays; i < (set + 1) * kWays; ++i) {
    Entry& entry = entries_[i];
    if (entry.used_at != 0 && entry.key.low == key.low && entry.key.high == key.high) {
      entry.used_at = now;
      hits_.fetch_add(1, std::memory_order_relaxed);
      return entry.scores;
    }
  }
  misses_.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

void ScoreCache::insert(const Key& key, const Scores& scores) {
  if (sets_ == 0) return;
  const std::size_t set = set_of(key);
  const std::uint64_t now = tick_.fetch_add(1, std::memory_order_relaxed) + 1;
  MutexLock lock(stripes_[set % kStripes]);
  Entry* victim = &entries_[set * kWays];
  for (std::size_t i = set * kWays; i < (set + 1) * kWays; ++i) {
    Entry& entry = entries_[i];
    if (entry.used_at != 0 && entry.key.low == key.low && entry.key.high == key.high) {
      victim = &entry;
      break;
    }
    if (entry.used_at < victim->used_at) victim = &entry;
  }
  *victim = {key, now, scores};
}

void ScoreCache::clear() {
  for (std::size_t set = 0; set < sets_; ++set) {
    MutexLock lock(stripes_[set % kStripes]);
    for (std::size_t i = set * kWays; i < (set + 1) * kWays; ++i) entries_[i].used_at = 0;
  }
}

}  // namespace tidewatch

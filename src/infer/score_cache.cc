// SPDX-License-Identifier: Apache-2.0
#include "infer/score_cache.h"

#include <sys/mman.h>
#include <unistd.h>

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

ScoreCache::Key ScoreCache::key_of(std::span<const std::int32_t> token_ids, ModelVersion first,
                                   ModelVersion second) noexcept {
  const std::uint64_t both = first.value | std::uint64_t{second.value} << 32U;
  const XXH128_hash_t hash = XXH3_128bits_withSeed(token_ids.data(), token_ids.size_bytes(), both);
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

// All stripes at once, and the pages dropped: a page that the kernel has taken back reads as zeros,
// which are free entries. What shares a page with others is freed entry by entry.
void ScoreCache::clear() NO_THREAD_SAFETY_ANALYSIS {
  if (sets_ == 0) return;
  for (Mutex& stripe : stripes_) stripe.lock();
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(entries_.data());
  const auto end = begin + entries_.size() * sizeof(Entry);
  const std::uintptr_t first_page = (begin + page - 1) / page * page;
  const std::uintptr_t last_page = end / page * page;
  const bool dropped =
      first_page < last_page &&
      ::madvise(reinterpret_cast<void*>(first_page), last_page - first_page, MADV_DONTNEED) == 0;
  for (Entry& entry : entries_) {
    const auto at = reinterpret_cast<std::uintptr_t>(&entry);
    const bool gone = dropped && at >= first_page && at + sizeof(Entry) <= last_page;
    if (!gone) entry.used_at = 0;
  }
  for (Mutex& stripe : stripes_) stripe.unlock();
}

}  // namespace tidewatch

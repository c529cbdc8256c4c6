// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/mutex.h"
#include "infer/scores.h"

namespace tidewatch {

// Remembers the scores of texts seen before, keyed by a 128-bit hash (XXH3) of the token ids and
// the model version, so that 转发微博 is computed once. A collision of two texts is possible in
// principle: one in 2^64 texts.
//
// Bound: a fixed table of `bytes_max` / 208 entries, 8-way set associative; when a set is full
// the entry unused for longest is overwritten. Allocated once.
// Threads: every member may be called concurrently (locks are striped over the sets).
class ScoreCache {
 public:
  struct Key {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
  };
  static Key key_of(std::span<const std::int32_t> token_ids, ModelVersion model) noexcept;

  // Of the scores that two models of a cascade give together.
  static Key key_of(std::span<const std::int32_t> token_ids, ModelVersion first,
                    ModelVersion second) noexcept;

  explicit ScoreCache(std::size_t bytes_max);  // 0: remembers nothing

  std::optional<Scores> find(const Key& key);
  void insert(const Key& key, const Scores& scores);
  // Forgets everything and gives the table's memory back until it is used again.
  void clear();

  std::uint64_t hits() const noexcept { return hits_.load(std::memory_order_relaxed); }
  std::uint64_t misses() const noexcept { return misses_.load(std::memory_order_relaxed); }
  std::size_t entries_max() const noexcept { return entries_.size(); }

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kStripes = 64;
  struct Entry {
    Key key;
    std::uint64_t used_at = 0;  // 0: free
    Scores scores;
  };
  std::size_t set_of(const Key& key) const noexcept { return key.low % sets_; }

  std::size_t sets_ = 0;
  std::vector<Entry> entries_;  // entry i is guarded by stripes_[(i / kWays) % kStripes]
  std::array<Mutex, kStripes> stripes_;
  std::atomic<std::uint64_t> tick_{0};
  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> misses_{0};
};

}  // namespace tidewatch

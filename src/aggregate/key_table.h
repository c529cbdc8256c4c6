// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "aggregate/evidence_pool.h"
#include "aggregate/second_history.h"
#include "aggregate/window_counts.h"

namespace tidewatch {

// A key by its parts, without owning them.
struct KeyRef {
  KeyKind kind = KeyKind::kTopicRegion;
  std::string_view topic;
  std::string_view region;
  std::string_view term;
};

inline constexpr std::uint32_t kNoSlot = 0xFFFFFFFF;

// Everything the aggregator keeps of one living key, apart from its open seconds.
struct KeyEntry {
  KeyId id;  // value 0: a free slot
  std::uint64_t hash = 0;
  KeyName name;
  std::int64_t newest_second = 0;   // of its posts
  std::int64_t minute = kNoMinute;  // the minute that `minute_counts` is of
  KeyCounts minute_counts;
  SecondHistory::Position last_record = 0;
  EvidenceRing evidence;
  std::uint32_t newer = kNoSlot, older = kNoSlot;                    // by use
  std::uint32_t evidence_newer = kNoSlot, evidence_older = kNoSlot;  // the same, with evidence

  static constexpr std::int64_t kNoMinute = INT64_MIN;
};

// The living keys: by name through an open-addressing table, by id through their slot, and in
// order of use for eviction. Slots are reused, ids never. Not thread-safe.
class KeyTable {
 public:
  explicit KeyTable(std::size_t keys_max);

  static std::uint64_t hash_text(std::string_view text);
  static std::uint64_t hash_key(KeyKind kind, std::uint64_t first, std::uint64_t second);
  static std::uint64_t hash_key(const KeyRef& key);

  // The slot of a key, kNoSlot when it is not there. `hash` is hash_key(key).
  std::uint32_t find(const KeyRef& key, std::uint64_t hash) const;

  // Makes a key that is not there. When the table is full, the least recently used key makes
  // room, if all its posts are older than `open_minute`; its id is appended to `evicted`. Else
  // gives kNoSlot.
  std::uint32_t create(const KeyRef& key, std::uint64_t hash, std::int64_t open_minute,
                       EvidencePool& pool, std::vector<KeyId>& evicted);

  // Marks a key as used just now.
  void touch(std::uint32_t slot);

  // Marks a key as having evidence, the most recently used of those.
  void touch_evidence(std::uint32_t slot);
  // Takes the evidence of the least recently used key that has some. False: no key has any.
  bool drop_coldest_evidence(EvidencePool& pool);

  KeyEntry& entry(std::uint32_t slot) { return entries_[slot]; }
  const KeyEntry& entry(std::uint32_t slot) const { return entries_[slot]; }
  // The entry of an id; null when that key was evicted or never was.
  const KeyEntry* entry(KeyId id) const;

  std::size_t size() const { return size_; }
  std::size_t memory_bytes() const;

 private:
  struct Ends {
    std::uint32_t newest = kNoSlot, oldest = kNoSlot;
  };
  using Link = std::uint32_t KeyEntry::*;

  void unlink(Ends& ends, Link newer, Link older, std::uint32_t slot);
  void link_newest(Ends& ends, Link newer, Link older, std::uint32_t slot);
  void index_insert(std::uint32_t slot);
  void index_erase(std::uint32_t slot);
  bool evict(std::int64_t open_minute, EvidencePool& pool, std::vector<KeyId>& evicted);

  std::size_t keys_max_;
  std::vector<KeyEntry> entries_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> index_;  // slot + 1 by hash, linear probing; 0: empty
  std::size_t index_mask_;
  std::size_t size_ = 0;
  std::uint64_t serial_ = 0;
  Ends by_use_;
  Ends by_evidence_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "aggregate/key_table.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cassert>

namespace tidewatch {
namespace {

constexpr unsigned kSlotBits = std::bit_width(kKeySlotsMax - 1);

std::uint64_t mix(std::uint64_t x) {  // the finaliser of splitmix64
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9;
  x ^= x >> 27;
  x *= 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

bool matches(const KeyEntry& entry, const KeyRef& key) {
  return entry.name.kind == key.kind && entry.name.topic == key.topic &&
         entry.name.region == key.region && entry.name.term == key.term;
}

}  // namespace

KeyTable::KeyTable(std::size_t keys_max)
    : keys_max_(std::clamp<std::size_t>(keys_max, 32, kKeySlotsMax - 1)),
      index_(std::bit_ceil(keys_max_ * 2)),
      index_mask_(index_.size() - 1) {}

std::uint64_t KeyTable::hash_text(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

std::uint64_t KeyTable::hash_key(KeyKind kind, std::uint64_t first, std::uint64_t second) {
  return mix(first + 0x9E3779B97F4A7C15 * (static_cast<std::uint64_t>(kind) + 1)) ^
         std::rotl(mix(second + 0xD1B54A32D192ED03), 1);
}

std::uint64_t KeyTable::hash_key(const KeyRef& key) {
  if (key.kind != KeyKind::kTopicRegion) return hash_key(key.kind, hash_text(key.term), 0);
  return hash_key(key.kind, hash_text(key.topic), hash_text(key.region));
}

std::uint32_t KeyTable::find(const KeyRef& key, std::uint64_t hash) const {
  for (std::size_t at = hash & index_mask_; index_[at] != 0; at = (at + 1) & index_mask_) {
    const std::uint32_t slot = index_[at] - 1;
    if (entries_[slot].hash == hash && matches(entries_[slot], key)) return slot;
  }
  return kNoSlot;
}

std::uint32_t KeyTable::create(const KeyRef& key, std::uint64_t hash, std::int64_t open_minute,
                               EvidencePool& pool, std::vector<KeyId>& evicted) {
  assert(find(key, hash) == kNoSlot);
  if (free_.empty()) {
    if (entries_.size() < keys_max_) {
      entries_.emplace_back();
      free_.push_back(static_cast<std::uint32_t>(entries_.size() - 1));
    } else if (!evict(open_minute, pool, evicted)) {
      return kNoSlot;
    }
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  KeyEntry& fresh = entries_[slot];
  fresh.id = KeyId{++serial_ << kSlotBits | slot};
  fresh.hash = hash;
  fresh.name.kind = key.kind;
  fresh.name.topic = key.topic;
  fresh.name.region = key.region;
  fresh.name.term = key.term;
  ++size_;
  index_insert(slot);
  link_newest(by_use_, &KeyEntry::newer, &KeyEntry::older, slot);
  return slot;
}

bool KeyTable::evict(std::int64_t open_minute, EvidencePool& pool, std::vector<KeyId>& evicted) {
  const std::uint32_t slot = by_use_.oldest;
  if (slot == kNoSlot || entries_[slot].newest_second >= open_minute) return false;
  KeyEntry& victim = entries_[slot];
  if (victim.evidence.size > 0) {
    unlink(by_evidence_, &KeyEntry::evidence_newer, &KeyEntry::evidence_older, slot);
    pool.clear(victim.evidence);
  }
  unlink(by_use_, &KeyEntry::newer, &KeyEntry::older, slot);
  index_erase(slot);
  evicted.push_back(victim.id);
  victim = KeyEntry{};
  free_.push_back(slot);
  --size_;
  return true;
}

void KeyTable::touch(std::uint32_t slot) {
  if (by_use_.newest == slot) return;
  unlink(by_use_, &KeyEntry::newer, &KeyEntry::older, slot);
  link_newest(by_use_, &KeyEntry::newer, &KeyEntry::older, slot);
}

void KeyTable::touch_evidence(std::uint32_t slot) {
  if (by_evidence_.newest == slot) return;
  const KeyEntry& one = entries_[slot];
  const bool linked =
      one.evidence_newer != kNoSlot || one.evidence_older != kNoSlot || by_evidence_.oldest == slot;
  if (linked) unlink(by_evidence_, &KeyEntry::evidence_newer, &KeyEntry::evidence_older, slot);
  link_newest(by_evidence_, &KeyEntry::evidence_newer, &KeyEntry::evidence_older, slot);
}

bool KeyTable::drop_coldest_evidence(EvidencePool& pool) {
  const std::uint32_t slot = by_evidence_.oldest;
  if (slot == kNoSlot) return false;
  unlink(by_evidence_, &KeyEntry::evidence_newer, &KeyEntry::evidence_older, slot);
  pool.clear(entries_[slot].evidence);
  return true;
}

const KeyEntry* KeyTable::entry(KeyId id) const {
  const std::size_t slot = key_slot(id);
  if (id.value == 0 || slot >= entries_.size() || entries_[slot].id != id) return nullptr;
  return &entries_[slot];
}

void KeyTable::unlink(Ends& ends, Link newer, Link older, std::uint32_t slot) {
  KeyEntry& one = entries_[slot];
  (one.*newer == kNoSlot ? ends.newest : entries_[one.*newer].*older) = one.*older;
  (one.*older == kNoSlot ? ends.oldest : entries_[one.*older].*newer) = one.*newer;
  one.*newer = one.*older = kNoSlot;
}

void KeyTable::link_newest(Ends& ends, Link newer, Link older, std::uint32_t slot) {
  entries_[slot].*older = ends.newest;
  (ends.newest == kNoSlot ? ends.oldest : entries_[ends.newest].*newer) = slot;
  ends.newest = slot;
}

void KeyTable::index_insert(std::uint32_t slot) {
  std::size_t at = entries_[slot].hash & index_mask_;
  while (index_[at] != 0) at = (at + 1) & index_mask_;
  index_[at] = slot + 1;
}

void KeyTable::index_erase(std::uint32_t slot) {
  std::size_t hole = entries_[slot].hash & index_mask_;
  while (index_[hole] != slot + 1) hole = (hole + 1) & index_mask_;
  // Moves later entries of the run back, so that no search stops early at the hole.
  for (std::size_t at = (hole + 1) & index_mask_; index_[at] != 0; at = (at + 1) & index_mask_) {
    const std::size_t home = entries_[index_[at] - 1].hash & index_mask_;
    if (((at - home) & index_mask_) < ((at - hole) & index_mask_)) continue;
    index_[hole] = index_[at];
    hole = at;
  }
  index_[hole] = 0;
}

std::size_t KeyTable::memory_bytes() const {
  // A name longer than the short-string size costs one allocation, usually below 64 bytes.
  return entries_.capacity() * sizeof(KeyEntry) + size_ * 64 +
         (index_.capacity() + free_.capacity()) * sizeof(std::uint32_t);
}

}  // namespace tidewatch

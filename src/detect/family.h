// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "aggregate/window_counts.h"

namespace tidewatch {

// What the detector needs of a key's name to know its relatives: 40 bytes instead of strings.
struct KeyPlace {
  KeyId id;                 // value 0: nobody
  std::uint64_t topic = 0;  // hashes; 0: all
  std::uint64_t region = 0;
  std::uint64_t province = 0;  // of a city, whose key lies under its province's; 0: no city
  bool in_family = false;      // a topic-region key; a hashtag, keyword or rule only lies under *@*
  // False for topic or region `unknown`, which says nothing: told as the key above it instead.
  bool reportable = false;
  // A rule whose query fixes the emotion: its negative share says nothing.
  bool fixed_share = false;
  std::uint8_t open_waves = 0;  // the detector's: a bit for each kind of change
  std::uint16_t week = 0;       // the detector's: whose WeekProfile holds for the key
  bool owns_week = false;       // its own

  // How specific: 0 for *@*, 1, 2 for topic@region, *@city, hashtags, keywords and rules.
  int depth() const { return in_family ? (topic != 0) + (region != 0) + (province != 0) : 2; }
};

KeyPlace place_of(KeyId id, const KeyName* name);

// Whether every post of `narrow` is a post of `broad`, and they are not the same key.
bool lies_under(const KeyPlace& narrow, const KeyPlace& broad);

// Finds living topic-region keys by their parts. At most one entry a key.
class FamilyIndex {
 public:
  static constexpr std::size_t kNobody = SIZE_MAX;

  void insert(const KeyPlace& place, std::size_t slot);
  void erase(const KeyPlace& place, std::size_t slot);
  // `topic`, `region`: hashes as in KeyPlace; 0 for all.
  std::size_t find(std::uint64_t topic, std::uint64_t region) const;
  std::size_t size() const { return slots_.size(); }

 private:
  static std::uint64_t hash(std::uint64_t topic, std::uint64_t region);

  std::unordered_map<std::uint64_t, std::size_t> slots_;
};

}  // namespace tidewatch

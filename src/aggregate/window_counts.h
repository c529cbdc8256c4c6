// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "infer/scores.h"

namespace tidewatch {

// What is counted. `*` stands for "all" in a topic or region.
//   topic x region:  topic = "finance" or "*", region = "广东", "unknown" or "*"
//                    or of all topics in a city: region = "广东 深圳" (counted for 广东 as well)
//   hashtag:         term = "高考" (written #高考#)
//   keyword:         term = a followed keyword
//   rule:            term = the name of a user's rule
// What is found rather than watched; only in changes and alerts:
//   text group:      term = 8 hex digits and the opening of a text that is being copied
//   emergent topic:  term = the term that names it
enum class KeyKind : std::uint8_t {
  kTopicRegion,
  kHashtag,
  kKeyword,
  kRule,
  kTextGroup,
  kEmergentTopic
};

// The name of a key. Text form, used in the API, the store and alerts (`to_string`, `parse_key`):
//   finance@广东   finance@*   *@广东   *@*   *@广东 深圳   #高考#   kw:退款   rule:退款潮
//   copy:9f3a2b1c 加微信…   emergent:停电
struct KeyName {
  KeyKind kind = KeyKind::kTopicRegion;
  std::string topic;
  std::string region;
  std::string term;
  bool operator==(const KeyName&) const = default;
};

// Never reused within a run, so that a late reference to an evicted key finds nothing.
using KeyId = StrongId<struct KeyIdTag, std::uint64_t>;

// The low bits of a key id are the key's place in a table, so that later stages can keep arrays
// instead of maps. Two living keys never share a slot; an evicted key's slot is used again.
inline constexpr std::size_t kKeySlotsMax = std::size_t{1} << 24;
inline std::size_t key_slot(KeyId key) { return key.value & (kKeySlotsMax - 1); }

// Counts of one key over some time. Volume, authors and texts are kept apart, so that copy-paste
// does not look like a crowd; nothing is dropped: `posts` counts duplicates too.
struct KeyCounts {
  std::uint32_t posts = 0;
  std::uint32_t negative = 0;
  // Posts whose author (text) this key had not seen within the unique window (default 10 min).
  // A post without an author counts as a new author; a bare repost has no text and counts as none.
  std::uint32_t new_authors = 0;
  std::uint32_t new_texts = 0;
  std::uint32_t bare_reposts = 0;
  std::uint32_t new_author_negative = 0;  // negative posts among those by new authors
  std::uint32_t new_author_bare = 0;      // bare reposts among those by new authors
  std::array<std::uint32_t, kEmotionsMax> emotions{};
  // Of new_authors and new_author_negative: posts of a text whose posting looks coordinated.
  std::uint32_t coordinated = 0;
  std::uint32_t coordinated_negative = 0;

  KeyCounts& operator+=(const KeyCounts& other);
  bool operator==(const KeyCounts&) const = default;
};

struct KeyTick {
  KeyId key;
  KeyCounts counts;
};

// What was counted for one second of event time by the time that it was given out, with what came
// too late for the tick of its own second (see AggregateOptions::settle); keys without posts in it
// are absent. Every counted post is in one tick. Ticks come in increasing order; seconds without
// any post are skipped.
struct Tick {
  std::int64_t second = 0;     // Unix seconds, UTC
  std::vector<KeyTick> keys;   // in order of first appearance: deterministic
  std::vector<KeyId> evicted;  // keys forgotten since the last tick: drop their state
};

// The counts of one closed minute of one key, for the store and the series API.
struct MinuteCounts {
  std::string key;          // text form
  std::int64_t minute = 0;  // Unix seconds at its start, divisible by 60
  KeyCounts counts;
};

// A recent post of a key, kept as evidence. `text` is cut to 280 bytes at a character.
struct EvidencePost {
  std::string id;
  std::string author;
  std::string text;
  std::uint64_t text_hash = 0;
  EventTime time{};
  std::uint8_t emotion = kNoLabel;
  bool negative = false;
};

std::string to_string(const KeyName& key);

// Reads the text form; nothing when it is none. An empty region or topic is not a key.
std::optional<KeyName> parse_key(std::string_view text);

}  // namespace tidewatch

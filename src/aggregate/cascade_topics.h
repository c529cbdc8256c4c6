// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidewatch {

// Remembers the topic of each cascade (a post and its reposts), so that a bare repost can take it:
// the topic of the head when it was seen, else the last one seen. Set-associative, eight to a
// cache line, the least recently used of a line goes first: 8 bytes an entry, never grows. Two
// cascades are taken for one with probability at most 8 / 2^55. Not thread-safe.
class CascadeTopics {
 public:
  // `entries_max` is rounded up to a power of two, at least 8.
  explicit CascadeTopics(std::size_t entries_max);

  // Notes that a post of the cascade has this topic (below 128). `head`: it is the cascade's first.
  void note(std::uint64_t cascade_hash, std::uint8_t topic, bool head);

  // The topic of the cascade; kNoLabel when it is not known.
  std::uint8_t topic(std::uint64_t cascade_hash);

  std::size_t memory_bytes() const { return entries_.size() * sizeof(std::uint64_t); }

 private:
  static constexpr std::size_t kLine = 8;

  // Brings the cascade's entry to the front of its line; null when it is not there.
  std::uint64_t* touch(std::uint64_t cascade_hash);

  std::vector<std::uint64_t> entries_;  // upper 56 bits of the hash, head bit, 7 bits of topic + 1
  std::size_t line_mask_;
};

}  // namespace tidewatch

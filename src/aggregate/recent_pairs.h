// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace tidewatch {

// Remembers which hashes were seen within the last `window_seconds`, in fixed memory: a table of
// 8-byte entries (32 bits of the hash and the second it was last seen), eight to a cache line. A
// hash may stand anywhere in its line. When the line is full of fresh entries, the one seen longest
// ago is overwritten, so an overfull table forgets early and never grows.
//
// Errors: a hash never seen is taken for seen with probability at most 8 / 2^32 = 2e-9; one seen
// is forgotten early only when its line overflows. Seconds are compared modulo 2^32 (136 years).
// Memory is touched as it is used: a quiet stream stays small. Not thread-safe.
class RecentPairs {
 public:
  // `entries_max` is rounded up to a power of two, at least 8.
  RecentPairs(std::size_t entries_max, std::uint32_t window_seconds);

  // Whether `hash` was seen within the window before `second` (or, posts being out of order, after
  // it); remembers it as seen at `second`.
  bool seen(std::uint64_t hash, std::int64_t second);

  // Fetches the line of a hash into the cache.
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(line(hash), 1); }

  std::size_t memory_bytes() const { return (line_mask_ + 1) * kLine * sizeof(std::uint64_t); }

 private:
  static constexpr std::size_t kLine = 8;
  struct Free {
    void operator()(std::uint64_t* memory) const { std::free(memory); }
  };

  std::uint64_t* line(std::uint64_t hash) const {
    return entries_.get() + (hash & line_mask_) * kLine;
  }

  std::size_t line_mask_;
  std::uint32_t window_seconds_;
  std::unique_ptr<std::uint64_t[], Free> entries_;  // mark << 32 | second; 0: empty
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "aggregate/window_counts.h"

namespace tidewatch {

// The last closed seconds of all keys in one ring of 80-byte records; each record points to the
// previous one of its key, so a key's history is read without looking at other keys. When the ring
// is full the oldest record goes. Not thread-safe.
class SecondHistory {
 public:
  using Position = std::uint64_t;  // from 1; 0: none

  explicit SecondHistory(std::size_t records_max) : records_max_(records_max) {}

  // Adds a record behind the key's `previous` and gives its position.
  Position add(Position previous, std::int64_t second, const KeyCounts& counts);

  // A key's records from `last` back to those at or after `since`, oldest first.
  std::vector<std::pair<std::int64_t, KeyCounts>> read(Position last, std::int64_t since) const;

  std::size_t memory_bytes() const { return records_.capacity() * sizeof(Record); }

 private:
  struct Record {
    std::int64_t second;
    Position previous;
    KeyCounts counts;
  };

  std::size_t records_max_;
  std::vector<Record> records_;  // position p stands at (p - 1) % records_max_
  Position last_ = 0;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "aggregate/cascade_topics.h"

#include <algorithm>
#include <bit>

#include "infer/scores.h"

namespace tidewatch {
namespace {

constexpr std::uint64_t kLowByte = 0xFF;
constexpr std::uint64_t kHeadBit = 0x80;
static_assert(kTopicsMax < 0x7F);

}  // namespace

CascadeTopics::CascadeTopics(std::size_t entries_max)
    : entries_(std::bit_ceil(std::max(entries_max, kLine))),
      line_mask_(entries_.size() / kLine - 1) {}

std::uint64_t* CascadeTopics::touch(std::uint64_t cascade_hash) {
  // The line comes from the upper half: the low byte of the hash is not kept in the entry.
  std::uint64_t* const line = entries_.data() + ((cascade_hash >> 32) & line_mask_) * kLine;
  for (std::size_t i = 0; i < kLine; ++i) {
    if (((line[i] ^ cascade_hash) & ~kLowByte) != 0 || (line[i] & kLowByte) == 0) continue;
    std::rotate(line, line + i, line + i + 1);
    return line;
  }
  return nullptr;
}

void CascadeTopics::note(std::uint64_t cascade_hash, std::uint8_t topic, bool head) {
  const std::uint64_t low = (std::uint64_t{topic} + 1) | (head ? kHeadBit : 0);
  std::uint64_t* entry = touch(cascade_hash);
  if (entry == nullptr) {
    entry = entries_.data() + ((cascade_hash >> 32) & line_mask_) * kLine;
    std::rotate(entry, entry + kLine - 1, entry + kLine);  // the last one, now first, goes
  } else if ((*entry & kHeadBit) != 0 && !head) {
    return;
  }
  *entry = (cascade_hash & ~kLowByte) | low;
}

std::uint8_t CascadeTopics::topic(std::uint64_t cascade_hash) {
  const std::uint64_t* const entry = touch(cascade_hash);
  if (entry == nullptr) return kNoLabel;
  return static_cast<std::uint8_t>((*entry & ~kHeadBit & kLowByte) - 1);
}

}  // namespace tidewatch

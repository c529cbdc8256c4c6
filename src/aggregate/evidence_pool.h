// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "aggregate/aggregator.h"
#include "aggregate/window_counts.h"

namespace tidewatch {

inline constexpr std::size_t kEvidenceTextBytesMax = 280;

// What a key keeps of its recent posts: references into an EvidencePool, and enough to tell
// duplicates apart without following them. 196 bytes.
struct EvidenceRing {
  struct Entry {
    std::uint32_t post = 0;         // place in the pool
    std::uint32_t text_mark = 0;    // of the text's hash; 0: a bare repost
    std::uint32_t author_mark = 0;  // of the author's hash; 0: no author
    std::uint8_t kind = 0;          // EvidencePool's PostKind
  };
  std::array<Entry, kEvidencePerKey> entries{};  // oldest first
  std::uint8_t size = 0;
};

// Owns the posts that keys keep as evidence. A post is held once however many keys refer to it and
// goes when the last of them lets go. The pool never grows past its bound: acquire() says so, and
// the caller makes room by clearing rings of cold keys. Not thread-safe.
class EvidencePool {
 public:
  explicit EvidencePool(std::size_t posts_max) : posts_max_(posts_max) {}

  bool full() const { return free_.empty() && posts_.size() >= posts_max_; }

  // Gives a post to fill in, with one reference held by the caller. Precondition: !full().
  std::uint32_t acquire();
  EvidencePost& post(std::uint32_t index) { return posts_[index].post; }
  void release(std::uint32_t index);

  // Puts the post into the ring. An earlier post of the same author or text makes room for it
  // (a bare repost never displaces a text); else, when the ring is full, the oldest of the kind
  // (bare, negative, other) that most exceeds its share (2, 5, 5).
  void add(EvidenceRing& ring, std::uint32_t index, std::uint64_t author_hash);
  void clear(EvidenceRing& ring);

  // As Aggregator::evidence.
  std::vector<EvidencePost> select(const EvidenceRing& ring, std::size_t count_max,
                                   EvidenceOrder order) const;

  std::size_t memory_bytes() const;

 private:
  struct Slot {
    EvidencePost post;
    std::uint32_t references = 0;
  };

  void erase(EvidenceRing& ring, std::size_t at);

  std::size_t posts_max_;
  std::vector<Slot> posts_;
  std::vector<std::uint32_t> free_;
};

}  // namespace tidewatch

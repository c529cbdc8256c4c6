// SPDX-License-Identifier: Apache-2.0
#include "aggregate/evidence_pool.h"

#include <algorithm>
#include <cassert>

namespace tidewatch {
namespace {

enum PostKind : std::uint8_t { kBare, kNegativePost, kOther };
constexpr std::array<int, 3> kShares{2, 5, 5};
static_assert(kShares[0] + kShares[1] + kShares[2] == kEvidencePerKey);

std::uint32_t mark_of(std::uint64_t hash) {
  if (hash == 0) return 0;
  const auto mark = static_cast<std::uint32_t>(hash >> 32);
  return mark == 0 ? 1 : mark;
}

}  // namespace

std::uint32_t EvidencePool::acquire() {
  assert(!full());
  if (free_.empty()) {
    posts_.emplace_back();
    free_.push_back(static_cast<std::uint32_t>(posts_.size() - 1));
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  posts_[index].references = 1;
  return index;
}

void EvidencePool::release(std::uint32_t index) {
  assert(posts_[index].references > 0);
  if (--posts_[index].references == 0) free_.push_back(index);
}

void EvidencePool::erase(EvidenceRing& ring, std::size_t at) {
  release(ring.entries[at].post);
  std::copy(ring.entries.begin() + static_cast<std::ptrdiff_t>(at) + 1,
            ring.entries.begin() + ring.size,
            ring.entries.begin() + static_cast<std::ptrdiff_t>(at));
  --ring.size;
}

void EvidencePool::add(EvidenceRing& ring, std::uint32_t index, std::uint64_t author_hash) {
  const EvidencePost& post = posts_[index].post;
  EvidenceRing::Entry entry{index, mark_of(post.text_hash), mark_of(author_hash), kOther};
  if (entry.text_mark == 0) {
    entry.kind = kBare;
  } else if (post.negative) {
    entry.kind = kNegativePost;
  }
  std::size_t leaves = ring.size;
  std::array<int, 3> over{-kShares[0], -kShares[1], -kShares[2]};
  ++over[entry.kind];
  for (std::size_t i = 0; i < ring.size; ++i) {
    const EvidenceRing::Entry& old = ring.entries[i];
    ++over[old.kind];
    const bool same_text = entry.text_mark != 0 && old.text_mark == entry.text_mark;
    const bool same_author = entry.author_mark != 0 && old.author_mark == entry.author_mark;
    if (!same_text && !same_author) continue;
    if (entry.kind == kBare && old.kind != kBare) return;
    leaves = i;
    break;
  }
  if (leaves == ring.size && ring.size == kEvidencePerKey) {
    const auto most =
        static_cast<std::uint8_t>(std::max_element(over.begin(), over.end()) - over.begin());
    leaves = 0;
    while (leaves < ring.size && ring.entries[leaves].kind != most) ++leaves;
    if (leaves == ring.size) return;  // only the new post is of that kind
  }
  if (leaves < ring.size) erase(ring, leaves);
  ring.entries[ring.size++] = entry;
  ++posts_[index].references;
}

void EvidencePool::clear(EvidenceRing& ring) {
  for (std::size_t i = 0; i < ring.size; ++i) release(ring.entries[i].post);
  ring.size = 0;
}

std::vector<EvidencePost> EvidencePool::select(const EvidenceRing& ring, std::size_t count_max,
                                               EvidenceOrder order) const {
  struct Ranked {
    int rank;
    std::size_t age;
    std::uint32_t post;
  };
  std::vector<Ranked> ranked;
  ranked.reserve(ring.size);
  for (std::size_t i = ring.size; i-- > 0;) {  // newest first
    const EvidenceRing::Entry& entry = ring.entries[i];
    int rank = entry.kind == kBare ? 2 : 0;
    for (std::size_t newer = i + 1; newer < ring.size; ++newer) {
      const EvidenceRing::Entry& other = ring.entries[newer];
      const bool repeats = (entry.text_mark != 0 && entry.text_mark == other.text_mark) ||
                           (entry.author_mark != 0 && entry.author_mark == other.author_mark);
      if (repeats) rank = std::max(rank, 1);
    }
    if (order == EvidenceOrder::kNegativeFirst && entry.kind != kNegativePost) rank += 3;
    ranked.push_back({rank, ring.size - i, entry.post});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; });
  if (ranked.size() > count_max) ranked.resize(count_max);
  std::vector<EvidencePost> posts;
  posts.reserve(ranked.size());
  for (const Ranked& one : ranked) posts.push_back(posts_[one.post].post);
  return posts;
}

std::size_t EvidencePool::memory_bytes() const {
  // Id and author are usually beyond the short-string size; the text is at most its bound.
  return posts_.capacity() * sizeof(Slot) + posts_.size() * (kEvidenceTextBytesMax + 2 * 32) +
         free_.capacity() * sizeof(std::uint32_t);
}

}  // namespace tidewatch

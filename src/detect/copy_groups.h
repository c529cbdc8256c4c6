// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/recent_pairs.h"
#include "aggregate/window_counts.h"
#include "detect/text_sketch.h"

namespace tidewatch {

struct CopyGroupOptions {
  std::size_t groups_max = 16'384;  // about 700 bytes each, as they are used
  // Places for the bands of texts not in a group yet, and of groups: 16 bytes each, allocated
  // at once. At 5,000 new texts a second a text is remembered for about 50 s.
  std::size_t index_entries_max = std::size_t{1} << 20;
  std::size_t author_pairs_max = std::size_t{1} << 18;  // (group, author), 8 bytes each
  std::int64_t quiet_seconds = 600;  // a group without a post for so long is forgotten
  // How long a group remembers an author: sixty accounts in turn, at two posts a minute, come back
  // after half an hour.
  std::int64_t author_seconds = 3 * 3'600;
};

// The lowest hashes of a set (a bottom-k sketch: E. Cohen and H. Kaplan, "Summarizing data using
// bottom-k sketches", PODC 2007), to estimate how much two sets of authors have in common.
class AuthorSketch {
 public:
  void add(std::uint32_t hash);
  std::size_t size() const { return size_; }
  // Estimates |a and b| / |a or b|.
  static double resemblance(const AuthorSketch& a, const AuthorSketch& b);

 private:
  static constexpr std::size_t kSize = 24;
  std::array<std::uint32_t, kSize> lowest_{};  // ascending
  std::size_t size_ = 0;
};

// Posts of (nearly) one text, and how they came.
struct CopyGroup {
  std::uint64_t serial = 0;  // from 1, never reused; 0: a free place
  TextSketch sketch{};
  std::size_t units = 0;  // of its text
  bool own_text =
      false;            // says something: four units or more, and not what a site puts in a repost
  std::string opening;  // of the text, for people
  std::uint64_t text_mark = 0;
  std::int64_t first = 0, last = 0;  // Unix seconds
  KeyCounts counts;                  // of all its posts; new_authors: its distinct authors
  std::uint32_t repeats = 0;         // posts by an author who was in it before
  // Of the times between its posts (Welford's method), seconds.
  std::uint32_t gaps = 0;
  double gap_mean = 0, gap_squares = 0;
  std::int64_t last_ms = 0;
  AuthorSketch authors;
  double shared_authors = 0;           // the largest resemblance of its authors to another group's
  bool coordinated = false;            // set by Coordination, for good
  double recent = 0;                   // posts, decayed over a minute
  std::vector<EvidencePost> evidence;  // at most kEvidencePerKey, of distinct authors first
};

// Groups posts by near-equal texts at stream speed in bounded memory: MinHash with locality-
// sensitive hashing (P. Indyk and R. Motwani, STOC 1998) in 4 bands of 3 minima. A text whose band
// was seen shortly before opens a group with it; later texts join the group when at least 7 of 12
// minima are equal to its first text's, or 5 once its posting looks coordinated: of a template of
// which each copy fills in something else, some are further from the first than others.
//
// Deterministic; event time only. Not thread-safe. Every post is counted once, none is dropped:
// the first post of a group is counted when the second comes, without its author's name.
class CopyGroups {
 public:
  explicit CopyGroups(CopyGroupOptions options);

  struct Sighting {
    std::string_view author;  // empty: not said
    std::string_view text;
    std::string_view repost_of;  // empty: an original
    std::int64_t time_ms = 0;
    std::uint8_t emotion = kNoLabel;
    bool negative = false;
    std::string_view id;
  };

  // Takes a post with a text; gives the place of its group, or nothing when it has none.
  std::optional<std::size_t> add(const Sighting& post);

  const CopyGroup& group(std::size_t place) const { return groups_[place]; }
  CopyGroup& group(std::size_t place) { return groups_[place]; }
  std::size_t size() const { return size_; }  // living groups
  std::size_t num_places() const { return groups_.size(); }

  // Forgets groups that had no post since quiet_seconds before `second`; tells their places first.
  template <typename Forgotten>
  void forget_quiet(std::int64_t second, Forgotten&& forgotten) {
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      if (groups_[i].serial == 0 || groups_[i].last + options_.quiet_seconds > second) continue;
      forgotten(i);
      release(i);
    }
  }

  std::size_t memory_bytes() const;

 private:
  struct Entry {
    std::uint32_t mark = 0;  // of the band's minima; 0: empty
    std::uint32_t second = 0;
    std::uint32_t place = 0;  // of a group + 1; 0: one text only
    std::uint32_t serial_or_author = 0;
  };
  static constexpr std::size_t kBands = 4, kRows = 3, kLine = 4;
  static constexpr std::size_t kEqualMin = 7, kEqualToCoordinatedMin = 5;

  std::optional<std::size_t> find(const std::array<std::uint64_t, kBands>& bands,
                                  const TextSketch& sketch) const;
  const Entry* find_single(const std::array<std::uint64_t, kBands>& bands,
                           std::int64_t second) const;
  void put(std::uint64_t band, const Entry& entry);
  std::size_t open(const TextSketch& sketch, const Sighting& post, const Entry& first);
  void count(CopyGroup& group, const Sighting& post);
  void release(std::size_t place);
  Entry* line(std::uint64_t band) { return &index_[(band & line_mask_) * kLine]; }
  const Entry* line(std::uint64_t band) const { return &index_[(band & line_mask_) * kLine]; }

  const CopyGroupOptions options_;
  TextSketcher sketcher_;
  RecentPairs author_pairs_;
  std::size_t line_mask_;
  std::vector<Entry> index_;
  std::vector<CopyGroup> groups_;
  std::vector<std::size_t> free_;
  std::size_t size_ = 0;
  std::size_t hand_ = 0;  // where the next group to give way is looked for
  std::uint64_t serial_ = 0;
};

}  // namespace tidewatch

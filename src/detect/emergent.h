// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregate/recent_pairs.h"
#include "aggregate/window_counts.h"
#include "detect/change.h"
#include "detect/term_counts.h"
#include "infer/scored_post.h"
#include "query/folded_text.h"

namespace tidewatch {

struct EmergentOptions {
  // Short slices see a wave soon, long ones a slow one at all; significant in either is enough.
  TermCountOptions terms;
  std::int64_t slice_seconds = 30;
  TermCountOptions slow_terms{.memory_slices = 36, .count_min = 20, .warm_up_slices = 4};
  std::int64_t slow_slice_seconds = 300;
  std::uint32_t authors_min = 20;    // of the posts that a topic is found in
  std::uint32_t term_posts_min = 8;  // with a term, for the term to belong to a topic
  double together_min = 0.5;         // of the rarer term's posts have both: the two belong together
  double joined_min = 0.2;  // of what was found, posts of an open topic: it is that topic, grown
  std::int64_t quiet_seconds =
      600;  // with fewer than three posts a minute or so: the topic has ended
  std::int64_t again_seconds = 1'800;  // what comes again so soon after its end goes on as it
  std::size_t posts_max = 2'048;       // with significant terms, looked through for topics
  std::size_t terms_max = 1'024;  // significant ones known at once; beyond: not looked for, counted
  std::size_t topics_max = 64;    // open at once, beyond: not told, but counted; as many ended ones
};

// Finds topics that no one asked for: terms and pairs of terms that are suddenly frequent against
// their own past (term_counts.h), joined into a topic where they stand in the same posts, named by
// the longest run of them that most of those posts have, and told as kEmergent changes with
// posts that show it. What has half of its terms, or some of its posts, in common with an open
// topic, or comes from the same cascade, is that topic: one event, one topic.
//
// Terms are two neighbouring ideographs, words of letters and #tags#, without what copies vary
// (text_sketch.h); longer Chinese words are runs of those. Pairs are two known terms of one post.
// Posts that look coordinated do not come here. The key is `emergent:NAME`; from_rate what its most
// frequent term had a minute, to_rate posts a minute, score the significance over its threshold.
//
// Threads: none; not thread-safe. Deterministic; event time only. Bounds: the options; about 15 MB.
class Emergent {
 public:
  explicit Emergent(EmergentOptions options);

  // Takes a post in the order of counting.
  void add(const ScoredPost& post, std::uint8_t emotion, bool negative);
  // Says that all seconds up to `second` have been counted. Appends changes, with `at` = second; of
  // kStarted the second of the newest post that it was decided on, when that is later.
  void advance(std::int64_t second, std::vector<Change>& changes);

  static bool is_topic(KeyId key) { return (key.value >> 62) == 3; }
  std::vector<EvidencePost> evidence(KeyId key, std::size_t count_max, bool negative_first) const;

  std::size_t topics() const { return topics_.size(); }  // open now
  std::uint64_t refused() const { return refused_; }
  // Terms of posts that were not looked for since terms_max were known.
  std::uint64_t refused_terms() const { return refused_terms_; }
  std::size_t memory_bytes() const;

 private:
  struct Term {
    std::string text;
    std::int64_t last = 0;                 // second when it was significant last
    std::array<std::uint64_t, 2> parts{};  // of a pair: its terms
  };
  struct HotPost {
    EvidencePost post;
    std::uint64_t author = 0;
    std::uint64_t cascade = 0;  // of the original that it is or passes on
    std::int64_t second = 0;
    std::vector<std::uint64_t> terms;  // significant ones, ascending
  };
  struct Topic {
    std::uint64_t serial = 0;
    std::string name;
    std::vector<std::uint64_t> terms;     // ascending
    std::vector<std::uint64_t> cascades;  // that most of something found was; at most kCascadesMax
    std::uint64_t lead = 0;               // its most frequent term
    std::int64_t onset = 0, opened_at = 0, told_at = 0, last_busy = 0;
    std::int64_t ended_at = 0;  // 0: it goes on
    std::uint32_t posts_told = 0;
    std::uint32_t hot_posts = 0;  // of posts_, at the last look
    double from_rate = 0, score = 0;
    double recent = 0;  // posts, decayed over a minute
    std::int64_t recent_at = 0;
    KeyCounts counts;
    std::vector<EvidencePost> evidence;
    bool started = false;
  };
  struct Cluster {
    std::vector<std::uint64_t> terms;  // ascending
    std::vector<const HotPost*> posts;
    std::string name{};  // of one with enough authors
    std::uint64_t lead = 0;
    std::uint64_t cascade = 0;  // that half of the posts or more come from; 0: none
    std::size_t authors = 0;
  };

  struct Established {  // a term of the present post that is known from before
    double expected;
    std::uint64_t term;
    std::string_view text;
  };

  struct Pair {
    std::uint64_t term;
    const Established* a;
    const Established* b;
  };

  struct Found {
    std::uint64_t term = 0;
    std::string text;
    bool significant = false;  // now; else a moment ago
    std::array<std::uint64_t, 2> parts{};
  };

  void find_terms(const ScoredPost& post);
  void find_pairs();
  bool count(std::uint64_t term);
  bool is_known(std::uint64_t term) const;
  void keep(Found found);
  void note_topics(const HotPost& post, std::uint8_t emotion);
  void take_into(Topic& topic, const HotPost& post, std::uint8_t emotion);
  void find_topics(std::int64_t second);
  static bool is_of(const HotPost& post, const Topic& topic);
  std::vector<Cluster> clusters() const;
  std::vector<std::vector<std::uint64_t>> linked_terms() const;
  bool is_fresh(const Cluster& cluster, std::int64_t second) const;
  bool is_part_of(const Cluster& cluster, const Topic& topic, std::int64_t second) const;
  bool comes_again(const Cluster& cluster, std::int64_t second);
  void begin(Topic& topic, const Cluster& cluster, std::int64_t second);
  void end(std::size_t place, std::int64_t second);
  bool joins_open_topic(const Cluster& cluster, std::int64_t second);
  static void note_cascade(Topic& topic, std::uint64_t cascade);
  void open(const Cluster& cluster, std::int64_t second);
  std::string name_of(const Cluster& cluster) const;
  Change change(const Topic& topic, ChangePhase phase, std::int64_t at) const;

  const EmergentOptions options_;
  TermCounts counts_, slow_counts_;
  RecentPairs topic_authors_;
  std::int64_t slice_ = INT64_MIN, slow_slice_ = INT64_MIN;
  std::int64_t looked_at_ = INT64_MIN;
  bool grown_ = false;  // posts_ since it was looked through
  std::map<std::uint64_t, Term> terms_;
  std::deque<HotPost> posts_;
  std::vector<Topic> topics_;  // open ones; at most topics_max
  std::vector<Topic> ended_;   // by their end, for again_seconds; at most topics_max, the newest
  std::uint64_t serial_ = 0;
  std::uint64_t refused_ = 0, refused_terms_ = 0;

  // Scratch of add().
  std::string cleaned_;
  FoldedText folded_;
  std::vector<Found> found_;
  std::vector<std::pair<std::uint64_t, std::string_view>> candidates_;
  std::vector<Established> established_;
  std::vector<Pair> pairs_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "infer/scores.h"
#include "ingest/post.h"
#include "query/topic_tree.h"

namespace tidewatch {

// A post as it lies on disk. Labels are text, so that a model swap cannot shift them.
struct StoredPost {
  Sequence sequence;
  Post post;
  std::string emotion;            // "unknown": never classified
  std::string topic;              // "unknown": never classified
  float emotion_probability = 0;  // of `emotion`, to 1/65535; 0 when never classified
  float topic_probability = 0;
  std::uint64_t text_hash = 0;  // as in ScoredPost
};

inline constexpr std::size_t kPostQueryLimitMax = 1'000;

// What topic: and emotion: of a query may name, and which emotions are negative.
struct SearchNames {
  TopicTree tree;
  LabelSchema labels;
};

// What to look for. Every part given must hold. Newest first, in the order of acceptance.
//   q: the language of rules (query/query.h, docs/rules.md); blanks alone: everything.
//   topic, emotion: a label, or with `names` also what a rule may name ("negative", a group).
//   region: compared as places; "unknown" also finds posts without one, a province its cities.
struct PostQuery {
  std::string q{};
  std::optional<std::string> topic{};
  std::optional<std::string> emotion{};
  std::optional<std::string> region{};
  std::optional<std::string> author{};  // as it stands; empty: posts without one
  std::optional<std::string> source{};
  std::optional<EventTime> since{};  // the post's time, inclusive
  std::optional<EventTime> until{};  // the post's time, exclusive
  std::size_t limit = 50;            // 1 to kPostQueryLimitMax
  Sequence before{};                 // only older ones; 0: from the newest
  // Null: a name means the label of that name, and no emotion is negative.
  std::shared_ptr<const SearchNames> names{};
};

struct PostPage {
  std::vector<StoredPost> posts;  // largest sequence first
  std::optional<Sequence> next;   // the `before` of the next page; nothing: no more
  // False: the time limit was reached before the page was full; `next` goes on from there.
  bool complete = true;
  // No post that was looked at is older (event time, by blocks of posts).
  std::optional<EventTime> searched_from{};
  // Posts that are on disk but that this search could not look at, because the index is too far
  // behind (the newest posts are looked at directly, see StoreOptions::tail_scan_posts_max).
  std::uint64_t index_lag_posts = 0;
};

// How many posts a PostQuery finds, and which (its limit and before do not matter).
struct PostSummary {
  struct Bucket {
    EventTime time{};
    std::uint64_t posts = 0;
    std::uint64_t negative = 0;
  };
  using Facet = std::vector<std::pair<std::string, std::uint64_t>>;  // most first
  std::uint64_t posts = 0;
  bool exact = true;  // false: estimated from a sample spread over all of them
  EventTime from{};   // of the first bucket
  EventTime until{};  // end of the last
  std::chrono::seconds bucket{1};
  std::vector<Bucket> histogram;                      // every bucket, empty ones too
  Facet topics, regions, emotions, authors, sources;  // regions: provinces; at most kFacetMax
  std::uint64_t index_lag_posts = 0;
};
inline constexpr std::size_t kFacetMax = 50;  // authors: 10
inline constexpr std::size_t kSummaryBucketsMax = 1'000;

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "ingest/post.h"

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
inline constexpr std::size_t kSearchQueryBytesMax = 4'096;

// What to look for. Every part given must hold. Newest first, in the order of acceptance.
//   q: words separated by spaces must all occur; "…" is a phrase; -word must not occur. Anything
//      else is text: there is no such thing as a syntax error. Case and full-width forms do not
//      matter. #高考# and @张三 find the hashtag and the name; a Chinese word is found anywhere.
struct PostQuery {
  std::string q{};                       // at most kSearchQueryBytesMax bytes
  std::optional<std::string> topic{};    // label, as text
  std::optional<std::string> emotion{};  // label, as text
  std::optional<std::string> region{};   // as in the post; "unknown" also finds posts without
                                         // one, a province also those of its cities ("广东 深圳")
  std::optional<std::string> author{};
  std::optional<EventTime> since{};  // the post's time, inclusive
  std::optional<EventTime> until{};  // the post's time, exclusive
  std::size_t limit = 50;            // 1 to kPostQueryLimitMax
  Sequence before{};                 // only older ones; 0: from the newest
};

struct PostPage {
  std::vector<StoredPost> posts;  // largest sequence first
  std::optional<Sequence> next;   // the `before` of the next page; nothing: no more
  // Posts that are on disk but that this search could not look at, because the index is too far
  // behind (the newest posts are looked at directly, see StoreOptions::tail_scan_posts_max).
  std::uint64_t index_lag_posts = 0;
};

}  // namespace tidewatch

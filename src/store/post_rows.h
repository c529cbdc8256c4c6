// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "infer/scored_post.h"
#include "store/label_sets.h"
#include "store/sqlite.h"
#include "store/stored_post.h"

namespace tidewatch {

inline std::int64_t to_millis(EventTime time) { return time.time_since_epoch().count(); }
inline EventTime from_millis(std::int64_t millis) {
  return EventTime{std::chrono::milliseconds{millis}};
}

// Where an id stands in posts_by_id_key: the hash (XXH3) of what comes before the number at its
// end, plus that number. Ids that count up, as most feeds' do, stay neighbours, so that new ones
// land at one place of the index and touch few pages; any other id lands anywhere. Not unique ("7"
// and "07"): compare the id itself on a hit.
std::int64_t id_key(std::string_view id);

// Columns of a row, in the order that read_post_row expects.
inline constexpr std::string_view kPostColumns =
    "sequence, id, text, time, source, author, region, repost_of, url, likes, reposts, extra,"
    " label_set, emotion, topic, probabilities, text_hash";
inline constexpr std::string_view kInsertPost =
    "INSERT INTO posts(sequence, id, text, time, source, author, region, repost_of, url, likes,"
    " reposts, extra, label_set, emotion, topic, probabilities, text_hash, id_key)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

// Binds a post to kInsertPost. The post, and `scratch` (which receives the probabilities), must
// live until the statement is reset.
void bind_post_row(Statement& insert, std::int64_t sequence, const ScoredPost& scored,
                   const LabelSet& labels, std::int64_t key, std::string& scratch);

// Reads the row that a statement over kPostColumns stands on.
StoredPost read_post_row(const Statement& select, const LabelSets& label_sets);

}  // namespace tidewatch

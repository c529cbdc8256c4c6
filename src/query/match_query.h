// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "infer/scores.h"
#include "query/query.h"
#include "query/region.h"
#include "query/topic_tree.h"

namespace tidewatch {

// Only so much of a text is looked at.
inline constexpr std::size_t kQueryTextBytesMax = 8'192;

// Cuts valid UTF-8 to kQueryTextBytesMax, at a character.
std::string_view query_text(std::string_view text);

// What a query is asked about. Views: what they look at must outlive it.
struct QueryPost {
  std::string_view text;
  std::uint8_t topic = kNoLabel;    // as counted: of a bare repost, that of its cascade
  std::uint8_t emotion = kNoLabel;  // kNoLabel: `unknown`
  PostRegion region{};
  std::string_view source{};
  std::string_view author{};
};

// The bit of TopicTree's sets for a label.
inline std::uint64_t label_bit(std::uint8_t label, std::size_t num_labels) {
  return std::uint64_t{1} << (label < num_labels ? label : num_labels);
}

// Whether every topic: and emotion: of the query names something; else the first that does not.
Status check_names(const QueryNode& query, const TopicTree& tree, QueryError* detail = nullptr);

// Whether the value of a region: takes in a place: a province takes in its cities.
bool region_holds(const PostRegion& wanted, const PostRegion& place);

// Equal without regard to ASCII case: how source: and author: compare.
bool equal_name(std::string_view a, std::string_view b);

// Whether the units of the phrase stand at `at` of the text.
bool phrase_at(const FoldedText& phrase, const FoldedText& text, std::size_t at);
bool has_tags(const FoldedText& phrase, const FoldedText& text);

// Whether the phrase occurs, tags and units; where its units stand when it does (none: it does
// not).
bool phrase_occurs(const FoldedText& phrase, const FoldedText& text);
std::vector<std::size_t> phrase_places(const FoldedText& phrase, const FoldedText& text);

// Whether a kNear node holds.
bool near_holds(const QueryNode& near, const FoldedText& text);

// Asks one query about one post, straight from the tree: what matchers of many are compared with,
// and right for a single one. Slow: about 2 us for a word, a regular expression is compiled anew.
bool matches(const QueryNode& query, const QueryPost& post, const TopicTree& tree,
             const LabelSchema& labels);

}  // namespace tidewatch

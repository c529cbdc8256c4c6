// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "query/folded_text.h"

namespace tidewatch {

// The Boolean query language of user rules (and of search). docs/rules.md tells people about it.
//
//   query    = either { "OR" either }            either = each { [ "AND" ] each }
//   each     = { "NOT" | "-" } leaf              leaf   = "(" query ")" | text [ "NEAR/" n text ]
//   text     = word | "phrase"                           | /regex/ | field ":" leaf
//
// AND binds closer than OR; two things side by side are joined by AND. Operators are upper-case:
// `or` is a word. Full-width brackets, quotes, colons and minus signs count as the ASCII ones.
enum class QueryKind : std::uint8_t { kAnd, kOr, kNot, kPhrase, kNear, kRegex, kField };
enum class QueryField : std::uint8_t { kTopic, kRegion, kEmotion, kSource, kAuthor };

// One node of a parsed query. A plain value, owning its children.
//   kAnd, kOr: two children or more, none of its own kind.   kNot: one child.
//   kPhrase:   `phrase` has a unit at least. It holds when its units stand one after another in
//              the text (where nothing separates two of its units, nothing may in the text; where
//              something does, something may) and its #tags# and @names are tags of the text.
//   kNear:     two phrases, at most `distance` units (Chinese characters, words of letters)
//              between them, in either order, not overlapping.
//   kRegex:    `text` is RE2's syntax, without regard to case, on normalise_text() of the text.
//   kField:    `text` is the value as it was written.
struct QueryNode {
  QueryKind kind = QueryKind::kPhrase;
  QueryField field = QueryField::kTopic;
  std::uint32_t column = 0;  // where it stands in the query: characters from 1
  std::uint32_t distance = 0;
  std::string text;  // of a phrase: as it was written
  FoldedText phrase;
  std::vector<QueryNode> children;
};

// Why a query is not one, for people: what is wrong at which character, and what to write instead.
struct QueryError {
  std::uint32_t column = 0;  // characters from 1; the end counts as one more
  std::string reason;
  std::string remedy;
};

inline constexpr std::size_t kQueryBytesMax = 4'096;
inline constexpr std::size_t kQueryNodesMax = 256;
inline constexpr std::size_t kQueryDepthMax = 32;
inline constexpr std::size_t kQueryRegexBytesMax = 512;
inline constexpr std::uint32_t kQueryDistanceMax = 100;
inline constexpr std::uint32_t kQueryDistanceDefault = 10;  // NEAR without a number

// Parses a query: linear in its length, at most kQueryDepthMax deep, any bytes. kInvalidArgument:
// "column 9: …; …", and the same taken apart in `detail` when that is given.
Result<QueryNode> parse_query(std::string_view query, QueryError* detail = nullptr);

// Writes a query that parses to the same tree (but for columns).
std::string to_string(const QueryNode& query);

// "topic", "region", …
std::string_view field_name(QueryField field) noexcept;

// "column 9: reason; remedy".
std::string to_string(const QueryError& error);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "store/search_query.h"

namespace tidewatch {

// The part of a text around the first match, and what matched in it.
struct Snippet {
  std::string text;  // plain; "…" where something was left out, line ends as spaces
  // In UTF-16 code units of `text`, as browsers count: [begin, end), in order, not overlapping.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> highlights;
};

// Makes the snippets of one query. Words, phrases and both sides of NEAR are highlighted, not what
// stands under a NOT, nor matches of regular expressions. Threads: one at a time.
class SnippetMaker {
 public:
  static constexpr std::size_t kCharactersMax = 160;

  // kInvalidArgument as SearchQuery::parse().
  static Result<SnippetMaker> create(std::string_view q, const SearchNames* names);
  Snippet make(std::string_view text);

 private:
  explicit SnippetMaker(SearchQuery query) : query_(std::move(query)), phrases_(query_.phrases()) {}
  // Bytes [begin, end) of the text that matched, in order, joined where they touch.
  void find(std::string_view text);

  SearchQuery query_;
  std::vector<const FoldedText*> phrases_;
  FoldedText folded_;
  std::vector<UnitPlace> places_;
  std::vector<UnitPlace> found_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "query/folded_text.h"
#include "store/stored_post.h"

namespace tidewatch {

// A parsed search: clauses that must all hold. A clause holds when its units occur in the text one
// after another. Where the clause has nothing between two units (转发, iPhone手机), neither may the
// text; where it has a separator ("new york", foo-bar), the text may have one or none.
// Tags (#高考#, @张三) must occur as such.
struct SearchClause {
  FoldedText phrase;
  bool negative = false;
};

struct SearchQuery {
  std::vector<SearchClause> clauses;  // those with nothing to search for are left out
  bool given = false;                 // the query had more than spaces in it

  bool finds_nothing() const { return given && clauses.empty(); }  // only punctuation
};

// Parses what a person typed (see PostQuery). Never fails for its syntax: kInvalidArgument only
// when it is longer than kSearchQueryBytesMax.
Result<SearchQuery> parse_search_query(std::string_view q);

// Exact answer for one text; the index only narrows down which texts to ask this about.
bool matches(const SearchQuery& query, const FoldedText& text);

// What to ask the index: a text that matches holds every term of `all`, none of `none`.
struct IndexTerms {
  std::vector<std::string> all;
  std::vector<std::string> none;
};
inline constexpr std::size_t kIndexTermsMax = 64;  // further terms are left to matches()
IndexTerms index_terms(const SearchQuery& query);

// Writes the terms as an FTS5 expression. Precondition: at least one term in `all`.
std::string fts5_expression(const IndexTerms& terms);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "store/search_query.h"

#include <algorithm>

#include "query/match_query.h"

namespace tidewatch {
namespace {

constexpr std::string_view kIdeographicSpace = "\u3000";
constexpr std::string_view kQuotes[] = {"\"", "\u201C", "\u201D", "\uFF02"};
constexpr std::string_view kMinuses[] = {"-", "\uFF0D"};

// The size of whichever of `marks` begins `s`; 0: none does.
template <typename Marks>
std::size_t mark_at(std::string_view s, const Marks& marks) {
  for (const std::string_view mark : marks) {
    if (s.starts_with(mark)) return mark.size();
  }
  return 0;
}

std::size_t space_at(std::string_view s) {
  if (s.starts_with(kIdeographicSpace)) return kIdeographicSpace.size();
  return !s.empty() && (s[0] == ' ' || (s[0] >= '\t' && s[0] <= '\r')) ? 1 : 0;
}

void add_clause(std::string_view text, bool negative, SearchQuery& query) {
  SearchClause clause;
  clause.negative = negative;
  fold_text(text, clause.phrase);
  if (clause.phrase.units.empty() && clause.phrase.tags.empty()) return;
  query.clauses.push_back(std::move(clause));
}

bool occurs(const FoldedText& phrase, const FoldedText& text) {
  if (phrase.units.size() > text.units.size()) return false;
  for (std::size_t at = 0; at + phrase.units.size() <= text.units.size(); ++at) {
    if (phrase_at(phrase, text, at)) return true;
  }
  return false;
}

// An ideograph that stands in a bigram of the phrase need not be asked for alone.
std::vector<std::string> narrowest_terms(const FoldedText& phrase) {
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < phrase.units.size(); ++i) {
    if (is_bigram(phrase, i)) {
      terms.emplace_back(bigram(phrase, i));
    } else if (i == 0 || !is_bigram(phrase, i - 1)) {
      terms.emplace_back(phrase.unit(i));
    }
  }
  for (std::size_t i = 0; i < phrase.tags.size(); ++i) terms.emplace_back(phrase.tag(i));
  return terms;
}

}  // namespace

Result<SearchQuery> parse_search_query(std::string_view q) {
  if (q.size() > kSearchQueryBytesMax) {
    return Error{Code::kInvalidArgument, "q: " + std::to_string(q.size()) +
                                             " bytes is too long; search for at most " +
                                             std::to_string(kSearchQueryBytesMax) + " bytes"};
  }
  SearchQuery query;
  while (!q.empty()) {
    if (const std::size_t space = space_at(q); space > 0) {
      q.remove_prefix(space);
      continue;
    }
    query.given = true;
    bool negative = false;
    if (const std::size_t minus = mark_at(q, kMinuses);
        minus > 0 && q.size() > minus && space_at(q.substr(minus)) == 0) {
      negative = true;
      q.remove_prefix(minus);
    }
    const std::size_t quote = mark_at(q, kQuotes);
    q.remove_prefix(quote);
    std::size_t end = 0;
    while (end < q.size() && mark_at(q.substr(end), kQuotes) == 0 &&
           (quote > 0 || space_at(q.substr(end)) == 0)) {
      ++end;
    }
    add_clause(q.substr(0, end), negative, query);
    q.remove_prefix(end);
    if (quote > 0) q.remove_prefix(mark_at(q, kQuotes));
  }
  return query;
}

bool matches(const SearchQuery& query, const FoldedText& text) {
  return std::all_of(query.clauses.begin(), query.clauses.end(), [&](const SearchClause& clause) {
    const bool found = has_tags(clause.phrase, text) && occurs(clause.phrase, text);
    return found != clause.negative;
  });
}

IndexTerms index_terms(const SearchQuery& query) {
  IndexTerms terms;
  for (const SearchClause& clause : query.clauses) {
    std::vector<std::string> own = narrowest_terms(clause.phrase);
    if (clause.negative) {
      // Only a clause of one term is wrong wherever its term occurs.
      if (own.size() == 1 && terms.none.size() < kIndexTermsMax) {
        terms.none.push_back(std::move(own.front()));
      }
      continue;
    }
    for (std::string& term : own) terms.all.push_back(std::move(term));
  }
  std::sort(terms.all.begin(), terms.all.end());
  terms.all.erase(std::unique(terms.all.begin(), terms.all.end()), terms.all.end());
  if (terms.all.size() > kIndexTermsMax) terms.all.resize(kIndexTermsMax);
  return terms;
}

std::string fts5_expression(const IndexTerms& terms) {
  const auto quoted = [](const std::string& term) {
    std::string out = "\"";
    for (const char c : term) out += c == '"' ? std::string{"\"\""} : std::string{c};
    return out + "\"";
  };
  std::string expression = "(";
  for (const std::string& term : terms.all) {
    if (expression.size() > 1) expression += " AND ";
    expression += quoted(term);
  }
  expression += ")";
  for (const std::string& term : terms.none) expression += " NOT " + quoted(term);
  return expression;
}

}  // namespace tidewatch

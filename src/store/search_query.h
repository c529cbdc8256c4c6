// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <re2/re2.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/result.h"
#include "query/folded_text.h"
#include "query/query.h"
#include "query/region.h"
#include "store/stored_post.h"

namespace tidewatch {

// What a search is asked about. Views: what they look at must outlive it.
struct SearchPost {
  std::string_view text;
  std::string_view topic;  // labels; "unknown": never classified
  std::string_view emotion;
  PostRegion region;
  std::string_view source;
  std::string_view author;
};

// Two forms of one text, made when a query first needs them. Reuse one to spare allocations.
class SearchText {
 public:
  void set(std::string_view text);
  const FoldedText& folded();
  const std::string& normal();

 private:
  std::string_view text_;
  bool has_folded_ = false;
  bool has_normal_ = false;
  FoldedText folded_;
  std::string normal_;
};

// The labels that a name stands for: a group's or a set's members when there are names to look it
// up in, else the name itself.
std::vector<std::string> labels_of(QueryField field, const std::string& name,
                                   const SearchNames* names);

// A query of the rules' language (query/query.h) ready to be asked about stored posts: names of
// labels looked up, regular expressions compiled. The whole text is looked at.
// Threads: one at a time.
class SearchQuery {
 public:
  // kInvalidArgument: "q: column 9: …; …". A query of blanks alone asks for nothing: empty().
  static Result<SearchQuery> parse(std::string_view q, const SearchNames* names);

  bool empty() const { return root_ == nullptr; }
  // The exact answer for one post; the index only narrows down which to ask this about.
  bool matches(const SearchPost& post, SearchText& text) const;
  // An FTS5 expression that every matching post satisfies; nothing: any post may match.
  std::optional<std::string> index_expression() const;
  // The phrases that may be why a post matches: those under no NOT.
  std::vector<const FoldedText*> phrases() const;

 private:
  struct Leaf {
    std::unique_ptr<RE2> regex;       // kRegex
    std::vector<std::string> labels;  // topic:, emotion:
    PostRegion region;                // region:, views into the node
  };
  void prepare(const QueryNode& node, const SearchNames* names);
  bool ask(const QueryNode& node, const SearchPost& post, SearchText& text) const;
  bool ask_field(const QueryNode& node, const SearchPost& post) const;
  std::optional<std::string> narrow(const QueryNode& node) const;
  std::optional<std::string> exact(const QueryNode& node) const;
  std::string field_terms(const QueryNode& node) const;

  std::unique_ptr<const QueryNode> root_;
  std::unordered_map<const QueryNode*, Leaf> leaves_;
};

// An FTS5 string of one term.
std::string quoted_term(std::string_view term);
// "(a OR b)"; one alone stands for itself. Precondition: there is one.
std::string join_expressions(const std::vector<std::string>& expressions, const char* by);

}  // namespace tidewatch

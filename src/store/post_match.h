// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "store/label_sets.h"
#include "store/search_query.h"
#include "store/sqlite.h"
#include "store/stored_post.h"

namespace tidewatch {

// A PostQuery ready to be asked about rows over kPostColumns (post_rows.h). Threads: one at a time.
// Ownership: `query` and `label_sets` outlive it.
class PostMatch {
 public:
  static Result<PostMatch> create(const PostQuery& query, const LabelSets& label_sets);

  bool holds(const Statement& row);
  // See SearchQuery::index_expression(); filters included.
  const std::optional<std::string>& index_expression() const { return index_expression_; }

 private:
  PostMatch(const PostQuery& query, const LabelSets& label_sets, SearchQuery words)
      : query_(&query), label_sets_(&label_sets), words_(std::move(words)) {}
  void make_index_expression();

  const PostQuery* query_;
  const LabelSets* label_sets_;
  SearchQuery words_;
  SearchText text_;
  std::vector<std::string> topics_;
  std::vector<std::string> emotions_;
  PostRegion region_;
  std::optional<std::string> index_expression_;
};

// The label of a row over kPostColumns; "unknown": never classified.
std::string_view topic_of_row(const Statement& row, const LabelSets& label_sets);
std::string_view emotion_of_row(const Statement& row, const LabelSets& label_sets);

}  // namespace tidewatch

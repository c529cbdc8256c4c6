// SPDX-License-Identifier: Apache-2.0
#include "store/post_match.h"

#include <algorithm>

#include "query/match_query.h"
#include "store/post_rows.h"
#include "store/search_tokenizer.h"

namespace tidewatch {
namespace {

std::string_view label_at(const Statement& row, int column, const std::vector<std::string>* names) {
  const auto label = static_cast<std::size_t>(row.column_int(column));
  if (names == nullptr || row.column_is_null(column) || label >= names->size()) return "unknown";
  return (*names)[label];
}

bool among(const std::vector<std::string>& labels, std::string_view label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

std::string any_of_terms(char field, const std::vector<std::string>& values) {
  std::vector<std::string> terms;
  terms.reserve(values.size());
  for (const std::string& value : values) terms.push_back(quoted_term(field_term(field, value)));
  return join_expressions(terms, "OR");
}

}  // namespace

std::string_view topic_of_row(const Statement& row, const LabelSets& label_sets) {
  const LabelSet* set = label_sets.find(row.column_int(12));
  return label_at(row, 14, set == nullptr ? nullptr : &set->topics);
}

std::string_view emotion_of_row(const Statement& row, const LabelSets& label_sets) {
  const LabelSet* set = label_sets.find(row.column_int(12));
  return label_at(row, 13, set == nullptr ? nullptr : &set->emotions);
}

Result<PostMatch> PostMatch::create(const PostQuery& query, const LabelSets& label_sets) {
  const SearchNames* const names = query.names.get();
  TRY_ASSIGN(SearchQuery words, SearchQuery::parse(query.q, names));
  PostMatch match(query, label_sets, std::move(words));
  if (query.topic) match.topics_ = labels_of(QueryField::kTopic, *query.topic, names);
  if (query.emotion) match.emotions_ = labels_of(QueryField::kEmotion, *query.emotion, names);
  if (query.region) match.region_ = parse_region(*query.region);
  match.make_index_expression();
  return match;
}

void PostMatch::make_index_expression() {
  std::vector<std::string> parts;
  if (const auto words = words_.index_expression()) parts.push_back(*words);
  if (query_->author && !query_->author->empty()) {
    parts.push_back(quoted_term(field_term('a', lower_ascii(*query_->author))));
  }
  if (query_->source && !query_->source->empty()) {
    parts.push_back(quoted_term(field_term('s', lower_ascii(*query_->source))));
  }
  if (query_->region) {
    const bool said = !region_.province.empty();
    parts.push_back(quoted_term(field_term('r', said ? region_name(region_) : "unknown")));
  }
  if (query_->emotion) parts.push_back(any_of_terms('e', emotions_));
  if (query_->topic) parts.push_back(any_of_terms('t', topics_));
  if (!parts.empty()) index_expression_ = join_expressions(parts, "AND");
}

bool PostMatch::holds(const Statement& row) {
  const PostQuery& query = *query_;
  const std::int64_t time = row.column_int(3);
  if (query.since && time < to_millis(*query.since)) return false;
  if (query.until && time >= to_millis(*query.until)) return false;
  if (query.author && row.column_text(5) != *query.author) return false;
  if (query.source && !equal_name(row.column_text(4), *query.source)) return false;
  SearchPost post;
  post.region = parse_region(row.column_text(6));
  if (query.region &&
      !region_holds(region_.province.empty() ? PostRegion{"unknown", {}} : region_, post.region)) {
    return false;
  }
  post.topic = topic_of_row(row, *label_sets_);
  post.emotion = emotion_of_row(row, *label_sets_);
  if (query.emotion && !among(emotions_, post.emotion)) return false;
  if (query.topic && !among(topics_, post.topic)) return false;
  if (words_.empty()) return true;
  post.text = row.column_text(2);
  post.source = row.column_text(4);
  post.author = row.column_text(5);
  text_.set(post.text);
  return words_.matches(post, text_);
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "query/match_query.h"

#include <re2/re2.h>

#include <algorithm>
#include <vector>

#include "query/regex.h"

namespace tidewatch {
namespace {

unsigned char lower(char c) {
  return static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

struct Question {
  const QueryPost& post;
  const TopicTree& tree;
  const LabelSchema& labels;
  FoldedText folded{};
  std::string normal{};
};

bool ask_field(const QueryNode& node, const Question& q) {
  switch (node.field) {
    case QueryField::kTopic:
      return (q.tree.topics(node.text) & label_bit(q.post.topic, q.labels.topics.size())) != 0;
    case QueryField::kEmotion:
      return (q.tree.emotions(node.text) & label_bit(q.post.emotion, q.labels.emotions.size())) !=
             0;
    case QueryField::kRegion:
      return region_holds(parse_region(node.text), q.post.region);
    case QueryField::kSource:
      return equal_name(node.text, q.post.source);
    case QueryField::kAuthor:
      return equal_name(node.text, q.post.author);
  }
  return false;
}

bool ask(const QueryNode& node, const Question& q) {
  const auto ask_child = [&](const QueryNode& child) { return ask(child, q); };
  switch (node.kind) {
    case QueryKind::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), ask_child);
    case QueryKind::kOr:
      return std::any_of(node.children.begin(), node.children.end(), ask_child);
    case QueryKind::kNot:
      return !ask(node.children.front(), q);
    case QueryKind::kPhrase:
      return phrase_occurs(node.phrase, q.folded);
    case QueryKind::kNear:
      return near_holds(node, q.folded);
    case QueryKind::kRegex:
      return RE2::PartialMatch(q.normal, RE2(node.text, regex_options()));
    case QueryKind::kField:
      return ask_field(node, q);
  }
  return false;
}

}  // namespace

std::string_view query_text(std::string_view text) {
  if (text.size() <= kQueryTextBytesMax) return text;
  std::size_t end = kQueryTextBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

Status check_names(const QueryNode& query, const TopicTree& tree, QueryError* detail) {
  for (const QueryNode& child : query.children) TRY(check_names(child, tree, detail));
  if (query.kind != QueryKind::kField) return {};
  QueryError error;
  error.column = query.column;
  if (query.field == QueryField::kTopic && tree.topics(query.text) == 0) {
    error.reason = "'" + query.text + "' is no topic";
    error.remedy = "topics are " + tree.topic_names();
  } else if (query.field == QueryField::kEmotion && tree.emotions(query.text) == 0) {
    error.reason = "'" + query.text + "' is no emotion";
    error.remedy = "emotions are " + tree.emotion_names();
  } else {
    return {};
  }
  if (detail != nullptr) *detail = error;
  return Error{Code::kInvalidArgument, to_string(error)};
}

bool region_holds(const PostRegion& wanted, const PostRegion& place) {
  const std::string_view province = place.province.empty() ? "unknown" : place.province;
  return wanted.province == province && (wanted.city.empty() || wanted.city == place.city);
}

bool equal_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool phrase_at(const FoldedText& phrase, const FoldedText& text, std::size_t at) {
  for (std::size_t i = 0; i < phrase.units.size(); ++i) {
    if (phrase.unit(i) != text.unit(at + i)) return false;
    if (i > 0 && phrase.units[i].joined && !text.units[at + i].joined) return false;
  }
  return true;
}

bool has_tags(const FoldedText& phrase, const FoldedText& text) {
  for (std::size_t i = 0; i < phrase.tags.size(); ++i) {
    bool found = false;
    for (std::size_t j = 0; j < text.tags.size() && !found; ++j) {
      found = phrase.tag(i) == text.tag(j);
    }
    if (!found) return false;
  }
  return true;
}

bool phrase_occurs(const FoldedText& phrase, const FoldedText& text) {
  if (!has_tags(phrase, text)) return false;
  for (std::size_t at = 0; at + phrase.units.size() <= text.units.size(); ++at) {
    if (phrase_at(phrase, text, at)) return true;
  }
  return false;
}

std::vector<std::size_t> phrase_places(const FoldedText& phrase, const FoldedText& text) {
  std::vector<std::size_t> found;
  if (!has_tags(phrase, text)) return found;
  for (std::size_t at = 0; at + phrase.units.size() <= text.units.size(); ++at) {
    if (phrase_at(phrase, text, at)) found.push_back(at);
  }
  return found;
}

bool near_holds(const QueryNode& near, const FoldedText& text) {
  const FoldedText& a = near.children[0].phrase;
  const FoldedText& b = near.children[1].phrase;
  const std::vector<std::size_t> places_b = phrase_places(b, text);
  for (const std::size_t at_a : phrase_places(a, text)) {
    for (const std::size_t at_b : places_b) {
      const std::size_t end_a = at_a + a.units.size();
      const std::size_t end_b = at_b + b.units.size();
      if (at_b >= end_a && at_b - end_a <= near.distance) return true;
      if (at_a >= end_b && at_a - end_b <= near.distance) return true;
    }
  }
  return false;
}

bool matches(const QueryNode& query, const QueryPost& post, const TopicTree& tree,
             const LabelSchema& labels) {
  Question question{post, tree, labels};
  fold_text(query_text(post.text), question.folded);
  normalise_text(query_text(post.text), question.normal);
  return ask(query, question);
}

}  // namespace tidewatch

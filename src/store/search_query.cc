// SPDX-License-Identifier: Apache-2.0
#include "store/search_query.h"

#include <algorithm>

#include "query/match_query.h"
#include "query/regex.h"
#include "store/search_tokenizer.h"

namespace tidewatch {
namespace {

constexpr std::size_t kPhraseTermsMax = 64;  // further ones are left to matches()

bool is_blank(std::string_view q) {
  constexpr std::string_view kIdeographicSpace = "\u3000";
  while (!q.empty()) {
    const bool wide = q.starts_with(kIdeographicSpace);
    if (!wide && q[0] != ' ' && !(q[0] >= '\t' && q[0] <= '\r')) return false;
    q.remove_prefix(wide ? kIdeographicSpace.size() : 1);
  }
  return true;
}

// An ideograph that stands in a bigram of the phrase need not be asked for alone.
std::vector<std::string> narrowest_terms(const FoldedText& phrase) {
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < phrase.units.size(); ++i) {
    if (is_bigram(phrase, i)) {
      terms.push_back(quoted_term(bigram(phrase, i)));
    } else if (i == 0 || !is_bigram(phrase, i - 1)) {
      terms.push_back(quoted_term(phrase.unit(i)));
    }
  }
  for (std::size_t i = 0; i < phrase.tags.size(); ++i) terms.push_back(quoted_term(phrase.tag(i)));
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  if (terms.size() > kPhraseTermsMax) terms.resize(kPhraseTermsMax);
  return terms;
}

bool among(const std::vector<std::string>& labels, std::string_view label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

void collect_phrases(const QueryNode& node, std::vector<const FoldedText*>& phrases) {
  if (node.kind == QueryKind::kNot) return;
  if (node.kind == QueryKind::kPhrase) phrases.push_back(&node.phrase);
  for (const QueryNode& child : node.children) collect_phrases(child, phrases);
}

}  // namespace

std::string quoted_term(std::string_view term) {
  std::string out = "\"";
  for (const char c : term) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  return out + "\"";
}

std::string join_expressions(const std::vector<std::string>& expressions, const char* by) {
  if (expressions.size() == 1) return expressions.front();
  std::string joined = "(";
  for (const std::string& expression : expressions) {
    if (joined.size() > 1) ((joined += ' ') += by) += ' ';
    joined += expression;
  }
  return joined + ")";
}

void SearchText::set(std::string_view text) {
  text_ = text;
  has_folded_ = has_normal_ = false;
}

const FoldedText& SearchText::folded() {
  if (!has_folded_) fold_text(text_, folded_);
  has_folded_ = true;
  return folded_;
}

const std::string& SearchText::normal() {
  if (!has_normal_) normalise_text(text_, normal_);
  has_normal_ = true;
  return normal_;
}

std::vector<std::string> labels_of(QueryField field, const std::string& name,
                                   const SearchNames* names) {
  if (names == nullptr) return {name};
  const bool topic = field == QueryField::kTopic;
  const std::uint64_t bits = topic ? names->tree.topics(name) : names->tree.emotions(name);
  const std::vector<std::string>& labels = topic ? names->labels.topics : names->labels.emotions;
  std::vector<std::string> found;
  for (std::size_t i = 0; i <= labels.size() && i < 64; ++i) {
    if ((bits >> i & 1) != 0) found.push_back(i < labels.size() ? labels[i] : "unknown");
  }
  if (found.empty()) found.push_back(name);
  return found;
}

Result<SearchQuery> SearchQuery::parse(std::string_view q, const SearchNames* names) {
  SearchQuery query;
  if (is_blank(q)) return query;
  const auto in_q = [](const Error& error) { return Error{error.code, "q: " + error.message}; };
  auto parsed = parse_query(q);
  if (!parsed.ok()) return in_q(parsed.error());
  if (names != nullptr) {
    if (const Status known = check_names(*parsed, names->tree); !known.ok()) {
      return in_q(known.error());
    }
  }
  query.root_ = std::make_unique<const QueryNode>(std::move(*parsed));
  query.prepare(*query.root_, names);
  return query;
}

void SearchQuery::prepare(const QueryNode& node, const SearchNames* names) {
  for (const QueryNode& child : node.children) prepare(child, names);
  if (node.kind == QueryKind::kRegex) {
    leaves_[&node].regex = std::make_unique<RE2>(node.text, regex_options());
  } else if (node.kind == QueryKind::kField) {
    Leaf& leaf = leaves_[&node];
    if (node.field == QueryField::kTopic || node.field == QueryField::kEmotion) {
      leaf.labels = labels_of(node.field, node.text, names);
    } else if (node.field == QueryField::kRegion) {
      leaf.region = parse_region(node.text);
    }
  }
}

bool SearchQuery::matches(const SearchPost& post, SearchText& text) const {
  return root_ == nullptr || ask(*root_, post, text);
}

bool SearchQuery::ask(const QueryNode& node, const SearchPost& post, SearchText& text) const {
  const auto ask_child = [&](const QueryNode& child) { return ask(child, post, text); };
  switch (node.kind) {
    case QueryKind::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), ask_child);
    case QueryKind::kOr:
      return std::any_of(node.children.begin(), node.children.end(), ask_child);
    case QueryKind::kNot:
      return !ask(node.children.front(), post, text);
    case QueryKind::kPhrase:
      return phrase_occurs(node.phrase, text.folded());
    case QueryKind::kNear:
      return near_holds(node, text.folded());
    case QueryKind::kRegex:
      return RE2::PartialMatch(text.normal(), *leaves_.at(&node).regex);
    case QueryKind::kField:
      return ask_field(node, post);
  }
  return false;
}

bool SearchQuery::ask_field(const QueryNode& node, const SearchPost& post) const {
  switch (node.field) {
    case QueryField::kTopic:
      return among(leaves_.at(&node).labels, post.topic);
    case QueryField::kEmotion:
      return among(leaves_.at(&node).labels, post.emotion);
    case QueryField::kRegion:
      return region_holds(leaves_.at(&node).region, post.region);
    case QueryField::kSource:
      return equal_name(node.text, post.source);
    case QueryField::kAuthor:
      return equal_name(node.text, post.author);
  }
  return false;
}

std::optional<std::string> SearchQuery::index_expression() const {
  if (root_ == nullptr) return std::nullopt;
  return narrow(*root_);
}

std::vector<const FoldedText*> SearchQuery::phrases() const {
  std::vector<const FoldedText*> found;
  if (root_ != nullptr) collect_phrases(*root_, found);
  return found;
}

// What a post holds where the node may; nothing: that cannot be said.
std::optional<std::string> SearchQuery::narrow(const QueryNode& node) const {
  switch (node.kind) {
    case QueryKind::kPhrase:
      return join_expressions(narrowest_terms(node.phrase), "AND");
    case QueryKind::kField:
      return field_terms(node);
    case QueryKind::kRegex:
    case QueryKind::kNot:
      return std::nullopt;
    case QueryKind::kOr:
    case QueryKind::kAnd:
    case QueryKind::kNear:
      break;
  }
  std::vector<std::string> parts;
  std::string without;
  for (const QueryNode& child : node.children) {
    const auto part = narrow(child);
    if (part) parts.push_back(*part);
    if (!part && node.kind == QueryKind::kOr) return std::nullopt;
    if (node.kind == QueryKind::kAnd && child.kind == QueryKind::kNot) {
      if (const auto wrong = exact(child.children.front())) without += " NOT " + *wrong;
    }
  }
  if (parts.empty()) return std::nullopt;
  const std::string all = join_expressions(parts, node.kind == QueryKind::kOr ? "OR" : "AND");
  return without.empty() ? all : "(" + all + without + ")";
}

// What a post holds exactly where the node does, so that it may be excluded; nothing: there is no
// such thing.
std::optional<std::string> SearchQuery::exact(const QueryNode& node) const {
  if (node.kind == QueryKind::kField &&
      (node.field == QueryField::kTopic || node.field == QueryField::kEmotion)) {
    return field_terms(node);
  }
  if (node.kind == QueryKind::kPhrase && node.phrase.tags.empty()) {
    const std::size_t units = node.phrase.units.size();
    if (units == 1 || (units == 2 && is_bigram(node.phrase, 0))) {
      return narrowest_terms(node.phrase).front();
    }
  }
  if (node.kind == QueryKind::kOr) {
    std::vector<std::string> parts;
    for (const QueryNode& child : node.children) {
      const auto part = exact(child);
      if (!part) return std::nullopt;
      parts.push_back(*part);
    }
    return join_expressions(parts, "OR");
  }
  return std::nullopt;
}

std::string SearchQuery::field_terms(const QueryNode& node) const {
  std::vector<std::string> terms;
  switch (node.field) {
    case QueryField::kTopic:
    case QueryField::kEmotion: {
      const char field = node.field == QueryField::kTopic ? 't' : 'e';
      for (const std::string& label : leaves_.at(&node).labels) {
        terms.push_back(quoted_term(field_term(field, label)));
      }
      break;
    }
    case QueryField::kRegion: {
      const PostRegion& region = leaves_.at(&node).region;
      const bool said = !region.province.empty();
      terms.push_back(quoted_term(field_term('r', said ? region_name(region) : "unknown")));
      break;
    }
    case QueryField::kSource:
      terms.push_back(quoted_term(field_term('s', lower_ascii(node.text))));
      break;
    case QueryField::kAuthor:
      terms.push_back(quoted_term(field_term('a', lower_ascii(node.text))));
      break;
  }
  return join_expressions(terms, "OR");
}

}  // namespace tidewatch

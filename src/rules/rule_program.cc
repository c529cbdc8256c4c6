// SPDX-License-Identifier: Apache-2.0
#include "rules/rule_program.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace tidewatch {
namespace {

using Trigger = RuleProgram::Trigger;
using Triggers = RuleProgram::Triggers;

// Guesses at the share of posts that something is found in: they only choose between triggers.
double phrase_cost(const FoldedText& phrase) {
  double cost = 1;
  for (const SearchUnit& unit : phrase.units) {
    cost *= unit.kind == UnitKind::kIdeograph ? 0.05 : unit.kind == UnitKind::kWord ? 0.01 : 0.02;
  }
  return std::max(cost, 1e-9);
}

Triggers one(double cost, Trigger trigger) {
  Triggers triggers;
  triggers.cost = cost;
  triggers.any.push_back(std::move(trigger));
  return triggers;
}

Triggers field_triggers(QueryField field, std::uint64_t labels, const std::string& text) {
  switch (field) {
    case QueryField::kTopic:
      return one(0.07 * std::popcount(labels), {Trigger::Kind::kTopics, labels, {}});
    case QueryField::kEmotion:
      return one(0.2 * std::popcount(labels), {Trigger::Kind::kEmotions, labels, {}});
    case QueryField::kRegion: {
      const PostRegion region = parse_region(text);
      return one(region.city.empty() ? 0.05 : 0.04,
                 {Trigger::Kind::kRegion, 0, std::string{region.province}});
    }
    case QueryField::kSource:
      return one(0.1, {Trigger::Kind::kSource, 0, lower_name(text)});
    case QueryField::kAuthor:
      return one(0.0001, {Trigger::Kind::kAuthor, 0, lower_name(text)});
  }
  return {.always = true, .cost = 1, .any = {}};
}

}  // namespace

std::string lower_name(std::string_view name) {
  std::string out{name};
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

RuleProgram::RuleProgram(const QueryNode& query, const TopicTree& tree, PhraseFinder& phrases,
                         RegexFilter& regexes)
    : triggers_(add(query, tree, phrases, regexes)) {
  if (triggers_.cost >= 1) triggers_.always = true;
}

// Appends the node and its children; gives its triggers.
Triggers RuleProgram::add(const QueryNode& query, const TopicTree& tree, PhraseFinder& phrases,
                          RegexFilter& regexes) {
  const std::size_t at = nodes_.size();
  nodes_.push_back({.kind = query.kind,
                    .field = query.field,
                    .distance = query.distance,
                    .id = 0,
                    .second = 0,
                    .end = 0,
                    .text = query.text,
                    .city = {}});
  Triggers triggers;
  switch (query.kind) {
    case QueryKind::kPhrase:
      nodes_[at].id = phrases.add(query.phrase);
      triggers = one(phrase_cost(query.phrase), {Trigger::Kind::kPhrase, nodes_[at].id, {}});
      break;
    case QueryKind::kNear: {
      const FoldedText& a = query.children[0].phrase;
      const FoldedText& b = query.children[1].phrase;
      nodes_[at].id = phrases.add(a);
      nodes_[at].second = phrases.add(b);
      const bool first = phrase_cost(a) <= phrase_cost(b);
      triggers = one(phrase_cost(first ? a : b),
                     {Trigger::Kind::kPhrase, first ? nodes_[at].id : nodes_[at].second, {}});
      break;
    }
    case QueryKind::kRegex:
      nodes_[at].id = regexes.add(query.text);
      triggers = one(0.5, {Trigger::Kind::kRegex, nodes_[at].id, {}});
      break;
    case QueryKind::kField:
      if (query.field == QueryField::kTopic) nodes_[at].id = tree.topics(query.text);
      if (query.field == QueryField::kEmotion) nodes_[at].id = tree.emotions(query.text);
      if (query.field == QueryField::kRegion) {
        const PostRegion region = parse_region(query.text);
        nodes_[at].text = region.province;
        nodes_[at].city = region.city;
      }
      triggers = field_triggers(query.field, nodes_[at].id, query.text);
      break;
    case QueryKind::kNot:
      add(query.children.front(), tree, phrases, regexes);
      triggers.always = true;
      break;
    case QueryKind::kAnd:
      triggers.always = true;
      for (const QueryNode& child : query.children) {
        Triggers own = add(child, tree, phrases, regexes);
        if (!own.always && (triggers.always || own.cost < triggers.cost)) triggers = std::move(own);
      }
      break;
    case QueryKind::kOr:
      triggers.cost = 0;
      for (const QueryNode& child : query.children) {
        Triggers own = add(child, tree, phrases, regexes);
        triggers.always = triggers.always || own.always;
        triggers.cost += own.cost;
        std::move(own.any.begin(), own.any.end(), std::back_inserter(triggers.any));
      }
      break;
  }
  nodes_[at].end = static_cast<std::uint32_t>(nodes_.size());
  return triggers;
}

bool RuleProgram::holds(const RuleFacts& facts, const PhraseFinder& phrases) const {
  return ask(0, facts, phrases);
}

bool RuleProgram::ask(std::size_t at, const RuleFacts& facts, const PhraseFinder& phrases) const {
  const Node& node = nodes_[at];
  switch (node.kind) {
    case QueryKind::kAnd:
      for (std::size_t child = at + 1; child < node.end; child = nodes_[child].end) {
        if (!ask(child, facts, phrases)) return false;
      }
      return true;
    case QueryKind::kOr:
      for (std::size_t child = at + 1; child < node.end; child = nodes_[child].end) {
        if (ask(child, facts, phrases)) return true;
      }
      return false;
    case QueryKind::kNot:
      return !ask(at + 1, facts, phrases);
    case QueryKind::kPhrase:
      return facts.phrase_marks[node.id] == facts.epoch;
    case QueryKind::kRegex:
      return facts.regex_marks[node.id] == facts.epoch;
    case QueryKind::kNear:
      return facts.phrase_marks[node.id] == facts.epoch &&
             facts.phrase_marks[node.second] == facts.epoch && ask_near(node, facts, phrases);
    case QueryKind::kField:
      return ask_field(node, facts);
  }
  return false;
}

bool RuleProgram::ask_field(const Node& node, const RuleFacts& facts) const {
  switch (node.field) {
    case QueryField::kTopic:
      return (node.id & facts.topic_bit) != 0;
    case QueryField::kEmotion:
      return (node.id & facts.emotion_bit) != 0;
    case QueryField::kRegion:
      return region_holds({node.text, node.city}, facts.post.region);
    case QueryField::kSource:
      return equal_name(node.text, facts.post.source);
    case QueryField::kAuthor:
      return equal_name(node.text, facts.post.author);
  }
  return false;
}

bool RuleProgram::ask_near(const Node& node, const RuleFacts& facts, const PhraseFinder& phrases) {
  const std::size_t size_a = phrases.phrase(static_cast<std::uint32_t>(node.id)).units.size();
  const std::size_t size_b = phrases.phrase(static_cast<std::uint32_t>(node.second)).units.size();
  for (const RuleFacts::Hit& a : facts.hits) {
    if (a.phrase != node.id) continue;
    for (const RuleFacts::Hit& b : facts.hits) {
      if (b.phrase != node.second) continue;
      const std::size_t end_a = a.begin + size_a;
      const std::size_t end_b = b.begin + size_b;
      if (b.begin >= end_a && b.begin - end_a <= node.distance) return true;
      if (a.begin >= end_b && a.begin - end_b <= node.distance) return true;
    }
  }
  return false;
}

}  // namespace tidewatch

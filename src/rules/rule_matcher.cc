// SPDX-License-Identifier: Apache-2.0
#include "rules/rule_matcher.h"

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_map>
#include <utility>

#include "rules/phrase_finder.h"
#include "rules/regex_filter.h"
#include "rules/rule_program.h"

namespace tidewatch {
namespace {

using RuleList = std::vector<std::uint32_t>;
using Trigger = RuleProgram::Trigger;

Status refuse(const Rule& rule, const std::string& why) {
  return Error{Code::kInvalidArgument, "rule '" + rule.name + "': " + why};
}

void for_each_regex(const QueryNode& query, const std::function<void(const QueryNode&)>& visit) {
  if (query.kind == QueryKind::kRegex) visit(query);
  for (const QueryNode& child : query.children) for_each_regex(child, visit);
}

// For which emotions (bits, as of TopicTree) a query can hold, and for which it always does.
struct EmotionBounds {
  std::uint64_t can = ~std::uint64_t{0};
  std::uint64_t must = 0;
};

EmotionBounds emotion_bounds(const QueryNode& query, const TopicTree& tree) {
  EmotionBounds bounds;
  switch (query.kind) {
    case QueryKind::kField:
      if (query.field == QueryField::kEmotion) {
        bounds.can = bounds.must = tree.emotions(query.text);
      }
      return bounds;
    case QueryKind::kNot: {
      const EmotionBounds child = emotion_bounds(query.children.front(), tree);
      return {~child.must, ~child.can};
    }
    case QueryKind::kAnd:
      bounds.must = ~std::uint64_t{0};
      for (const QueryNode& child : query.children) {
        const EmotionBounds one = emotion_bounds(child, tree);
        bounds.can &= one.can;
        bounds.must &= one.must;
      }
      return bounds;
    case QueryKind::kOr:
      bounds.can = 0;
      for (const QueryNode& child : query.children) {
        const EmotionBounds one = emotion_bounds(child, tree);
        bounds.can |= one.can;
        bounds.must |= one.must;
      }
      return bounds;
    case QueryKind::kPhrase:
    case QueryKind::kNear:
    case QueryKind::kRegex:
      break;
  }
  return bounds;
}

// Whether all posts for which it can hold are negative, or none is.
bool negative_is_fixed(const QueryNode& query, const TopicTree& tree, const LabelSchema& labels) {
  std::uint64_t negative = 0;
  for (std::size_t i = 0; i < labels.emotions.size(); ++i) {
    if (labels.is_negative(static_cast<std::uint8_t>(i))) negative |= std::uint64_t{1} << i;
  }
  const std::uint64_t known = (std::uint64_t{2} << labels.emotions.size()) - 1;  // and `unknown`
  const std::uint64_t can = emotion_bounds(query, tree).can & known;
  return (can & negative) == 0 || (can & ~negative) == 0;
}

}  // namespace

struct RuleMatcher::Scratch::State {
  RuleFacts facts;
  FoldedText folded;
  std::string normal;
  std::vector<int> pieces, regexes;
  std::vector<std::uint64_t> rule_marks;
  std::string name;
};

RuleMatcher::Scratch::Scratch() : state_(std::make_unique<State>()) {}
RuleMatcher::Scratch::~Scratch() = default;

class RuleMatcher::Impl {
 public:
  explicit Impl(const LabelSchema& labels)
      : num_topics_(labels.topics.size()), num_emotions_(labels.emotions.size()) {}

  void add(const QueryNode& query, const TopicTree& tree) {
    const auto rule = static_cast<std::uint32_t>(programs_.size());
    programs_.emplace_back(query, tree, phrases_, regexes_);
    by_phrase_.resize(phrases_.size());
    by_regex_.resize(regexes_.size());
    const RuleProgram::Triggers& triggers = programs_.back().triggers();
    if (triggers.always) {
      always_.push_back(rule);
      return;
    }
    for (const Trigger& trigger : triggers.any) list_of(trigger, rule);
  }

  void build() {
    phrases_.build();
    regexes_.build();
  }

  void match(const QueryPost& post, Scratch::State& scratch,
             std::vector<std::uint32_t>& found) const {
    found.clear();
    look_through(post, scratch);
    const auto consider = [&](const RuleList& rules) {
      for (const std::uint32_t rule : rules) {
        if (scratch.rule_marks[rule] == scratch.facts.epoch) continue;
        scratch.rule_marks[rule] = scratch.facts.epoch;
        if (programs_[rule].holds(scratch.facts, phrases_)) found.push_back(rule);
      }
    };
    consider(always_);
    for (const RuleFacts::Hit& hit : scratch.facts.hits) consider(by_phrase_[hit.phrase]);
    for (const int regex : scratch.regexes) consider(by_regex_[static_cast<std::size_t>(regex)]);
    consider(by_topic_[label_place(post.topic, num_topics_)]);
    consider(by_emotion_[label_place(post.emotion, num_emotions_)]);
    const auto consider_name = [&](const auto& lists, std::string_view name) {
      if (lists.empty()) return;
      scratch.name = lower_name(name);
      if (const auto list = lists.find(scratch.name); list != lists.end()) consider(list->second);
    };
    const std::string_view province = post.region.province;
    if (!by_province_.empty()) {
      scratch.name = province.empty() ? "unknown" : province;
      const auto list = by_province_.find(scratch.name);
      if (list != by_province_.end()) consider(list->second);
    }
    consider_name(by_source_, post.source);
    consider_name(by_author_, post.author);
    std::sort(found.begin(), found.end());
  }

  std::size_t memory_bytes() const {
    std::size_t bytes = phrases_.memory_bytes() + regexes_.size() * 4'096;
    for (const RuleProgram& program : programs_) bytes += program.memory_bytes();
    for (const auto* lists : {&by_phrase_, &by_regex_}) {
      for (const RuleList& list : *lists) bytes += sizeof(list) + list.capacity() * 4;
    }
    return bytes;
  }

 private:
  using NamedLists = std::unordered_map<std::string, RuleList>;

  static std::size_t label_place(std::uint8_t label, std::size_t num_labels) {
    return label < num_labels ? label : num_labels;
  }

  void list_of(const Trigger& trigger, std::uint32_t rule) {
    const auto put = [rule](RuleList& list) {
      if (list.empty() || list.back() != rule) list.push_back(rule);
    };
    const auto put_bits = [&](auto& lists) {
      for (std::size_t bit = 0; bit < lists.size(); ++bit) {
        if ((trigger.id >> bit & 1) != 0) put(lists[bit]);
      }
    };
    switch (trigger.kind) {
      case Trigger::Kind::kPhrase:
        return put(by_phrase_[trigger.id]);
      case Trigger::Kind::kRegex:
        return put(by_regex_[trigger.id]);
      case Trigger::Kind::kTopics:
        return put_bits(by_topic_);
      case Trigger::Kind::kEmotions:
        return put_bits(by_emotion_);
      case Trigger::Kind::kRegion:
        return put(by_province_[trigger.value]);
      case Trigger::Kind::kSource:
        return put(by_source_[trigger.value]);
      case Trigger::Kind::kAuthor:
        return put(by_author_[trigger.value]);
    }
  }

  // Finds every phrase and expression of all rules in the post.
  void look_through(const QueryPost& post, Scratch::State& scratch) const {
    RuleFacts& facts = scratch.facts;
    if (facts.phrase_marks.size() != phrases_.size() ||
        facts.regex_marks.size() != regexes_.size() ||
        scratch.rule_marks.size() != programs_.size()) {
      facts.phrase_marks.assign(phrases_.size(), 0);
      facts.regex_marks.assign(regexes_.size(), 0);
      scratch.rule_marks.assign(programs_.size(), 0);
      facts.epoch = 0;
    }
    ++facts.epoch;
    facts.hits.clear();
    facts.post = post;
    facts.topic_bit = label_bit(post.topic, num_topics_);
    facts.emotion_bit = label_bit(post.emotion, num_emotions_);
    const std::string_view text = query_text(post.text);
    if (phrases_.size() > 0) {
      fold_text(text, scratch.folded);
      phrases_.find(scratch.folded, [&](PhraseFinder::PhraseId phrase, std::size_t begin) {
        facts.phrase_marks[phrase] = facts.epoch;
        facts.hits.push_back({phrase, static_cast<std::uint32_t>(begin)});
      });
    }
    scratch.regexes.clear();
    if (regexes_.size() > 0) {
      normalise_text(text, scratch.normal);
      regexes_.find(scratch.normal, scratch.pieces, scratch.regexes);
      for (const int regex : scratch.regexes) {
        facts.regex_marks[static_cast<std::size_t>(regex)] = facts.epoch;
      }
    }
  }

  const std::size_t num_topics_, num_emotions_;
  PhraseFinder phrases_;
  RegexFilter regexes_;
  std::vector<RuleProgram> programs_;  // by rule

  // Rules by their triggers, each list ascending.
  RuleList always_;
  std::vector<RuleList> by_phrase_, by_regex_;
  std::array<RuleList, 64> by_topic_, by_emotion_;
  NamedLists by_province_, by_source_, by_author_;
};

RuleMatcher::RuleMatcher(std::vector<Rule> rules, std::vector<bool> fixes_negative,
                         std::unique_ptr<Impl> impl)
    : rules_(std::move(rules)),
      fixes_negative_(std::move(fixes_negative)),
      impl_(std::move(impl)) {}
RuleMatcher::~RuleMatcher() = default;

Result<std::shared_ptr<const RuleMatcher>> RuleMatcher::create(std::vector<Rule> rules,
                                                               const TopicTree& tree,
                                                               const LabelSchema& labels) {
  std::erase_if(rules, [](const Rule& rule) { return !rule.enabled; });
  std::sort(rules.begin(), rules.end(),
            [](const Rule& a, const Rule& b) { return a.name < b.name; });
  if (rules.size() > kRulesMax) {
    return Error{Code::kResourceExhausted, std::to_string(rules.size()) +
                                               " rules are too many; at most " +
                                               std::to_string(kRulesMax) + " are watched at once"};
  }
  auto impl = std::make_unique<Impl>(labels);
  std::vector<bool> fixes_negative;
  std::size_t without_word = 0;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    if (i > 0 && rules[i - 1].name == rule.name) {
      TRY(refuse(rule, "is there twice; give each its own name"));
    }
    if (const Status checked = check_rule(rule); !checked) {
      TRY(refuse(rule, checked.error().message));
    }
    const auto query = parse_query(rule.query);
    if (!query) TRY(refuse(rule, query.error().message));
    if (const Status names = check_names(*query, tree); !names) {
      TRY(refuse(rule, names.error().message));
    }
    for_each_regex(
        *query, [&](const QueryNode& node) { without_word += !RegexFilter::has_piece(node.text); });
    if (without_word > kRegexesWithoutWordMax) {
      TRY(refuse(rule, "one regular expression too many without a word in it (" +
                           std::to_string(kRegexesWithoutWordMax) +
                           " may be): each is run on every post; put a fixed word into it"));
    }
    impl->add(*query, tree);
    fixes_negative.push_back(negative_is_fixed(*query, tree, labels));
  }
  impl->build();
  return std::shared_ptr<const RuleMatcher>(
      new RuleMatcher(std::move(rules), std::move(fixes_negative), std::move(impl)));
}

void RuleMatcher::match(const QueryPost& post, Scratch& scratch,
                        std::vector<std::uint32_t>& found) const {
  impl_->match(post, *scratch.state_, found);
}

std::size_t RuleMatcher::memory_bytes() const { return impl_->memory_bytes(); }

}  // namespace tidewatch

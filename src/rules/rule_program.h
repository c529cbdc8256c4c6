// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "query/match_query.h"
#include "rules/phrase_finder.h"
#include "rules/regex_filter.h"

namespace tidewatch {

// What was found in one post, for evaluating rules. Marks are numbers of the post (its epoch), so
// that nothing has to be cleared between posts.
struct RuleFacts {
  struct Hit {
    PhraseFinder::PhraseId phrase;
    std::uint32_t begin;
  };
  std::uint64_t epoch = 0;
  std::vector<std::uint64_t> phrase_marks, regex_marks;
  std::vector<Hit> hits;  // every occurrence of a phrase, by its end
  std::uint64_t topic_bit = 0, emotion_bit = 0;
  QueryPost post;
};

// A rule's tree with its phrases and expressions replaced by ids: what is left to do once the text
// was looked through. A plain value.
class RuleProgram {
 public:
  // Something of which one at least is found wherever the rule holds.
  struct Trigger {
    enum class Kind : std::uint8_t {
      kPhrase,
      kRegex,
      kTopics,
      kEmotions,
      kRegion,
      kSource,
      kAuthor
    };
    Kind kind;
    std::uint64_t id = 0;  // phrase, regex; set of topics or emotions
    std::string value;     // province, source, author (lower-cased)
  };
  struct Triggers {
    bool always = false;  // the rule may hold without any of them
    double cost = 1;      // guess at the share of posts that have one
    std::vector<Trigger> any;
  };

  RuleProgram(const QueryNode& query, const TopicTree& tree, PhraseFinder& phrases,
              RegexFilter& regexes);

  bool holds(const RuleFacts& facts, const PhraseFinder& phrases) const;
  const Triggers& triggers() const { return triggers_; }
  std::size_t memory_bytes() const {
    return sizeof(*this) + nodes_.capacity() * sizeof(Node) +
           triggers_.any.capacity() * sizeof(Trigger);
  }

 private:
  struct Node {
    QueryKind kind;
    QueryField field = QueryField::kTopic;
    std::uint32_t distance = 0;
    std::uint64_t id = 0;      // phrase, regex; set of topics or emotions; first phrase of kNear
    std::uint64_t second = 0;  // second phrase of kNear
    std::uint32_t end = 0;     // the node after this one's children, which follow it
    std::string text;          // source, author; region: its province
    std::string city;
  };

  Triggers add(const QueryNode& query, const TopicTree& tree, PhraseFinder& phrases,
               RegexFilter& regexes);
  bool ask(std::size_t at, const RuleFacts& facts, const PhraseFinder& phrases) const;
  bool ask_field(const Node& node, const RuleFacts& facts) const;
  static bool ask_near(const Node& node, const RuleFacts& facts, const PhraseFinder& phrases);

  std::vector<Node> nodes_;
  Triggers triggers_;
};

std::string lower_name(std::string_view name);  // ASCII letters

}  // namespace tidewatch

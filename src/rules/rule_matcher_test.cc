// SPDX-License-Identifier: Apache-2.0
#include "rules/rule_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace tidewatch {
namespace {

const LabelSchema kLabels{
    {"angry", "happy", "neutral"}, {true, false, false}, {"car", "finance", "house"}, 2};

const TopicTree& tree() {
  static const TopicTree made = *TopicTree::create(kLabels, {});
  return made;
}

std::shared_ptr<const RuleMatcher> matcher(std::vector<Rule> rules) {
  auto made = RuleMatcher::create(std::move(rules), tree(), kLabels);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return *made;
}

TEST(RuleMatcherTest, GivesNamesInOrder) {
  const auto rules = matcher({{"z", "退款", "", true},
                              {"a", "退款 OR 投诉", "", true},
                              {"off", "退款", "", false},
                              {"m", "NOT 退款", "", true}});
  ASSERT_EQ(rules->rules().size(), 3u);
  RuleMatcher::Scratch scratch;
  std::vector<std::uint32_t> found;
  rules->match({.text = "我要退款"}, scratch, found);
  EXPECT_EQ(found, (std::vector<std::uint32_t>{0, 2}));
  rules->match({.text = "你好"}, scratch, found);
  EXPECT_EQ(found, (std::vector<std::uint32_t>{1}));
}

TEST(RuleMatcherTest, KnowsWhatFixesTheNegativeShare) {
  const std::pair<const char*, bool> cases[] = {
      {"退款", false},
      {"emotion:negative", true},
      {"emotion:angry 退款", true},
      {"emotion:happy", true},
      {"-emotion:negative", true},
      {"NOT (退款 OR emotion:angry)", true},  // never angry
      {"emotion:angry OR emotion:happy", false},
      {"emotion:angry OR 退款", false},
      {"NOT (退款 emotion:angry)", false},
      {"(emotion:angry OR 投诉) (emotion:negative OR 退款)", false},
      {"(emotion:angry 投诉) OR (emotion:negative 退款)", true},
      {"emotion:unknown", true},
  };
  for (const auto& [query, fixed] : cases) {
    EXPECT_EQ(matcher({{"r", query, "", true}})->fixes_negative(0), fixed) << query;
  }
}

TEST(RuleMatcherTest, RefusesWithTheRulesName) {
  const std::pair<std::vector<Rule>, const char*> cases[] = {
      {{{"a", "(", "", true}}, "rule 'a': column 2: the query ends"},
      {{{"a", "topic:nothing", "", true}}, "rule 'a': column 7: 'nothing' is no topic"},
      {{{"a", "x", "", true}, {"a", "y", "", true}}, "rule 'a': is there twice"},
  };
  for (const auto& [rules, reason] : cases) {
    const auto made = RuleMatcher::create(rules, tree(), kLabels);
    ASSERT_FALSE(made) << reason;
    EXPECT_EQ(made.error().message.substr(0, std::string_view{reason}.size()), reason);
  }
}

TEST(RuleMatcherTest, BoundsExpressionsThatRunOnEveryPost) {
  std::vector<Rule> rules;
  for (std::size_t i = 0; i <= kRegexesWithoutWordMax; ++i) {
    rules.push_back({"r" + std::to_string(i), "/[0-9]{" + std::to_string(i + 1) + "}/", "", true});
  }
  EXPECT_FALSE(RuleMatcher::create(rules, tree(), kLabels));
  rules.pop_back();
  EXPECT_TRUE(RuleMatcher::create(rules, tree(), kLabels));
}

// Random rules over a small alphabet, so that everything overlaps, against the slow evaluator.
class RandomRules {
 public:
  explicit RandomRules(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }

  std::string text(std::size_t units_max) {
    static const char* const kPieces[] = {"退", "款", "投", "诉", "a", "b",  "iPhone", "12",
                                          "A",  "，", " ",  "#",  "@", "😀", "退款",   "ａ"};
    std::string out;
    for (std::size_t i = below(units_max) + 1; i > 0; --i) out += kPieces[below(16)];
    return out;
  }

  std::string query(int depth) {
    static const char* const kFields[] = {
        "topic:car",    "topic:economy", "emotion:negative", "region:广东",   "region:深圳",
        "source:weibo", "author:u1",     "region:unknown",   "topic:unknown", "emotion:happy"};
    static const char* const kRegexes[] = {"/退.{0,2}款/", "/[0-9]+/", "/iphone ?12/",
                                           "/^a/",         "/诉$/",    "/(退款|投诉)a/"};
    if (depth == 0 || below(4) == 0) {
      switch (below(5)) {
        case 0:
          return kFields[below(10)];
        case 1:
          return kRegexes[below(6)];
        case 2:
          return phrase() + " NEAR/" + std::to_string(below(4)) + " " + phrase();
        default:
          return phrase();
      }
    }
    switch (below(3)) {
      case 0:
        return "(" + query(depth - 1) + " " + query(depth - 1) + ")";
      case 1:
        return "(" + query(depth - 1) + " OR " + query(depth - 1) + ")";
      default:
        return "NOT (" + query(depth - 1) + ")";
    }
  }

 private:
  std::string phrase() {
    while (true) {
      std::string out = "\"" + text(3) + "\"";
      if (parse_query(out)) return out;
    }
  }

  std::mt19937 random_;
};

TEST(RuleMatcherTest, AgreesWithTheSlowEvaluator) {
  std::size_t held = 0;
  std::size_t asked = 0;
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    RandomRules random(seed);
    std::vector<Rule> rules;
    for (int i = 0; i < 60; ++i)
      rules.push_back({"r" + std::to_string(i), random.query(3), "", true});
    const auto fast = matcher(rules);
    std::vector<QueryNode> slow;
    for (const Rule& rule : fast->rules()) slow.push_back(*parse_query(rule.query));
    RuleMatcher::Scratch scratch;
    std::vector<std::uint32_t> found;
    for (int n = 0; n < 40; ++n) {
      const std::string text = random.text(12);
      static const PostRegion kRegions[] = {{}, {"广东", "深圳"}, {"广东", ""}, {"北京", ""}};
      const QueryPost post{.text = text,
                           .topic = static_cast<std::uint8_t>(random.below(5)),
                           .emotion = static_cast<std::uint8_t>(random.below(4)),
                           .region = kRegions[random.below(4)],
                           .source = random.below(2) == 0 ? "Weibo" : "",
                           .author = random.below(4) == 0 ? "u1" : "u2"};
      fast->match(post, scratch, found);
      std::vector<std::uint32_t> expected;
      for (std::uint32_t i = 0; i < slow.size(); ++i) {
        if (matches(slow[i], post, tree(), kLabels)) expected.push_back(i);
      }
      held += expected.size();
      asked += slow.size();
      ASSERT_EQ(found, expected) << "seed " << seed << ", text '" << text << "'";
    }
  }
  // Else it compares nothing with nothing.
  EXPECT_GT(held, asked / 10);
  EXPECT_LT(held, asked * 9 / 10);
}

}  // namespace
}  // namespace tidewatch

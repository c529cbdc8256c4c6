// SPDX-License-Identifier: Apache-2.0
#include "simulate/grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "simulate/embedded.h"
#include "simulate/topics.h"

namespace tidewatch {
namespace {

using ::testing::HasSubstr;

struct BadGrammar {
  const char* name;
  const char* text;
  const char* message;
};

class GrammarErrors : public ::testing::TestWithParam<BadGrammar> {};

TEST_P(GrammarErrors, SaysWhereAndWhat) {
  const auto grammar = Grammar::compile({{"g.txt", GetParam().text}});
  ASSERT_FALSE(grammar.ok());
  EXPECT_EQ(grammar.error().code, Code::kInvalidArgument);
  EXPECT_THAT(grammar.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, GrammarErrors,
    ::testing::Values(
        BadGrammar{"text_first", "hello\n= a\nb\n", "g.txt:1: text before"},
        BadGrammar{"unknown_symbol", "= a\n{b}\n", "g.txt:2: symbol 'b' is used but has no text"},
        BadGrammar{"empty_symbol", "= a\n= b\nx\n", "g.txt:1: symbol 'a' is used but has no text"},
        BadGrammar{"twice", "= a\nx\n= a\ny\n", "g.txt:3: symbol 'a' is defined twice"},
        BadGrammar{"cycle", "= a\n{b}\n= b\nx | {a}\n", "contains itself"},
        BadGrammar{"open_brace", "= a\n\n{b\n", "g.txt:3: '{' without '}'"},
        BadGrammar{"number", "= a\n{#9-2}\n", "{#least-most}"},
        BadGrammar{"percent", "= a\n{a?500}\n", "up to 100"},
        BadGrammar{"slot", "= a\n{@moon}\n", "no slot '@moon'"},
        BadGrammar{"bar", "= a\nx|y\n", "' | '"},
        BadGrammar{"no_name", "= a\n{}\n", "names no symbol"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Grammar, ExpandsReferencesNumbersAndSlots) {
  const auto grammar =
      Grammar::compile({{"g", "= a\n{b}-{#7-7}-{@city}{b?0}\n"}, {"h", "= b\nx\n"}});
  ASSERT_TRUE(grammar.ok()) << grammar.error().message;
  Random random(1);
  Expansion expansion(*grammar, random);
  expansion.set_slot(Slot::kCity, "杭州");
  std::string out = "> ";
  expansion.append(grammar->find("a"), out);
  EXPECT_EQ(out, "> x-7-杭州");
  EXPECT_EQ(grammar->find("nothing"), Grammar::kNone);
}

TEST(Grammar, KeepsAStickySymbolWithinAPostOnly) {
  const auto grammar = Grammar::compile({{"g", "= a!\n{#0-999999}\n= two\n{a},{a}\n"}});
  ASSERT_TRUE(grammar.ok());
  Random random(1);
  Expansion expansion(*grammar, random);
  std::set<std::string> seen;
  for (int i = 0; i < 50; ++i) {
    expansion.begin_post();
    std::string out;
    expansion.append(grammar->find("two"), out);
    const auto comma = out.find(',');
    EXPECT_EQ(out.substr(0, comma), out.substr(comma + 1));
    seen.insert(out);
  }
  EXPECT_GT(seen.size(), 45U);
}

TEST(Grammar, ChoosesByWeight) {
  const auto grammar = Grammar::compile({{"g", "= a\n9* x | y\n"}});
  ASSERT_TRUE(grammar.ok());
  Random random(7);
  Expansion expansion(*grammar, random);
  std::string out;
  for (int i = 0; i < 10'000; ++i) expansion.append(grammar->find("a"), out);
  EXPECT_NEAR(static_cast<double>(std::count(out.begin(), out.end(), 'x')), 9000, 150);
}

TEST(Grammar, AppendFreshRepeatsNothingWithinAPost) {
  const auto grammar = Grammar::compile({{"g", "= a\nx | y | z\n"}});
  ASSERT_TRUE(grammar.ok());
  Random random(3);
  Expansion expansion(*grammar, random);
  for (int post = 0; post < 100; ++post) {
    expansion.begin_post();
    std::string out;
    for (int i = 0; i < 6; ++i) {
      const std::size_t before = out.size();
      const bool appended = expansion.append_fresh(grammar->find("a"), out);
      EXPECT_EQ(out.size(), before + (appended ? 1 : 0));
    }
    const std::set<char> distinct(out.begin(), out.end());
    EXPECT_EQ(distinct.size(), out.size()) << out;
  }
}

TEST(BundledGrammar, CompilesAndHasWhatEveryPostNeeds) {
  const auto grammar = Grammar::compile(bundled_grammar());
  ASSERT_TRUE(grammar.ok()) << grammar.error().message;
  std::vector<std::string> prefixes = {"open",  "close", "joint",  "end",   "slang",       "emo",
                                       "emoji", "short", "repost", "event", "event.detail"};
  for (const auto topic : kSimulatedTopics) prefixes.emplace_back(topic);
  for (const std::string& prefix : prefixes) {
    for (const auto emotion : kSimulatedEmotions) {
      const std::string name = prefix + "." + std::string(emotion);
      EXPECT_NE(grammar->find(name), Grammar::kNone) << name;
    }
  }
  for (const auto topic : kSimulatedTopics) {
    EXPECT_NE(grammar->find("tag." + std::string(topic)), Grammar::kNone) << topic;
  }
  for (const char* name : {"mention", "link", "spam", "flood", "digest", "diary"}) {
    EXPECT_NE(grammar->find(name), Grammar::kNone) << name;
  }
}

}  // namespace
}  // namespace tidewatch

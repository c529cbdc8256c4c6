// SPDX-License-Identifier: Apache-2.0
#include "rules/rule.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

TEST(ParseRulesTest, ReadsAll) {
  const auto rules = parse_rules(R"(
[[rule]]
name = "退款潮"
query = '退款 OR "不退钱"'
description = "who wants money back"
[[rule]]
name = "南方"
topics = ["finance", "house"]
regions = ["广东", "广西"]
enabled = false
[[rule]]
name = "both"
query = 'a OR b'
sources = ["weibo"]
)",
                                 "rules.toml");
  ASSERT_TRUE(rules) << rules.error().message;
  ASSERT_EQ(rules->size(), 3u);
  EXPECT_EQ((*rules)[0], (Rule{"退款潮", "退款 OR \"不退钱\"", "who wants money back", true}));
  EXPECT_FALSE((*rules)[1].enabled);
  const auto south = parse_query((*rules)[1].query);
  ASSERT_TRUE(south);
  const std::string written = to_string(*south);
  EXPECT_NE(written.find(R"((topic:"finance" OR topic:"house"))"), std::string::npos) << written;
  EXPECT_NE(written.find(R"((region:"广东" OR region:"广西"))"), std::string::npos) << written;
  EXPECT_EQ(to_string(*parse_query((*rules)[2].query)), R"(("a" OR "b") AND source:"weibo")");
}

TEST(ParseRulesTest, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"[[rule]]\nname = 1", "r.toml, line 2: rule.name must be a string"},
      {"[[rule]]\nname = 'a'\nquery = 'a OR'", "line 1: rule 'a', query: column 5: "},
      {"[[rule]]\nname = 'a'", "rule 'a', query: column 1: the query is empty"},
      {"[[rule]]\nname = 'a/b'\nquery = 'a'", "rule 'a/b': name: must be"},
      {"[[rule]]\nquery = 'a'", "rule '': name: must be"},
      {"[[rule]]\nname = 'a'\nquery = 'a'\n[[rule]]\nname = 'a'\nquery = 'b'",
       "line 4: rule 'a' is there twice"},
      {"[[rule]]\nname = 'a'\nquery = 'a'\ntopics = []", "line 4: rule.topics must be a list"},
      {"[[rule]]\nname = 'a'\nquerry = 'a'", "line 3: rule.querry is not known"},
      {"[rule]\nname = 'a'", "rules are written as [[rule]]"},
      {"x = ", "r.toml, line 1: "},
  };
  for (const auto& [toml, reason] : cases) {
    const auto rules = parse_rules(toml, "r.toml");
    ASSERT_FALSE(rules) << toml;
    EXPECT_NE(rules.error().message.find(reason), std::string::npos) << rules.error().message;
  }
}

}  // namespace
}  // namespace tidewatch

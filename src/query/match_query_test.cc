// SPDX-License-Identifier: Apache-2.0
#include "query/match_query.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

const LabelSchema kLabels{
    {"angry", "happy", "neutral"}, {true, false, false}, {"car", "finance", "house", "sports"}, 2};

TopicTree tree(const std::vector<TopicTree::Group>& groups = {}) {
  auto made = TopicTree::create(kLabels, groups);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return *std::move(made);
}

bool asks(std::string_view query, const QueryPost& post) {
  const auto parsed = parse_query(query);
  EXPECT_TRUE(parsed.ok()) << query;
  return parsed && matches(*parsed, post, tree(), kLabels);
}

TEST(MatchQueryTest, Texts) {
  const struct {
    const char* query;
    const char* text;
    bool holds;
  } cases[] = {
      {"退款", "我要退款!", true},
      {"退款", "退 款", false},
      {"\"退 款\"", "退款", true},
      {"IPHONE", "买了ｉＰｈｏｎｅ手机", true},
      {"phone", "iPhone", false},
      {"iphone手机", "iPhone 手机", false},
      {"new-york", "New York", true},
      {"退款 投诉", "投诉无门,退款没有", true},
      {"退款 OR 投诉", "投诉", true},
      {"退款 -投诉", "退款,投诉", false},
      {"NOT 投诉", "你好", true},
      {"#高考#", "#高考#加油", true},
      {"#高考#", "高考", false},
      {"@张三", "回复@张三:好", true},
      {"退款 NEAR/2 投诉", "退款就去投诉", true},
      {"退款 NEAR/1 投诉", "退款就去投诉", false},
      {"投诉 NEAR/2 退款", "退款就去投诉", true},
      {"退款 NEAR/0 投诉", "退款投诉", true},
      {"退款 NEAR/5 款项", "退款项", false},  // they overlap
      {"/退[款货]\\d{2}/", "退货12", true},
      {"/APPLE ?id/", "我的Ａｐｐｌｅ ID", true},
      {"/^退款/", "我要退款", false},
      {"😀", "好😀", true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(asks(c.query, {.text = c.text}), c.holds) << c.query << " in " << c.text;
  }
}

TEST(MatchQueryTest, Fields) {
  const QueryPost post{.text = "涨价",
                       .topic = 1,
                       .emotion = 0,
                       .region = {"广东", "深圳"},
                       .source = "Weibo",
                       .author = "u1"};
  const std::pair<const char*, bool> cases[] = {
      {"topic:finance", true},    {"topic:财经", true},
      {"topic:economy", true},    {"topic:leisure", false},
      {"topic:unknown", false},   {"emotion:angry", true},
      {"emotion:negative", true}, {"emotion:负面", true},
      {"emotion:happy", false},   {"region:广东", true},
      {"region:广东省", true},    {"region:深圳", true},
      {"region:深圳市", true},    {"region:\"广东 广州\"", false},
      {"region:广西", false},     {"region:unknown", false},
      {"source:weibo", true},     {"source:wei", false},
      {"author:U1", true},        {"topic:(car OR finance) 涨价", true},
  };
  for (const auto& [query, holds] : cases) EXPECT_EQ(asks(query, post), holds) << query;
  EXPECT_TRUE(asks("region:unknown topic:unknown emotion:unknown", {.text = "x"}));
}

TEST(TopicTreeTest, GroupsNest) {
  const TopicTree nested = tree({{"money", {"finance", "homes"}}, {"homes", {"house"}}});
  EXPECT_EQ(nested.topics("Money"), nested.topics("finance") | nested.topics("house"));
  EXPECT_EQ(nested.topics("nothing"), 0u);
}

TEST(TopicTreeTest, RefusesWhatIsNoTree) {
  const std::pair<std::vector<TopicTree::Group>, const char*> cases[] = {
      {{{"a", {"b"}}, {"b", {"a"}}}, "holds itself"},
      {{{"a", {"nothing"}}}, "'nothing' is no topic"},
      {{{"car", {"finance"}}}, "is a topic of the models"},
      {{{"a", {}}}, "is empty"},
  };
  for (const auto& [groups, reason] : cases) {
    const auto made = TopicTree::create(kLabels, groups);
    ASSERT_FALSE(made) << reason;
    EXPECT_NE(made.error().message.find(reason), std::string::npos) << made.error().message;
  }
}

TEST(CheckNamesTest, NamesTheFirstUnknown) {
  QueryError error;
  EXPECT_TRUE(check_names(*parse_query("topic:car region:任何 source:x"), tree()));
  EXPECT_FALSE(check_names(*parse_query("a topic:nothing"), tree(), &error));
  EXPECT_EQ(error.column, 9u);
  EXPECT_NE(error.remedy.find("economy"), std::string::npos);
  EXPECT_FALSE(check_names(*parse_query("NOT emotion:joy"), tree(), &error));
  EXPECT_NE(error.remedy.find("negative"), std::string::npos);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "aggregate/terms.h"

#include <gtest/gtest.h>

#include "aggregate/aggregator.h"

namespace tidewatch {
namespace {

using Strings = std::vector<std::string>;

Strings hashtags(std::string_view text) {
  Strings tags;
  find_hashtags(text, tags);
  return tags;
}

TEST(HashtagTest, Finds) {
  std::string long_tag;
  for (std::size_t i = 0; i < kHashtagCodePointsMax; ++i) long_tag += "长";
  const struct {
    const char* name;
    std::string text;
    Strings tags;
  } cases[] = {
      {"none", "今天天气好", {}},
      {"one", "#高考#加油", {"高考"}},
      {"two", "a #高考# b #放假# c", {"高考", "放假"}},
      {"pairs, not what stands between", "#a#中间#b#", {"a", "b"}},
      {"full-width", "＃高考＃加油", {"高考"}},
      {"mixed widths", "#高考＃", {"高考"}},
      {"spaces trimmed", "# 高考　#", {"高考"}},
      {"lower-cased", "#iPhone#", {"iphone"}},
      {"repeated once", "#A# #a# #b#", {"a", "b"}},
      {"unpaired", "#高考 加油", {}},
      {"empty pair opens anew", "##高考#", {"高考"}},
      {"not over lines", "#高\n考#x#", {"x"}},
      {"longest", "#" + long_tag + "#", {long_tag}},
      {"too long opens anew", "#" + long_tag + "长#好#", {"好"}},
      {"at most four", "#1# #2# #3# #4# #5#", {"1", "2", "3", "4"}},
      {"other bytes EF", "ｆｕｌｌ ＃ｗ＃", {"ｗ"}},
      {"cut sign at the end", "#a\xEF\xBC", {}},
      {"beyond the scan bound", std::string(kTermScanBytes, 'x') + "#a#", {}},
  };
  for (const auto& c : cases) EXPECT_EQ(hashtags(c.text), c.tags) << c.name;
}

TEST(CutAtCharacterTest, NeverSplits) {
  EXPECT_EQ(cut_at_character("高考", 6), "高考");
  EXPECT_EQ(cut_at_character("高考", 5), "高");
  EXPECT_EQ(cut_at_character("高考", 3), "高");
  EXPECT_EQ(cut_at_character("高考", 2), "");
}

TEST(KeywordTest, Finds) {
  const KeywordMatcher matcher({"退款", "iPhone", "退货退款", "x", "款", "", "IPHONE"});
  ASSERT_EQ(matcher.keywords(), (Strings{"退款", "iphone", "退货退款", "x", "款"}));
  using Found = std::vector<std::uint32_t>;
  const std::pair<const char*, Found> cases[] = {
      {"没有", {}},
      {"我要退款", {0, 4}},
      {"退货退款", {2, 0, 4}},
      {"买了IPHONE和iphone", {1}},
      {"X", {3}},
      {"axb", {3}},
      {"", {}},
      {"退", {}},
  };
  for (const auto& [text, expected] : cases) {
    Found found;
    matcher.find(text, found);
    EXPECT_EQ(found, expected) << text;
  }
}

TEST(KeywordTest, KeepsItsBounds) {
  Strings many;
  for (int i = 0; i < 400; ++i) many.push_back("词" + std::to_string(i) + "号");
  many.push_back(std::string(kTermBytesMax + 1, 'y'));
  const KeywordMatcher matcher(many);
  EXPECT_EQ(matcher.keywords().size(), kKeywordsMax);
  std::string text;
  for (const std::string& keyword : matcher.keywords()) text += keyword;
  std::vector<std::uint32_t> found;
  matcher.find(text, found);
  EXPECT_EQ(found.size(), kKeywordsPerPostMax);
}

}  // namespace
}  // namespace tidewatch

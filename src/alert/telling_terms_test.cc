// SPDX-License-Identifier: Apache-2.0
#include "alert/telling_terms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace tidewatch {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> terms(const std::vector<std::string_view>& texts, std::size_t max = 8) {
  return telling_terms(texts, max);
}

TEST(TellingTerms, MergesPiecesIntoTheLongestOne) {
  const auto found =
      terms({"这家店食品安全太差了", "食品安全谁来管", "关注食品安全!", "又见食品安全,唉"});
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found.front(), "食品安全");
  for (const char* part : {"食品", "品安", "安全", "食品安", "品安全"}) {
    EXPECT_THAT(found, Not(Contains(part)));
  }
}

TEST(TellingTerms, KeepsAPieceThatAlsoStandsAlone) {
  const auto found =
      terms({"退款通道关闭", "退款通道打不开", "退款", "要求退款", "退款!", "何时退款"});
  EXPECT_EQ(found.front(), "退款");
}

TEST(TellingTerms, HashtagsComeFirstAndCountOnce) {
  const auto found =
      terms({"#高考# 加油", "#高考#高考作文好难", "作文题目 #高考#", "#别的# 作文题目"});
  ASSERT_GE(found.size(), 2U);
  EXPECT_EQ(found[0], "#高考#");
  EXPECT_THAT(found, Contains("作文题目"));
  EXPECT_THAT(found, Not(Contains("#别的#")));  // in one text of four
}

TEST(TellingTerms, FindsLatinWordsWithoutRegardToCase) {
  const auto found = terms({"iPhone 又涨价", "买不起IPHONE", "我的 iphone 15 坏了"});
  EXPECT_THAT(found, Contains("iphone"));
  EXPECT_THAT(found, Not(Contains("15")));
}

TEST(TellingTerms, LeavesOutMarkupAndCommonWords) {
  const auto found = terms({"转发微博 @张三丰: 退款 http://t.cn/退款abc [泪][允悲]",
                            "转发微博 //@张三丰:退款 https://t.cn/abc [泪]",
                            "没有退款 @张三丰 www http://t.cn/abc [泪]"});
  EXPECT_THAT(found, ElementsAre("退款"));
}

TEST(TellingTerms, OneTextGivesItsSegments) {
  EXPECT_THAT(terms({"地铁停运"}), ElementsAre("地铁停运"));
}

TEST(TellingTerms, NeedsTwoTextsAndAFifth) {
  EXPECT_THAT(terms({"甲乙", "丙丁", "戊己"}), IsEmpty());
  std::vector<std::string_view> texts(15, "庚辛");
  for (std::size_t i = 2; i < 15; ++i) texts[i] = "壬癸";
  EXPECT_THAT(terms(texts), ElementsAre("壬癸"));  // 庚辛: 2 of 15
}

TEST(TellingTerms, IsBoundedAndSurvivesAnyBytes) {
  EXPECT_THAT(terms({}), IsEmpty());
  EXPECT_THAT(terms({"", "", ""}), IsEmpty());
  EXPECT_THAT(terms({"食品安全", "食品安全问题"}, 0), IsEmpty());
  const std::string broken = "食品\xE9\xA3\xFF\xF0\x9F安全\xE4";
  EXPECT_LE(terms({broken, broken}, 3).size(), 3U);
  const std::string huge(1 << 20, 'a');
  EXPECT_THAT(terms({huge, huge}), IsEmpty());
  std::string han;
  for (int i = 0; i < 100'000; ++i) han += "水";
  EXPECT_LE(terms({han, han}).size(), 8U);
}

TEST(TellingTerms, IsTheSameInAnyOrderOfTexts) {
  std::vector<std::string_view> texts{"食品安全出问题了", "地铁停运两小时", "食品安全无小事",
                                      "地铁停运,迟到了",  "今天地铁停运",   "食品安全!"};
  const auto first = terms(texts);
  std::sort(texts.begin(), texts.end());
  do {
    ASSERT_EQ(terms(texts), first);
  } while (std::next_permutation(texts.begin(), texts.end()));
  EXPECT_THAT(first, Contains("地铁停运"));
  EXPECT_THAT(first, Contains("食品安全"));
}

TEST(CommonHashtag, NeedsHalfOfTheTexts) {
  const std::vector<std::string_view> half{"#高考# a", "#高考# b", "c", "d"};
  const std::vector<std::string_view> less{"#高考# a", "#高考# b", "c", "d", "e"};
  EXPECT_EQ(common_hashtag(half), "#高考#");
  EXPECT_EQ(common_hashtag(less), "");
}

}  // namespace
}  // namespace tidewatch

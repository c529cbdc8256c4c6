// SPDX-License-Identifier: Apache-2.0
#include "detect/copy_groups.h"

#include <gtest/gtest.h>

#include <random>

namespace tidewatch {
namespace {

constexpr const char* kText = "内部消息明天早上九点全场清仓大甩卖加微信领取红包先到先得";

TextSketch sketch(const std::string& text) {
  TextSketcher sketcher;
  const auto made = sketcher.sketch(text);
  EXPECT_TRUE(made) << text;
  return made.value_or(TextSketch{});
}

TEST(TextSketchTest, CopiesThatSayTheSameAreTheSame) {
  const std::string text = kText;
  for (const std::string& copy :
       {text + "😀", text + "!!!", "@张三 @lisi_01:" + text, text + " https://t.cn/A6xyz",
        text + "[笑cry][心]", "。。" + text, text + "//@王五:好的",
        "内部消息，明天早上九点" + text.substr(std::string("内部消息明天早上九点").size())}) {
    EXPECT_EQ(sketch(copy), sketch(text)) << copy;
  }
  EXPECT_EQ(sketch("BUY IPHONE now at the very cheap shop of my old friend tom"),
            sketch("buy ｉＰｈｏｎｅ NOW, at the very cheap shop of my old friend Tom!"));
}

TEST(TextSketchTest, EstimatesWhatTextsShare) {
  const std::string text = kText;
  EXPECT_GE(equal_minima(sketch(text), sketch(text + "快来")), 9u);
  EXPECT_LE(equal_minima(sketch(text), sketch("今天在公园里看到了很多漂亮的花和小鸟真开心啊")), 1u);
}

TEST(TextSketchTest, ShortTextsAreEqualOrNotAndOnlyOfOneOriginal) {
  TextSketcher sketcher;
  const auto made = sketcher.sketch("支持青禾中学", "original");
  ASSERT_TRUE(made);
  EXPECT_EQ(sketcher.units(), 6u);
  EXPECT_EQ(sketcher.sketch("@甲 支持青禾中学！[心]", "original"), made);
  EXPECT_EQ(equal_minima(*sketcher.sketch("支持青禾中学吧", "original"), *made), 0u);
  EXPECT_EQ(equal_minima(*sketcher.sketch("支持青禾中学", "another"), *made), 0u);
  // A longer one is what it says, whatever it passes on.
  EXPECT_EQ(sketcher.sketch(kText, "original"), sketcher.sketch(kText));
}

TEST(TextSketchTest, NoWordsNoSketch) {
  TextSketcher sketcher;
  for (const char* text : {"", "@甲 @乙", "！！！", "😀😀😀😀😀😀😀😀😀😀😀😀"}) {
    EXPECT_FALSE(sketcher.sketch(text)) << text;
  }
}

TEST(AuthorSketchTest, EstimatesResemblance) {
  std::mt19937 random(1);
  AuthorSketch a, b, c;
  for (int i = 0; i < 200; ++i) {
    const auto hash = static_cast<std::uint32_t>(random());
    a.add(hash);
    a.add(hash);
    b.add(i < 150 ? hash : static_cast<std::uint32_t>(random()));
    c.add(static_cast<std::uint32_t>(random()));
  }
  EXPECT_EQ(AuthorSketch::resemblance(a, a), 1);
  EXPECT_NEAR(AuthorSketch::resemblance(a, b), 0.6, 0.25);  // 150 of 250
  EXPECT_LT(AuthorSketch::resemblance(a, c), 0.05);
  EXPECT_EQ(AuthorSketch::resemblance({}, {}), 0);
}

CopyGroups::Sighting sighting(const std::string& author, const std::string& text,
                              std::int64_t second) {
  return {.author = author,
          .text = text,
          .repost_of = {},
          .time_ms = second * 1'000,
          .emotion = 0,
          .negative = true,
          .id = author};
}

TEST(CopyGroupsTest, CountsPostsAuthorsAndRepeats) {
  CopyGroups groups({});
  EXPECT_FALSE(groups.add(sighting("a", kText, 100)));
  EXPECT_FALSE(groups.add(sighting("z", "一条完全不同的微博说的是今天天气很好适合出门", 101)));
  const auto place = groups.add(sighting("b", std::string(kText) + "😀", 102));
  ASSERT_TRUE(place);
  EXPECT_EQ(groups.add(sighting("a", kText, 103)), place);
  EXPECT_EQ(groups.add(sighting("", kText, 104)), place);
  EXPECT_EQ(groups.add(sighting("", kText, 104)), place);
  const CopyGroup& group = groups.group(*place);
  EXPECT_EQ(group.counts.posts, 5u);
  EXPECT_EQ(group.counts.new_authors, 4u);  // a, b and two who did not say
  EXPECT_EQ(group.repeats, 1u);
  EXPECT_EQ(group.first, 100);
  EXPECT_EQ(group.opening, "内部消息明天早上九点全场清仓大甩");
  EXPECT_EQ(group.evidence.size(), 4u);
}

TEST(CopyGroupsTest, ForgetsQuietOnes) {
  CopyGroups groups({.quiet_seconds = 60});
  groups.add(sighting("a", kText, 100));
  ASSERT_TRUE(groups.add(sighting("b", kText, 101)));
  groups.forget_quiet(160, [](std::size_t) { FAIL(); });
  int forgotten = 0;
  groups.forget_quiet(161, [&](std::size_t) { ++forgotten; });
  EXPECT_EQ(forgotten, 1);
  EXPECT_EQ(groups.size(), 0u);
  EXPECT_FALSE(groups.add(sighting("c", kText, 400)));  // a stale band leads nowhere
}

TEST(CopyGroupsTest, KeepsItsBounds) {
  CopyGroups groups({.groups_max = 50, .index_entries_max = 4'096});
  const std::size_t index_bytes = groups.memory_bytes();
  std::mt19937 random(3);
  std::string text;
  for (int i = 0; i < 5'000; ++i) {
    if (i % 3 == 0) {
      text.clear();
      for (int k = 0; k < 20; ++k)
        text += std::string{"一丁七万三上下不与专且世东丝"}.substr(3 * (random() % 14), 3);
    }
    groups.add(sighting(std::to_string(i), text, 100 + i / 100));
  }
  EXPECT_LE(groups.size(), 50u);
  EXPECT_LE(groups.num_places(), 50u);
  EXPECT_LT(groups.memory_bytes(), index_bytes + 1'000'000);
}

}  // namespace
}  // namespace tidewatch

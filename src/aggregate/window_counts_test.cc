// SPDX-License-Identifier: Apache-2.0
#include "aggregate/window_counts.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

TEST(KeyNameTest, TextFormReadsBack) {
  const std::pair<KeyName, std::string> cases[] = {
      {{KeyKind::kTopicRegion, "finance", "广东", ""}, "finance@广东"},
      {{KeyKind::kTopicRegion, "*", "*", ""}, "*@*"},
      {{KeyKind::kTopicRegion, "unknown", "unknown", ""}, "unknown@unknown"},
      {{KeyKind::kTopicRegion, "finance", "a@b", ""}, "finance@a@b"},
      {{KeyKind::kHashtag, "", "", "高考"}, "#高考#"},
      {{KeyKind::kHashtag, "", "", "a@b"}, "#a@b#"},
      {{KeyKind::kKeyword, "", "", "退款"}, "kw:退款"},
      {{KeyKind::kKeyword, "", "", "#a#"}, "kw:#a#"},
      {{KeyKind::kTopicRegion, "*", "广东 深圳", ""}, "*@广东 深圳"},
      {{KeyKind::kRule, "", "", "退款潮"}, "rule:退款潮"},
      {{KeyKind::kTextGroup, "", "", "9f3a2b1c 加微信"}, "copy:9f3a2b1c 加微信"},
      {{KeyKind::kEmergentTopic, "", "", "停电"}, "emergent:停电"},
      {{KeyKind::kRule, "", "", "a@b"}, "rule:a@b"},
  };
  for (const auto& [name, text] : cases) {
    EXPECT_EQ(to_string(name), text);
    EXPECT_EQ(parse_key(text), name) << text;
  }
}

TEST(KeyNameTest, RefusesWhatIsNoKey) {
  for (const char* text : {"", "finance", "@", "finance@", "@广东", "#", "##", "#高考",
                           "kw:", "rule:", "copy:", "emergent:"}) {
    EXPECT_EQ(parse_key(text), std::nullopt) << text;
  }
}

TEST(KeyCountsTest, AddsEveryField) {
  KeyCounts one{1, 2, 3, 4, 5, 6, 7, {1, 2, 3, 4, 5, 6, 7, 8}, 9, 10};
  one += one;
  EXPECT_EQ(one, (KeyCounts{2, 4, 6, 8, 10, 12, 14, {2, 4, 6, 8, 10, 12, 14, 16}, 18, 20}));
}

TEST(KeyIdTest, SlotIsTheLowBits) {
  EXPECT_EQ(key_slot(KeyId{7}), 7u);
  EXPECT_EQ(key_slot(KeyId{(std::uint64_t{5} << 24) | 7}), 7u);
}

}  // namespace
}  // namespace tidewatch

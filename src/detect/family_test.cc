// SPDX-License-Identifier: Apache-2.0
#include "detect/family.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

KeyPlace place(const std::string& text) {
  const KeyName name = *parse_key(text);
  return place_of(KeyId{1}, &name);
}

TEST(FamilyTest, WhatLiesUnderWhat) {
  const struct {
    const char* narrow;
    const char* broad;
    bool under;
  } cases[] = {
      {"finance@广东", "finance@*", true},
      {"finance@广东", "*@广东", true},
      {"finance@广东", "*@*", true},
      {"finance@*", "*@*", true},
      {"*@广东", "*@*", true},
      {"#高考#", "*@*", true},
      {"kw:退款", "*@*", true},
      {"*@广东 深圳", "*@广东", true},
      {"*@广东 深圳", "*@*", true},
      {"*@广东 深圳", "finance@广东", false},
      {"*@广东", "*@广东 深圳", false},
      {"*@广东 深圳", "*@广西", false},
      {"rule:退款", "*@*", true},
      {"finance@广东", "finance@广东", false},
      {"finance@广东", "sports@*", false},
      {"finance@广东", "*@北京", false},
      {"finance@*", "finance@广东", false},
      {"*@广东", "finance@*", false},
      {"#高考#", "finance@*", false},
      {"*@*", "#高考#", false},
      {"*@*", "*@*", false},
      {"kw:退款", "#退款#", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(lies_under(place(c.narrow), place(c.broad)), c.under) << c.narrow << " " << c.broad;
  }
}

TEST(FamilyTest, UnknownIsNotReported) {
  for (const char* text : {"unknown@*", "*@unknown", "finance@unknown", "unknown@unknown"}) {
    EXPECT_FALSE(place(text).reportable) << text;
  }
  for (const char* text : {"*@*", "finance@*", "#unknown#"}) {
    EXPECT_TRUE(place(text).reportable) << text;
  }
  EXPECT_FALSE(place_of(KeyId{1}, nullptr).reportable);
}

TEST(FamilyTest, IndexFindsByParts) {
  FamilyIndex index;
  const KeyPlace child = place("finance@广东"), parent = place("finance@*"), tag = place("#a#");
  index.insert(child, 3);
  index.insert(parent, 4);
  index.insert(tag, 5);
  EXPECT_EQ(index.size(), 2u);
  EXPECT_EQ(index.find(child.topic, child.region), 3u);
  EXPECT_EQ(index.find(child.topic, 0), 4u);
  EXPECT_EQ(index.find(0, child.region), FamilyIndex::kNobody);
  index.erase(child, 9);  // somebody else's slot
  EXPECT_EQ(index.find(child.topic, child.region), 3u);
  index.erase(child, 3);
  EXPECT_EQ(index.find(child.topic, child.region), FamilyIndex::kNobody);
}

}  // namespace
}  // namespace tidewatch

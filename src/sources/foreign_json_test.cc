// SPDX-License-Identifier: Apache-2.0
#include "sources/foreign_json.h"

#include <gtest/gtest.h>

#include <string>

namespace tidewatch {
namespace {

std::string nested(std::size_t levels) {
  return std::string(levels, '[') + std::string(levels, ']');
}

TEST(ForeignJsonTest, LevelsAreBounded) {
  EXPECT_TRUE(parse_foreign_json(nested(kForeignJsonDepthMax)));
  for (const std::size_t levels : {kForeignJsonDepthMax + 1, std::size_t{1'000'000}}) {
    const auto read = parse_foreign_json(nested(levels));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().message, "JSON nested deeper than 64 levels");
  }
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += R"({"a":)";
  EXPECT_EQ(parse_foreign_json(objects).error().message, "JSON nested deeper than 64 levels");
}

TEST(ForeignJsonTest, BracketsWithinStringsAndSideBySideAreNoLevels) {
  const std::string text = R"(["\"\\)" + std::string(1'000, '[') + R"(\\"])";
  const auto read = parse_foreign_json(text);
  ASSERT_TRUE(read);
  EXPECT_EQ((*read)[0].get<std::string>(), "\"\\" + std::string(1'000, '[') + "\\");
  std::string many = "[";
  for (int i = 0; i < 1'000; ++i) many += "[{}],";
  EXPECT_TRUE(parse_foreign_json(many + "1]"));
}

TEST(ForeignJsonTest, WhatIsNoJson) {
  for (const char* bad : {"", "{", "]", "]]]]", "\"\\", "{broken"}) {
    EXPECT_EQ(parse_foreign_json(bad).error().message, "not JSON") << bad;
  }
}

TEST(ForeignJsonTest, Counts) {
  const auto json = parse_foreign_json(R"({"a":7,"b":-1,"c":1.5,"d":"7","e":null})").value();
  EXPECT_EQ(foreign_count(json, "a"), 7U);
  EXPECT_EQ(foreign_count(json, "none"), 0U);
  for (const char* odd : {"b", "c", "d", "e"}) EXPECT_FALSE(foreign_count(json, odd)) << odd;
  EXPECT_FALSE(foreign_count(nlohmann::json::array(), "a"));
}

}  // namespace
}  // namespace tidewatch

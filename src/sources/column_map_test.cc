// SPDX-License-Identifier: Apache-2.0
#include "sources/column_map.h"

#include <gtest/gtest.h>

#include "core/rfc3339.h"
#include "sources/sheet_date.h"

namespace tidewatch {
namespace {

constexpr std::chrono::minutes kChina{8 * 60};

std::string time_of(std::string_view text, std::chrono::minutes offset = kChina) {
  const auto time = parse_table_time(text, offset);
  return time ? to_rfc3339(*time) : "none";
}

TEST(SheetDateTest, TimesAsPeopleWriteThem) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"2026-11-23 08:05", "2026-11-23T00:05:00Z"},
      {"2026-11-23 8:05:30", "2026-11-23T00:05:30Z"},
      {"2026/1/3", "2026-01-02T16:00:00Z"},
      {" 2026/11/23 08:05:30.25 ", "2026-11-23T00:05:30.250Z"},
      {"2026年11月23日 8时5分", "2026-11-23T00:05:00Z"},
      {"2026年11月23日8点5分6秒", "2026-11-23T00:05:06Z"},
      {"2026-11-23T08:05:00Z", "2026-11-23T08:05:00Z"},
      {"2026-11-23 08:05 +09:00", "2026-11-22T23:05:00Z"},
      {"2026.11.23", "2026-11-22T16:00:00Z"},
      {"20261123", "2026-11-22T16:00:00Z"},
      {"1795408265", "2026-11-23T04:31:05Z"},
      {"1795408265500", "2026-11-23T04:31:05.500Z"},
      {"46349.3368055556", "2026-11-23T00:05:00Z"},
      {"46349", "2026-11-22T16:00:00Z"},
      {"昨天", "none"},
      {"2026-13-01", "none"},
      {"2026-02-30", "none"},
      {"2026-11-23 25:00", "none"},
      {"2026-11-23 8:00 PM", "none"},
      {"-5", "none"},
      {"", "none"},
      {"1895-01-01", "none"},
  };
  for (const auto& [text, time] : cases) EXPECT_EQ(time_of(text), time) << text;
  EXPECT_EQ(time_of("2026-11-23 08:05", std::chrono::minutes{0}), "2026-11-23T08:05:00Z");
}

TEST(SheetDateTest, NumberFormats) {
  for (const char* date :
       {"yyyy/m/d h:mm", "m\"月\"d\"日\"", "[$-804]yyyy\"年\"m\"月\"", "[h]:mm:ss", "mm:ss"}) {
    EXPECT_TRUE(is_date_format(date)) << date;
  }
  for (const char* number : {"General", "0.00", "#,##0", "[Red]0", "0\"days\"", "\\d0", "@"}) {
    EXPECT_FALSE(is_date_format(number)) << number;
  }
  EXPECT_TRUE(is_date_format_id(22));
  EXPECT_FALSE(is_date_format_id(2));
}

TEST(SheetDateTest, Counts) {
  EXPECT_EQ(parse_table_count("1,234"), 1'234);
  EXPECT_EQ(parse_table_count("1.2万"), 12'000);
  EXPECT_EQ(parse_table_count("10w+"), 100'000);
  EXPECT_EQ(parse_table_count("3亿"), 300'000'000);
  EXPECT_EQ(parse_table_count("17.0"), 17);
  for (const char* none : {"", "many", "1.5", "-3", "1e5", "99999999999999999999"}) {
    EXPECT_EQ(parse_table_count(none), std::nullopt) << none;
  }
}

TEST(ColumnMapTest, GuessesChineseAndEnglishNames) {
  const auto map = map_columns({"序号", "MID", "用户昵称", "微博正文", "发布时间", "IP属地",
                                "点赞数", "转发数", "链接", "粉丝数"},
                               {})
                       .value();
  EXPECT_EQ(map.column(PostField::kText), 3U);
  EXPECT_EQ(map.column(PostField::kId), 1U);
  EXPECT_EQ(map.column(PostField::kTime), 4U);
  EXPECT_EQ(map.column(PostField::kAuthor), 2U);
  EXPECT_EQ(map.column(PostField::kRegion), 5U);
  EXPECT_EQ(map.column(PostField::kLikes), 6U);
  EXPECT_EQ(map.column(PostField::kReposts), 7U);
  EXPECT_EQ(map.column(PostField::kUrl), 8U);
  EXPECT_EQ(map.others(), (std::vector<std::size_t>{0, 9}));
  const auto english = map_columns({"created_at", "Full_Text", "screen_name"}, {}).value();
  EXPECT_EQ(english.column(PostField::kText), 1U);
  EXPECT_EQ(english.column(PostField::kTime), 0U);
  EXPECT_EQ(english.column(PostField::kAuthor), 2U);
  EXPECT_EQ(map_columns({"anything"}, {}).value().column(PostField::kText), 0U);
}

TEST(ColumnMapTest, WhatIsWantedStandsOverTheGuess) {
  const std::vector<std::string> header{"内容", "标题", "时间", "链接"};
  const auto map = map_columns(header, {"text=标题", "time=#3", "url="}).value();
  EXPECT_EQ(map.column(PostField::kText), 1U);
  EXPECT_EQ(map.column(PostField::kTime), 2U);
  EXPECT_EQ(map.column(PostField::kUrl), std::nullopt);
  EXPECT_EQ(map.others(), (std::vector<std::size_t>{0, 3}));
  for (const char* wrong : {"text=没有", "body=内容", "text", "time=#9", "time=#0"}) {
    const auto refused = map_columns(header, {wrong});
    ASSERT_FALSE(refused) << wrong;
    EXPECT_NE(refused.error().message.find("--map"), std::string::npos);
  }
  const auto without = map_columns({"a", "b"}, {});
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().message.find("#1 a, #2 b"), std::string::npos)
      << without.error().message;
}

class RowReaderTest : public ::testing::Test {
 protected:
  RowReader reader(std::vector<std::string> header) {
    return {map_columns(std::move(header), {}).value(),
            {"t.csv", kChina, "table"},
            DecodeLimits{},
            EventTime{std::chrono::milliseconds{1'800'000'000'000}}};
  }
  static TableRow row(std::uint64_t line, std::vector<std::string> cells) {
    TableRow made{line, {}};
    for (std::string& cell : cells) made.cells.push_back({std::move(cell), std::nullopt});
    return made;
  }
};

TEST_F(RowReaderTest, MakesAPost) {
  const auto read = reader({"内容", "发布时间", "作者", "赞", "粉丝数", "性别"})
                        .read(row(2, {"退款\n呢", "2026-11-23 08:05", " 甲 ", "1.2万", "3\"", ""}));
  const Post& post = std::get<Post>(read);
  EXPECT_EQ(post.text, "退款\n呢");
  EXPECT_EQ(to_rfc3339(post.time), "2026-11-23T00:05:00Z");
  EXPECT_EQ(post.author, "甲");
  EXPECT_EQ(post.likes, 12'000);
  EXPECT_EQ(post.source, "table");
  EXPECT_EQ(post.extra, R"("粉丝数":"3\"")");
}

TEST_F(RowReaderTest, IdsAreOfContentAndPlace) {
  const RowReader one = reader({"内容", "作者"});
  const auto id = [&](std::uint64_t line, std::vector<std::string> cells) {
    return std::get<Post>(one.read(row(line, std::move(cells)))).id;
  };
  EXPECT_EQ(id(2, {"a", "b"}), id(2, {"a", "b"}));
  EXPECT_NE(id(2, {"a", "b"}), id(3, {"a", "b"}));
  EXPECT_NE(id(2, {"a", "b"}), id(2, {"ab", ""}));
}

TEST_F(RowReaderTest, FaultsNameTheirColumn) {
  const RowReader one = reader({"内容", "发布时间", "转发数"});
  const auto fault = [&](std::vector<std::string> cells) {
    const auto read = one.read(row(7, std::move(cells)));
    const auto* found = std::get_if<RowFault>(&read);
    return found != nullptr ? found->column + ": " + found->reason : "none";
  };
  EXPECT_EQ(fault({"a", "昨天", "1"}).rfind("发布时间: '昨天' is not a time", 0), 0U);
  EXPECT_EQ(fault({"a", "2026-11-23", "许多"}), "转发数: '许多' is not a count");
  EXPECT_EQ(fault({std::string(100'000, 'x'), "", ""}).rfind("内容: ", 0), 0U);
  EXPECT_NE(fault({"a", "", "", "x"}).find("4 columns, but the header has 3"), std::string::npos);
  EXPECT_EQ(fault({"a"}), "none");
  EXPECT_EQ(fault({"a", "", "转发"}), "none");  // the button's name, where nothing was counted
}

}  // namespace
}  // namespace tidewatch

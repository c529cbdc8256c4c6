// SPDX-License-Identifier: Apache-2.0
#include "report/report_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/rfc3339.h"
#include "report/report_charts.h"
#include "report/report_tables.h"
#include "report/report_words.h"

namespace tidewatch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kHostile =
    "\"><script>alert(1)</script><img src=x onerror=alert(2)>'`\x01 \u202Egnp.exe\u2066 & =1+1";

Report hostile_report() {
  Report report;
  report.name = kHostile;
  report.subject = KeyName{KeyKind::kHashtag, "", "", kHostile};
  report.since = parse_rfc3339("2026-11-24T00:30:00Z").value();
  report.until = parse_rfc3339("2026-11-25T00:30:00Z").value();
  report.step = std::chrono::seconds{900};
  report.zone = TimeZone::parse("+08:00").value();
  report.public_url = "https://desk.example/\" onclick=\"x";
  for (int i = 0; i < 96; ++i) {
    report.points.push_back({report.since + i * report.step, static_cast<std::uint64_t>(i % 7), 1});
  }
  report.sums = {1'234'567, 345'678, 9, 9};
  report.before = {1'000'000, 100'000, 9, 9};
  for (auto* shares : {&report.emotions, &report.topics, &report.regions, &report.terms}) {
    shares->push_back({kHostile, 10, 5});
  }
  report.accounts.push_back({kHostile, 3, 4});
  ReportPost post;
  post.stored.post.id = kHostile;
  post.stored.post.text = kHostile;
  post.stored.post.author = kHostile;
  post.stored.post.region = kHostile;
  post.stored.post.url = "javascript:alert(3)";
  post.stored.emotion = kHostile;
  post.stored.topic = kHostile;
  report.posts.push_back(post);
  post.stored.post.url = "https://posts.example/1?a=1&b=\"><script>";
  report.posts.push_back(post);
  Alert alert;
  alert.id = kHostile;
  alert.key = kHostile;
  alert.kind = kHostile;
  alert.severity = kHostile;
  alert.state = kHostile;
  alert.title = kHostile;
  alert.opened_at = report.since + std::chrono::hours{3};
  report.alerts.push_back(alert);
  return report;
}

TEST(ReportPage, LetsNothingThatPeopleWroteBecomeMarkup) {
  for (const ReportLanguage language : {ReportLanguage::kChinese, ReportLanguage::kEnglish}) {
    const std::string page = report_page(hostile_report(), language);
    EXPECT_THAT(page, Not(HasSubstr("<script")));
    EXPECT_THAT(page, Not(HasSubstr("<img")));
    EXPECT_THAT(page, Not(HasSubstr("javascript:")));
    EXPECT_THAT(page, Not(HasSubstr("\" onclick=")));
    EXPECT_THAT(page, Not(HasSubstr("\u202E")));
    EXPECT_THAT(page, Not(HasSubstr("\u2066")));
    EXPECT_THAT(page, Not(HasSubstr("\x01")));
    EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
    EXPECT_THAT(page,
                HasSubstr("href=\"https://posts.example/1?a=1&amp;b=&quot;&gt;&lt;script&gt;\""));
    // It loads nothing: no address but those of links.
    EXPECT_THAT(page, Not(HasSubstr("<link")));
    EXPECT_THAT(page, Not(HasSubstr("url(")));
    EXPECT_THAT(page, Not(HasSubstr("@import")));
    EXPECT_THAT(page, HasSubstr("1,234,567"));
  }
}

TEST(ReportPage, SaysInWordsWhatHappened) {
  Report report = hostile_report();
  report.subject = KeyName{KeyKind::kTopicRegion, "finance", "*", ""};
  report.emotions = {{"angry", 600'000, 0}};
  report.regions = {{"unknown", 900'000, 0}, {"广东", 200'000, 0}};
  const auto chinese = report_summary(report, ReportLanguage::kChinese);
  EXPECT_EQ(chinese[0], "共 1,234,567 条帖子,较上一周期(1,000,000 条)增加 23%。");
  EXPECT_THAT(chinese[1], HasSubstr("负面占比 28.0%,较上一周期上升 18.0 个百分点"));
  EXPECT_THAT(chinese[1], HasSubstr("愤怒"));
  EXPECT_THAT(chinese[3], HasSubstr("广东(16.2%)"));
  EXPECT_THAT(chinese[3], Not(HasSubstr("未知")));
  const auto english = report_summary(report, ReportLanguage::kEnglish);
  EXPECT_EQ(english[0], "1,234,567 posts, up 23% on the period before (1,000,000).");
  EXPECT_THAT(english[3], HasSubstr("Guangdong (16.2%)"));
}

TEST(ReportPage, IsWholeWithoutPosts) {
  Report report = hostile_report();
  report.sums = report.before = {};
  report.posts.clear();
  report.alerts.clear();
  const std::string page = report_page(report, ReportLanguage::kChinese);
  EXPECT_THAT(page, HasSubstr("这段时间没有帖子"));
  EXPECT_THAT(page, HasSubstr("期间没有预警"));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
  EXPECT_TRUE(nlohmann::json::accept(report_json(report, ReportLanguage::kChinese)));
}

TEST(ReportTables, AreReadBySpreadsheetsAsText) {
  Report report = hostile_report();
  report.accounts = {{"=cmd|'/c calc'!A1", 3, 4}, {"a \"b\", c", 1, 1}};
  std::string accounts;
  for (const auto& [name, text] : report_tables(report)) {
    if (name == "accounts") accounts = text;
  }
  EXPECT_EQ(accounts,
            "\xEF\xBB\xBF"
            "author,posts,reposted\r\n'=cmd|'/c calc'!A1,3,4\r\n\"a \"\"b\"\", c\",1,1\r\n");
}

}  // namespace
}  // namespace tidewatch

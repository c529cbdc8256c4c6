// SPDX-License-Identifier: Apache-2.0
#include "app/report_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "alert/report_message.h"
#include "core/rfc3339.h"
#include "store/store_test_support.h"

namespace tidewatch {
namespace {

using ::testing::HasSubstr;

EventTime at(const char* text) { return parse_rfc3339(text).value(); }

class ReportDeskTest : public ::testing::Test {
 protected:
  ReportDeskTest() {
    store_ = store_test::open_store(store_test::quiet_options(dir_.path()), clock_);
  }

  std::unique_ptr<ReportDesk> desk(const std::string& topic = "") {
    ReportDesk::Options options;
    ReportSchedule schedule;
    schedule.name = "日报";
    schedule.topic = topic;
    schedule.zone = TimeZone::parse("+08:00").value();
    schedule.channels = {"mail", "robot"};
    options.schedules.push_back(schedule);
    options.folder = dir_.path() / "reports";
    options.known_topics = {"finance"};
    options.public_url = "https://desk.example";
    options.grace = std::chrono::seconds{95};
    auto created = ReportDesk::create(options, clock_, *store_, [this] { ++told_; });
    if (!created) {
      error_ = created.error().message;
      return nullptr;
    }
    return *std::move(created);
  }
  std::vector<OutboxMessage> messages() { return store_->outbox({.limit = 1'000})->messages; }
  bool has_page(const std::string& stem) {
    return std::filesystem::exists(dir_.path() / "reports" / "日报" / (stem + ".html"));
  }

  store_test::TempDir dir_;
  ManualClock clock_{at("2026-11-24T00:00:00Z")};
  std::unique_ptr<Store> store_;
  int told_ = 0;
  std::string error_;
};

TEST_F(ReportDeskTest, MakesEachReportOnceOverRestarts) {
  // A new schedule owes nothing of the past; today's is due at 00:30 UTC and the grace.
  EXPECT_EQ(*desk()->run_due(at("2026-11-24T00:00:00Z")), 0U);
  EXPECT_EQ(*desk()->run_due(at("2026-11-24T00:31:00Z")), 0U);
  EXPECT_EQ(*desk()->run_due(at("2026-11-24T00:31:36Z")), 1U);
  EXPECT_EQ(*desk()->run_due(at("2026-11-24T12:00:00Z")), 0U);
  EXPECT_TRUE(has_page("2026-11-24"));
  ASSERT_EQ(messages().size(), 2U);
  EXPECT_EQ(told_, 1);
  // Away for two days: both are made up for, once.
  EXPECT_EQ(*desk()->run_due(at("2026-11-26T08:00:00Z")), 2U);
  EXPECT_EQ(*desk()->run_due(at("2026-11-26T08:00:30Z")), 0U);
  EXPECT_TRUE(has_page("2026-11-25") && has_page("2026-11-26"));
  EXPECT_EQ(messages().size(), 6U);
}

TEST_F(ReportDeskTest, ACrashBeforeTheEndTellsNothingTwice) {
  const auto done = dir_.path() / "reports" / "日报" / "done";
  EXPECT_EQ(*desk()->run_due(at("2026-11-24T00:00:00Z")), 0U);
  std::string before;
  std::getline(std::ifstream(done), before);
  EXPECT_EQ(*desk()->run_due(at("2026-11-24T01:00:00Z")), 1U);
  std::ofstream(done) << before << "\n";  // as if it had died before the last write
  EXPECT_EQ(*desk()->run_due(at("2026-11-24T01:00:30Z")), 1U);
  EXPECT_EQ(messages().size(), 2U);
}

TEST_F(ReportDeskTest, TellsInWordsWithLinkAndFile) {
  EXPECT_EQ(*desk("财经")->run_due(at("2026-11-24T00:00:00Z")), 0U);
  EXPECT_EQ(*desk("财经")->run_due(at("2026-11-24T01:00:00Z")), 1U);
  const auto message = report_message_from_json(messages().front().body);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->title, "日报 · 财经");
  EXPECT_THAT(
      message->link,
      HasSubstr("https://desk.example/v1/report?topic=finance%40%2A&since=2026-11-23T00:30:00Z"));
  EXPECT_THAT(message->file, HasSubstr("2026-11-24.html"));
  const auto text = outbox_text(messages().front().body, MessageLanguage::kChinese, TimeZone{});
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(plain_text(*text), HasSubstr("这段时间没有帖子"));
  EXPECT_THAT(plain_text(*text), HasSubstr("2026-11-23 08:30 至 2026-11-24 08:30"));
}

TEST_F(ReportDeskTest, RefusesATopicThatIsNone) {
  EXPECT_EQ(desk("nonsense"), nullptr);
  EXPECT_THAT(error_, HasSubstr("日报"));
}

}  // namespace
}  // namespace tidewatch

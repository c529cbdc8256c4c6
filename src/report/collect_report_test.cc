// SPDX-License-Identifier: Apache-2.0
#include "report/collect_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/rfc3339.h"
#include "store/store_test_support.h"

namespace tidewatch {
namespace {

using store_test::labels;
using store_test::make_post;
using ::testing::HasSubstr;

EventTime at(const char* text) { return parse_rfc3339(text).value(); }
const EventTime kNow = at("2026-11-25T12:00:00Z");
const std::vector<std::string> kTopics{"finance", "health", "sport"};

MinuteCounts minute(const char* key, EventTime time, std::uint32_t posts, std::uint32_t negative) {
  MinuteCounts counts;
  counts.key = key;
  counts.minute = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  counts.counts.posts = posts;
  counts.counts.negative = negative;
  counts.counts.emotions[0] = negative;
  counts.counts.emotions[3] = posts - negative;
  return counts;
}

class CollectReport : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = store_test::open_store(store_test::quiet_options(dir_.path()), clock_);
    ASSERT_NE(store_, nullptr);
    std::vector<MinuteCounts> minutes;
    for (int i = 0; i < 60; ++i) {
      const EventTime time = kNow - std::chrono::minutes{60 - i};
      minutes.push_back(minute("*@*", time, 10, 4));
      minutes.push_back(minute("finance@*", time, 6, 3));
      minutes.push_back(minute("finance@广东", time, 2, 1));
      minutes.push_back(minute("finance@*", time - std::chrono::hours{1}, 3, 0));
    }
    ASSERT_TRUE(store_->put_minutes(minutes, labels()).ok());
    std::vector<ScoredPost> posts;
    for (int i = 0; i < 20; ++i) {
      ScoredPost post =
          make_post("p" + std::to_string(i),
                    i == 0 ? "还不给退款 #退款难# 客服不理人" : "转发 #退款难# 退款", 0);
      post.post.time = kNow - std::chrono::minutes{40 - i};
      post.post.author = "u" + std::to_string(i % 3);
      post.post.region = i % 2 == 0 ? "广东 深圳" : "北京";
      if (i > 0) post.post.repost_of = "p0";
      post.scores.topic = i == 19 ? 1 : 0;
      post.scores.topic_prob = {0.9F, 0.9F};
      post.text_hash = i == 0 ? 1 : 2;
      posts.push_back(post);
    }
    ASSERT_TRUE(store_->append(posts, labels()).ok());
  }

  Result<Report> collect(const std::string& topic,
                         std::chrono::minutes length = std::chrono::minutes{60}) {
    ReportRequest request;
    request.topic = topic;
    request.since = kNow - length;
    request.until = kNow;
    request.known_topics = kTopics;
    return collect_report(*store_, request, kNow);
  }

  store_test::TempDir dir_;
  ManualClock clock_{kNow};
  std::unique_ptr<Store> store_;
};

TEST_F(CollectReport, AddsUpThePeriodAndTheOneBefore) {
  const auto report = collect("财经");
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(to_string(report->subject), "finance@*");
  EXPECT_EQ(report->sums.posts, 360U);
  EXPECT_EQ(report->sums.negative, 180U);
  EXPECT_EQ(report->before.posts, 180U);
  EXPECT_EQ(report->points.size(), 60U);
  EXPECT_EQ(report->emotions.front().posts, 180U);
  ASSERT_EQ(report->regions.size(), 1U);
  EXPECT_EQ(report->regions[0].name, "广东");
  EXPECT_EQ(report->regions[0].posts, 120U);
  EXPECT_TRUE(report->topics.empty());
  EXPECT_EQ(report->posts_looked_at, 19U);  // the one of another topic is left out
}

TEST_F(CollectReport, FindsWordsAccountsAndThePostThatSpread) {
  const auto report = collect("finance");
  ASSERT_TRUE(report.ok());
  ASSERT_FALSE(report->posts.empty());
  EXPECT_EQ(report->posts[0].stored.post.id, "p0");
  EXPECT_EQ(report->posts[0].reposted, 18U);
  EXPECT_EQ(report->posts.size(), 2U);  // one of each text
  EXPECT_EQ(report->accounts.front().author, "u0");
  EXPECT_EQ(report->accounts.front().reposted, 18U);
  EXPECT_EQ(report->terms.front().name, "#退款难#");
  EXPECT_EQ(report->terms.front().posts, 19U);
}

TEST_F(CollectReport, TakesKeysOfOtherKinds) {
  const auto region = collect("*@北京");
  ASSERT_FALSE(region.ok());  // nothing is counted there
  EXPECT_EQ(region.error().code, Code::kNotFound);
  EXPECT_THAT(region.error().message, HasSubstr("the store has posts from 2026-11-25T11:20:00Z"));
  const auto all = collect("");
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->sums.posts, 600U);
  EXPECT_EQ(all->topics.front().name, "finance");
}

TEST_F(CollectReport, SaysWhatIsWrong) {
  const auto unknown = collect("nonsense");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, Code::kInvalidArgument);
  EXPECT_THAT(unknown.error().message, HasSubstr("finance (财经)"));
  EXPECT_FALSE(report_subject("nonsense@广东", kTopics).ok());
  EXPECT_FALSE(collect("", std::chrono::minutes{0}).ok());
  for (const char* text : {"", "x", "3x", "-1h", "99999999999h", "900d"}) {
    EXPECT_FALSE(report_since(text, kNow).ok()) << text;
  }
  EXPECT_EQ(*report_since("2w", kNow), kNow - std::chrono::hours{14 * 24});
  EXPECT_EQ(*report_since("90", kNow), kNow - std::chrono::seconds{90});
}

}  // namespace
}  // namespace tidewatch

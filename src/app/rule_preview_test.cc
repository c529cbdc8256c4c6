// SPDX-License-Identifier: Apache-2.0
#include "app/rule_preview.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/store_test_support.h"

namespace tidewatch {
namespace {

using nlohmann::json;

constexpr std::int64_t kNow = 1'700'000'000;  // Unix seconds

// Three hours of twelve posts a minute by ever new people; in `wave_at`'s next two minutes two
// posts a second more, about 退款.
class RulePreviewTest : public testing::Test {
 protected:
  void SetUp() override {
    store_ = store_test::open_store(store_test::quiet_options(dir_.path()), clock_);
    auto book = RuleBook::create({}, {}, store_test::labels(), *store_, [](auto) {});
    ASSERT_TRUE(book.ok()) << book.error().message;
    book_ = *std::move(book);
  }
  void fill(std::int64_t wave_at, std::uint8_t wave_emotion = 3) {
    std::vector<ScoredPost> posts;
    const auto add = [&](const char* text, std::int64_t second, std::uint8_t emotion) {
      const std::string n = std::to_string(count_++);
      posts.push_back(store_test::make_post("p" + n, text + n, second * 1'000));
      posts.back().post.author = "u" + n;
      posts.back().text_hash = count_ * 0x9E3779B97F4A7C15ULL;
      posts.back().scores.emotion = emotion;
    };
    for (std::int64_t s = kNow - 3 * 3'600; s < kNow; ++s) {
      if (s % 5 == 0) add("今天天气真好", s, 3);  // neutral
      const bool wave = s >= wave_at && s < wave_at + 120;
      for (int i = 0; wave && i < 2; ++i) add("什么时候给我退款", s, wave_emotion);
    }
    ASSERT_TRUE(store_->append(posts, store_test::labels()));
  }
  Result<RulePreview> preview(const std::string& query, std::size_t posts_max = 500'000) {
    RulePreviewer::Options options;
    options.posts_max = posts_max;
    RulePreviewer previewer(options, clock_, *store_, *book_);
    return previewer.run({"r", query, "", true}, std::chrono::hours{1});
  }

  store_test::TempDir dir_;
  ManualClock clock_{from_millis(kNow * 1'000)};
  std::unique_ptr<Store> store_;
  std::unique_ptr<RuleBook> book_;
  std::uint64_t count_ = 0;
};

TEST_F(RulePreviewTest, TellsWhatItWouldHaveCountedAndToldOf) {
  fill(kNow - 1'800);
  const auto found = preview("退款 -广告");
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_TRUE(found->exact);
  EXPECT_EQ(found->matches, 240u);
  EXPECT_EQ(found->posts, 3'600u / 5 + 240);
  ASSERT_EQ(found->alerts.size(), 1u);
  const PreviewAlert& alert = found->alerts[0];
  EXPECT_EQ(alert.kind, ChangeKind::kVolume);
  EXPECT_GE(alert.opened_at, from_millis((kNow - 1'800) * 1'000));
  EXPECT_LE(alert.opened_at, from_millis((kNow - 1'800 + 120) * 1'000));
  EXPECT_GE(alert.score, 1.0);
  EXPECT_GE(alert.posts, 32u);
  std::uint64_t sum = 0;
  for (const std::uint64_t posts : found->histogram) sum += posts;
  EXPECT_EQ(sum, 240u);
  EXPECT_EQ(found->histogram.size(), 60u);
  EXPECT_EQ(found->examples.size(), kPreviewExamplesMax);
  for (const StoredPost& post : found->examples) {
    EXPECT_NE(post.post.text.find("退款"), std::string::npos);
  }
}

TEST_F(RulePreviewTest, WhatDoesNotRiseDoesNotFire) {
  fill(kNow - 1'800);
  const auto steady = preview("天气");
  ASSERT_TRUE(steady.ok());
  EXPECT_EQ(steady->matches, 720u);
  EXPECT_TRUE(steady->alerts.empty());
  const auto none = preview("没有这个词");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->matches, 0u);
  EXPECT_TRUE(none->alerts.empty());
  EXPECT_TRUE(none->examples.empty());
}

TEST_F(RulePreviewTest, ARuleThatFixesTheEmotionHasNoNegativeWave) {
  fill(kNow - 1'800, 0);  // angry
  const auto kinds = [&](const char* query) {
    const auto found = preview(query);
    EXPECT_TRUE(found.ok()) << query;
    std::vector<ChangeKind> told;
    for (const PreviewAlert& alert : found->alerts) told.push_back(alert.kind);
    std::sort(told.begin(), told.end());
    return told;
  };
  const std::vector<ChangeKind> both{ChangeKind::kVolume, ChangeKind::kNegative};
  EXPECT_EQ(kinds("退款"), both);
  EXPECT_EQ(kinds("emotion:negative"), std::vector{ChangeKind::kVolume});
  EXPECT_EQ(kinds("退款 emotion:angry"), std::vector{ChangeKind::kVolume});
}

TEST_F(RulePreviewTest, AWaveBeforeTheTimeAskedForIsNotTold) {
  fill(kNow - 2 * 3'600 - 1'500);  // closed for an hour by then
  const auto found = preview("退款");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->matches, 0u);
  EXPECT_TRUE(found->alerts.empty());
}

TEST_F(RulePreviewTest, SaysWhenItSawOnlyAPart) {
  fill(kNow - 1'800);
  const auto found = preview("天气", 100);
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->exact);
  EXPECT_EQ(found->posts, 100u);
  EXPECT_GT(found->since, from_millis((kNow - 600) * 1'000));
}

TEST_F(RulePreviewTest, AnswersInJson) {
  fill(kNow - 1'800);
  RulePreviewer previewer({}, clock_, *store_, *book_);
  const auto answer = answer_preview(previewer, clock_, R"({"query":"退款","since":"1h"})");
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  const json document = json::parse(*answer, nullptr, false);
  ASSERT_TRUE(document.is_object()) << *answer;
  EXPECT_EQ(document["matches"], 240);
  EXPECT_EQ(document["alerts"].size(), 1u);
  EXPECT_EQ(document["examples"].size(), kPreviewExamplesMax);
  EXPECT_EQ(document["bucket_seconds"], 60);
}

TEST_F(RulePreviewTest, SaysWhatIsWrong) {
  RulePreviewer previewer({}, clock_, *store_, *book_);
  for (const char* request :
       {"", "[]", "{}", R"({"query":1})", R"({"query":"退款 ("})", R"({"query":"topic:nothing"})",
        R"({"query":"退款","since":"8d"})", R"({"query":"退款","since":"soon"})",
        R"({"query":"退款","since":"0h"})", R"({"query":"退款","other":1})"}) {
    const auto answer = answer_preview(previewer, clock_, request);
    ASSERT_FALSE(answer.ok()) << request;
    EXPECT_EQ(answer.error().code, Code::kInvalidArgument) << request;
  }
}

}  // namespace
}  // namespace tidewatch

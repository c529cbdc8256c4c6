// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/flood_trial.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "bench_detect/flood_report.h"

namespace tidewatch {
namespace {

FloodTrial small_trial(std::uint64_t seed) {
  FloodTrialOptions options;
  options.seed = seed;
  options.floods = 6;
  options.crowds = 3;
  options.background_days = 0.05;
  options.rules = 20;
  const auto background = made_up_posts(seed, 1);
  return run_flood_trial(options, *background, [](const std::string&) {});
}

TEST(FloodTrialTest, FloodsAreToldFromCrowdsTheSameEveryTime) {
  const FloodTrial trial = small_trial(77);
  ASSERT_EQ(trial.floods.size(), 6u);
  ASSERT_EQ(trial.crowds.size(), 3u);
  std::size_t told = 0;
  for (const FloodOutcome& flood : trial.floods) {
    EXPECT_GE(flood.plan.accounts, 15u);
    EXPECT_LE(flood.plan.accounts, 60u);
    if (flood.plan.text == FloodText::kBare) continue;
    EXPECT_TRUE(flood.label_delay) << kFloodTexts[static_cast<std::size_t>(flood.plan.text)];
    EXPECT_EQ(flood.crowd_alerts, 0u) << kFloodTexts[static_cast<std::size_t>(flood.plan.text)];
    ++told;
  }
  EXPECT_GE(told, 3u);
  for (const CrowdOutcome& crowd : trial.crowds) {
    EXPECT_TRUE(crowd.alert_delay) << kCrowdShapes[static_cast<std::size_t>(crowd.plan.shape)];
    EXPECT_EQ(crowd.coordinated, 0u) << kCrowdShapes[static_cast<std::size_t>(crowd.plan.shape)];
    EXPECT_LE(crowd.emergent, 1u);
  }
  EXPECT_GT(trial.background_posts, 3'000u);
  EXPECT_EQ(flood_json(trial).dump(), flood_json(small_trial(77)).dump());
}

TEST(PlantedPostsTest, AFloodIsWhatItsPlanSays) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    const FloodPlan plan = draw_flood(random);
    const auto posts = flood_posts(plan, 5, EventTime{std::chrono::hours{1}}, random);
    ASSERT_EQ(posts.size(), plan.posts);
    std::map<std::string, std::size_t> authors;
    for (const ScoredPost& post : posts) {
      ++authors[post.post.author];
      EXPECT_TRUE(post.post.id.starts_with(planted_id(5)));
    }
    EXPECT_EQ(authors.size(), plan.accounts);
    EXPECT_EQ(posts.front().post.time, EventTime{std::chrono::hours{1}});
    const auto length = posts.back().post.time - posts.front().post.time;
    EXPECT_LT(length, std::chrono::seconds{plan.seconds * 2});
  }
}

TEST(PostBackgroundTest, AFileIsShuffledAndComesAgain) {
  const std::string path = ::testing::TempDir() + "flood_trial_test.ndjson";
  {
    std::ofstream file(path);
    for (int i = 0; i < 1'000; ++i) {
      file << R"({"id":")" << i << R"(","author":"a","text":"第)" << i << R"(条"})" << "\n";
    }
  }
  auto opened = posts_of_file(path, 3, 10);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  std::map<std::string, int> seen;
  ScoredPost post;
  EventTime last{};
  for (int i = 0; i < 2'000; ++i) {
    opened.value()->next(post);
    ++seen[post.post.text];
    EXPECT_GE(post.post.time, last);
    last = post.post.time;
  }
  EXPECT_EQ(seen.size(), 1'000u);
  for (const auto& [text, times] : seen) EXPECT_EQ(times, 2) << text;

  std::ofstream(path) << "{\"text\":\"一\"}\nnothing\n";
  const auto wrong = posts_of_file(path, 3, 10);
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().message.find("line 2"), std::string::npos) << wrong.error().message;
  std::remove(path.c_str());
}

TEST(WilsonTest, Interval) {
  const auto [low, high] = wilson_interval(50, 50);
  EXPECT_NEAR(low, 0.929, 0.001);
  EXPECT_NEAR(high, 1, 1e-9);
  EXPECT_NEAR(wilson_interval(5, 10).first, 0.237, 0.001);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "detect/wave.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

constexpr std::int64_t kStart = 1'000'000;
constexpr std::int64_t kQuiet = 1'800;

KeyCounts crowd(std::uint32_t posts, std::uint32_t negative = 0) {
  KeyCounts counts;
  counts.posts = counts.new_authors = posts;
  counts.negative = counts.new_author_negative = negative;
  return counts;
}

// A wave of 60 posts in a minute, half of them negative.
Wave wave(ChangeKind kind = ChangeKind::kVolume) {
  Wave::Start start;
  start.kind = kind;
  start.onset = kStart - 59;
  start.at = kStart;
  start.from_rate = kind == ChangeKind::kVolume ? 0.1 : 0.2;
  start.since_onset = crowd(60, 30);
  return Wave(std::move(start));
}

TEST(WaveTest, BeginsAtTheRateSinceItsOnset) {
  EXPECT_NEAR(wave().level(kStart + 1), 1.0, 1e-9);
  EXPECT_NEAR(wave(ChangeKind::kNegative).level(kStart + 1), 0.5, 1e-9);
  const Change change = wave().change(kStart);
  EXPECT_NEAR(change.from_rate, 6, 1e-9);
  EXPECT_NEAR(change.to_rate, 60, 1);
  EXPECT_NEAR(wave(ChangeKind::kNegative).change(kStart).from_rate, 0.2, 1e-9);
  EXPECT_NEAR(wave().excess(kStart), 60 - 6, 1e-9);
  EXPECT_NEAR(wave(ChangeKind::kNegative).excess(kStart), 30 - 12, 1e-9);
}

TEST(WaveTest, SilenceEndsItAtTheSameSecondHoweverOneLooks) {
  // The level falls from 1 to a fifth in 300 ln 5 = 483 seconds.
  const std::int64_t calm = kStart + 1 + 483;
  for (const std::int64_t step : {1, 7, 600, 100'000'000}) {
    Wave one = wave();
    std::int64_t since = -1;
    for (std::int64_t second = kStart + 1; since < 0; second += step) {
      ASSERT_LT(second, calm + kQuiet + step + 1);
      since = one.quiet_since(second, 0.1, kQuiet);
    }
    EXPECT_EQ(since, calm) << step;
  }
}

TEST(WaveTest, AShortPauseBelongsToIt) {
  Wave one = wave();
  EXPECT_EQ(one.quiet_since(kStart + 2'000, 0.1, kQuiet), -1);
  for (std::int64_t second = kStart + 2'000; second < kStart + 2'300; ++second) {
    EXPECT_EQ(one.quiet_since(second, 0.1, kQuiet), -1);
    one.take(second, crowd(1));
  }
  EXPECT_EQ(one.quiet_since(kStart + 3'000, 0.1, kQuiet), -1);
  EXPECT_GT(one.quiet_since(kStart + 10'000, 0.1, kQuiet), kStart + 2'300);
}

TEST(WaveTest, GoesOnWhileTheRateStays) {
  Wave one = wave();
  for (std::int64_t second = kStart + 1; second < kStart + 20'000; ++second) {
    ASSERT_EQ(one.quiet_since(second, 0.1, kQuiet), -1);
    one.take(second, crowd(1));
  }
  EXPECT_GT(one.quiet_since(kStart + 30'000, 0.1, kQuiet), kStart + 20'000);
}

TEST(WaveTest, ANegativeWaveEndsWhenTheShareFallsBack) {
  Wave one = wave(ChangeKind::kNegative);
  std::int64_t since = -1;
  std::int64_t second = kStart + 1;
  for (; since < 0 && second < kStart + 20'000; ++second) {
    since = one.quiet_since(second, 0.2, kQuiet);
    one.take(second, crowd(10, 2));  // many posts, the share as before
  }
  EXPECT_GT(since, kStart);
  EXPECT_LT(since, kStart + 1'000);
}

TEST(WaveTest, ToldAtMostOnceAMinuteAndOnlyWithNewPosts) {
  Wave one = wave();
  EXPECT_FALSE(one.due(kStart + 59));
  EXPECT_FALSE(one.due(kStart + 60));  // nothing new
  one.take(kStart + 61, crowd(1));
  EXPECT_TRUE(one.due(kStart + 61));
  one.take(kStart + 62, crowd(1));
  EXPECT_FALSE(one.due(kStart + 62));
  EXPECT_TRUE(one.due(kStart + 121));
}

}  // namespace
}  // namespace tidewatch

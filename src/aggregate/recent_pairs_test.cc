// SPDX-License-Identifier: Apache-2.0
#include "aggregate/recent_pairs.h"

#include <gtest/gtest.h>

#include <random>

#include "aggregate/cascade_topics.h"
#include "infer/scores.h"

namespace tidewatch {
namespace {

constexpr std::uint64_t kHash = 0x123456789ABCDEF0;

TEST(RecentPairsTest, ForgetsAfterTheWindow) {
  const struct {
    const char* name;
    std::int64_t first, second;
    bool seen;
  } cases[] = {
      {"same second", 1'000, 1'000, true},
      {"at the window's end", 1'000, 1'600, true},
      {"past it", 1'000, 1'601, false},
      {"years later", 1'000, 400'000'000, false},
      {"somewhat out of order", 1'000, 995, true},
      {"an entry of the far future", 3'900'000'000, 1'000, false},
      {"more than 68 years later", 1'000, 3'900'000'000, false},
      {"before 1970", -5, 3, true},
  };
  for (const auto& c : cases) {
    RecentPairs pairs(64, 600);
    EXPECT_FALSE(pairs.seen(kHash, c.first)) << c.name;
    EXPECT_EQ(pairs.seen(kHash, c.second), c.seen) << c.name;
  }
}

TEST(RecentPairsTest, SeeingRefreshes) {
  RecentPairs pairs(64, 600);
  EXPECT_FALSE(pairs.seen(kHash, 0));
  for (std::int64_t second = 500; second < 50'000; second += 500) {
    EXPECT_TRUE(pairs.seen(kHash, second)) << second;
  }
}

TEST(RecentPairsTest, FullLineForgetsTheStalest) {
  RecentPairs pairs(8, 600);  // one line
  for (std::uint64_t i = 0; i < 8; ++i) {
    EXPECT_FALSE(pairs.seen((i + 1) << 32, static_cast<std::int64_t>(100 + i)));
  }
  EXPECT_TRUE(pairs.seen(std::uint64_t{1} << 32, 110));    // the oldest is refreshed
  EXPECT_FALSE(pairs.seen(std::uint64_t{99} << 32, 111));  // so the second goes
  EXPECT_TRUE(pairs.seen(std::uint64_t{1} << 32, 112));
  EXPECT_FALSE(pairs.seen(std::uint64_t{2} << 32, 113));
  EXPECT_EQ(pairs.memory_bytes(), 64u);
}

TEST(RecentPairsTest, NoFalseMemoriesAtHalfLoad) {
  RecentPairs pairs(std::size_t{1} << 20, 600);
  std::mt19937_64 random(7);
  std::size_t wrong = 0;
  for (int i = 0; i < 500'000; ++i) wrong += pairs.seen(random(), 1'000);
  EXPECT_EQ(wrong, 0u);  // 500,000 x 4 x 2^-32 = 0.0005 expected
}

TEST(RecentPairsTest, ForgetsLittleAtHalfLoad) {
  constexpr int kPairs = 500'000;
  RecentPairs pairs(std::size_t{1} << 20, 600);
  std::mt19937_64 random(7);
  for (int i = 0; i < kPairs; ++i) pairs.seen(random(), 1'000);
  random.seed(7);
  int forgotten = 0;
  for (int i = 0; i < kPairs; ++i) forgotten += !pairs.seen(random(), 1'001);
  EXPECT_LT(forgotten, kPairs / 50);  // Poisson tail: a line of mean 3.8 rarely gets more than 8
}

TEST(CascadeTopicsTest, HeadWinsElseTheLastSeen) {
  CascadeTopics topics(64);
  EXPECT_EQ(topics.topic(kHash), kNoLabel);
  topics.note(kHash, 3, false);
  EXPECT_EQ(topics.topic(kHash), 3);
  topics.note(kHash, 0, false);
  EXPECT_EQ(topics.topic(kHash), 0);
  topics.note(kHash, 5, true);
  EXPECT_EQ(topics.topic(kHash), 5);
  topics.note(kHash, 7, false);
  EXPECT_EQ(topics.topic(kHash), 5);
  topics.note(kHash, kTopicsMax - 1, true);
  EXPECT_EQ(topics.topic(kHash), kTopicsMax - 1);
}

TEST(CascadeTopicsTest, TheLeastUsedGoes) {
  CascadeTopics topics(8);
  for (std::uint64_t i = 1; i <= 8; ++i) topics.note(i << 40, static_cast<std::uint8_t>(i), false);
  EXPECT_EQ(topics.topic(std::uint64_t{1} << 40), 1);
  topics.note(std::uint64_t{9} << 40, 9, false);
  EXPECT_EQ(topics.topic(std::uint64_t{1} << 40), 1);
  EXPECT_EQ(topics.topic(std::uint64_t{2} << 40), kNoLabel);
  EXPECT_EQ(topics.topic(std::uint64_t{9} << 40), 9);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/score_cache.h"

#include <gtest/gtest.h>

#include <thread>

namespace tidewatch {
namespace {

std::vector<std::int32_t> text(std::int32_t n) { return {101, n, n * 7, 102}; }

Scores scores_of(std::int32_t n) {
  Scores scores;
  scores.emotion_prob[0] = static_cast<float>(n);
  return scores;
}

TEST(ScoreCacheTest, GivesBackWhatWasPutIn) {
  ScoreCache cache(1 << 20);
  for (std::int32_t n = 0; n < 100; ++n) {
    cache.insert(ScoreCache::key_of(text(n), ModelVersion{1}), scores_of(n));
  }
  for (std::int32_t n = 0; n < 100; ++n) {
    const auto found = cache.find(ScoreCache::key_of(text(n), ModelVersion{1}));
    ASSERT_TRUE(found.has_value()) << n;
    EXPECT_EQ(found->emotion_prob[0], static_cast<float>(n));
  }
  EXPECT_EQ(cache.hits(), 100U);
  EXPECT_FALSE(cache.find(ScoreCache::key_of(text(5), ModelVersion{2}))) << "another model";
  EXPECT_EQ(cache.misses(), 1U);
  cache.clear();
  EXPECT_FALSE(cache.find(ScoreCache::key_of(text(5), ModelVersion{1})));
}

TEST(ScoreCacheTest, StaysWithinItsBoundAndKeepsWhatIsUsed) {
  ScoreCache cache(64 << 10);
  ASSERT_GT(cache.entries_max(), 0U);
  const auto hot = ScoreCache::key_of(text(-1), ModelVersion{1});
  cache.insert(hot, scores_of(-1));
  for (std::int32_t n = 0; n < 100'000; ++n) {
    cache.insert(ScoreCache::key_of(text(n), ModelVersion{1}), scores_of(n));
    ASSERT_TRUE(cache.find(hot).has_value()) << "evicted after " << n;
  }
  std::size_t kept = 0;
  for (std::int32_t n = 0; n < 100'000; ++n) {
    kept += cache.find(ScoreCache::key_of(text(n), ModelVersion{1})).has_value() ? 1U : 0U;
  }
  EXPECT_LE(kept, cache.entries_max());
  EXPECT_GE(kept, cache.entries_max() / 2);
}

TEST(ScoreCacheTest, NoBytesRememberNothing) {
  ScoreCache cache(0);
  const auto key = ScoreCache::key_of(text(1), ModelVersion{1});
  cache.insert(key, scores_of(1));
  EXPECT_FALSE(cache.find(key));
}

TEST(ScoreCacheTest, ThreadsNeverSeeAnothersScores) {
  ScoreCache cache(32 << 10);
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::int32_t n = 0; n < 20'000; ++n) {
        const auto key = ScoreCache::key_of(text(n % 997), ModelVersion{1});
        if (const auto found = cache.find(key)) {
          if (found->emotion_prob[0] != static_cast<float>(n % 997)) ++wrong;
        } else {
          cache.insert(key, scores_of(n % 997));
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace tidewatch

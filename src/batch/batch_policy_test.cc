// SPDX-License-Identifier: Apache-2.0
#include "batch/batch_policy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidewatch {
namespace {

using std::chrono::milliseconds;

SteadyTime at(int ms) { return SteadyTime{} + milliseconds{1000 + ms}; }

struct Queued {
  std::size_t bucket;
  std::size_t depth;
  int oldest_ms;
};

struct Case {
  std::string name;
  BatchPolicyOptions options;
  std::vector<Queued> queued;
  int now_ms;
  // Expected: bucket and count to flush, or bucket -1 and when to wake (-1: no wake).
  int bucket;
  std::size_t count;
  int wake_ms;
};

TEST(BatchPolicyTest, DecidesByTable) {
  BatchPolicyOptions plain;
  BatchPolicyOptions minimum;
  minimum.batch_min = 4;
  BatchPolicyOptions eager;
  eager.window = milliseconds{0};
  const std::vector<Case> cases{
      {"empty queue waits for a text", plain, {}, 0, -1, 0, -1},
      {"a fresh text waits for its window", plain, {{0, 1, 0}}, 3, -1, 0, 10},
      {"window reached", plain, {{0, 1, 0}}, 10, 0, 1, 0},
      {"one microsecond is as good as late", plain, {{0, 5, 0}}, 11, 0, 5, 0},
      {"size reached at once", plain, {{2, 32, 0}}, 0, 2, 32, 0},
      {"never more than batch_max", plain, {{2, 70, 0}}, 0, 2, 32, 0},
      {"below the minimum waits past the window", minimum, {{1, 3, 0}}, 10, -1, 0, 20},
      {"below the minimum goes at the fall-back", minimum, {{1, 3, 0}}, 20, 1, 3, 0},
      {"at the minimum goes at the window", minimum, {{1, 4, 0}}, 10, 1, 4, 0},
      {"the longest waiting due bucket first", plain, {{0, 40, 5}, {4, 1, 0}}, 12, 4, 1, 0},
      {"a full bucket before one not yet due", plain, {{0, 32, 9}, {4, 1, 8}}, 12, 0, 32, 0},
      {"ties go to the shorter bucket", plain, {{1, 1, 0}, {3, 1, 0}}, 10, 1, 1, 0},
      {"wakes for the earliest", plain, {{0, 1, 6}, {3, 1, 2}}, 7, -1, 0, 12},
      {"no window: at once", eager, {{4, 1, 0}}, 0, 4, 1, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    QueueView view{};
    for (const Queued& q : c.queued) {
      view[q.bucket] = {q.depth, at(q.oldest_ms), SteadyTime::max(), q.oldest_ms};
    }
    const BatchDecision decision = decide_batch(c.options, view, at(c.now_ms));
    if (c.bucket >= 0) {
      ASSERT_EQ(decision.kind, BatchDecision::Kind::kFlush);
      EXPECT_EQ(decision.bucket, static_cast<std::size_t>(c.bucket));
      EXPECT_EQ(decision.count, c.count);
    } else {
      ASSERT_EQ(decision.kind, BatchDecision::Kind::kWait);
      ASSERT_EQ(decision.has_wake, c.wake_ms >= 0);
      if (c.wake_ms >= 0) {
        EXPECT_EQ(decision.wake, at(c.wake_ms));
      }
    }
  }
}

// A wait ends when the run must begin for the most urgent text to meet its deadline, not before.
TEST(BatchPolicyTest, WaitsUntilTheLatestSafeStart) {
  BatchPolicyOptions options;
  options.window = milliseconds{40};
  options.fallback = milliseconds{40};
  options.safety = milliseconds{2};
  QueueView view{};
  view[1] = {3, at(0), /*start_by=*/at(25), /*urgency=*/0};
  BatchDecision decision = decide_batch(options, view, at(22));
  ASSERT_EQ(decision.kind, BatchDecision::Kind::kWait);
  EXPECT_EQ(decision.wake, at(23)) << "2 ms before the run must begin";
  decision = decide_batch(options, view, at(23));
  ASSERT_EQ(decision.kind, BatchDecision::Kind::kFlush);
  EXPECT_EQ(decision.count, 3U);
  // A deadline further off than the window does not make anything wait longer than the window.
  view[1].start_by = at(500);
  EXPECT_EQ(decide_batch(options, view, at(39)).wake, at(40));
  EXPECT_EQ(decide_batch(options, view, at(40)).kind, BatchDecision::Kind::kFlush);
}

TEST(BatchPolicyTest, OfTheDueBucketsTheMostUrgentGoes) {
  BatchPolicyOptions options;
  options.window = milliseconds{0};
  QueueView view{};
  view[0] = {5, at(0), SteadyTime::max(), /*urgency=*/70};  // has waited longest
  view[3] = {1, at(4), at(30), /*urgency=*/30};             // must be answered first
  EXPECT_EQ(decide_batch(options, view, at(5)).bucket, 3U);
}

TEST(BatchPolicyTest, MixedLengthsAreFilledAcrossTheBuckets) {
  BatchPolicyOptions options;
  options.window = milliseconds{0};
  options.mixes_lengths = true;
  options.batch_max = 8;
  QueueView view{};
  view[0] = {2, at(0), SteadyTime::max(), 1};
  view[4] = {3, at(0), SteadyTime::max(), 0};
  BatchDecision decision = decide_batch(options, view, at(0));
  EXPECT_EQ(decision.bucket, 4U);
  EXPECT_EQ(decision.count, 5U);
  view[2] = {100, at(0), SteadyTime::max(), 2};
  EXPECT_EQ(decide_batch(options, view, at(0)).count, 8U);
}

TEST(BatchPolicyTest, PicksTheFirstBucketThatHolds) {
  const std::vector<std::pair<std::size_t, std::size_t>> cases{
      {0, 0},   {2, 0},   {32, 0},  {33, 1},  {64, 1},  {65, 2},
      {128, 2}, {129, 3}, {256, 3}, {257, 4}, {512, 4}, {9999, 4}};
  for (const auto& [tokens, bucket] : cases) EXPECT_EQ(bucket_for(tokens), bucket) << tokens;
}

// Whatever the queue looks like, a waiting text is flushed at the latest at its fall-back.
TEST(BatchPolicyTest, NothingWaitsPastTheFallback) {
  BatchPolicyOptions options;
  options.batch_min = 8;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    for (std::size_t depth = 1; depth <= 40; ++depth) {
      QueueView view{};
      view[bucket] = {depth, at(0), SteadyTime::max(), 0};
      const BatchDecision decision = decide_batch(options, view, at(20));
      EXPECT_EQ(decision.kind, BatchDecision::Kind::kFlush) << bucket << ' ' << depth;
    }
  }
}

}  // namespace
}  // namespace tidewatch

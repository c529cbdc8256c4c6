// SPDX-License-Identifier: Apache-2.0
#include "batch/dispatcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <set>
#include <thread>

namespace tidewatch {
namespace {

BatchItem item(std::size_t tokens, std::uint64_t cookie) {
  BatchItem result;
  result.token_ids.assign(tokens, 1);
  result.cookie = cookie;
  return result;
}

TEST(DispatcherTest, RunsEveryItemOnceAndNeverMixesBuckets) {
  Mutex mu;
  std::multiset<std::uint64_t> seen;
  bool mixed = false;
  std::size_t largest = 0;
  SystemClock clock;
  Dispatcher::Options options;
  options.policy.batch_max = 8;
  options.policy.window = std::chrono::microseconds{100};
  Dispatcher dispatcher(options, clock, [&](std::size_t, std::span<BatchItem> batch) {
    MutexLock lock(mu);
    largest = std::max(largest, batch.size());
    for (const BatchItem& i : batch) {
      seen.insert(i.cookie);
      mixed |= bucket_for(i.token_ids.size()) != bucket_for(batch.front().token_ids.size());
    }
  });
  constexpr std::uint64_t kEach = 500;
  {
    std::vector<std::jthread> producers;
    for (std::uint64_t p = 0; p < 4; ++p) {
      producers.emplace_back([&, p] {
        for (std::uint64_t i = 0; i < kEach; ++i) {
          ASSERT_TRUE(dispatcher.submit(item(2 + (i * 37 + p * 101) % 511, p * kEach + i)));
        }
      });
    }
  }
  dispatcher.drain();
  EXPECT_EQ(dispatcher.queue_depth(), 0U);
  MutexLock lock(mu);
  EXPECT_EQ(seen.size(), 4 * kEach);
  EXPECT_EQ(std::set<std::uint64_t>(seen.begin(), seen.end()).size(), 4 * kEach);
  EXPECT_FALSE(mixed);
  EXPECT_LE(largest, 8U);
}

TEST(DispatcherTest, RefusesWhenABucketIsFullAndLeavesTheItem) {
  std::latch entered{1};
  std::latch release{1};
  SystemClock clock;
  Dispatcher::Options options;
  options.workers = 1;
  options.bucket_items_max = 2;
  options.policy.batch_max = 1;
  options.policy.window = std::chrono::microseconds{0};
  std::atomic<int> ran{0};
  Dispatcher dispatcher(options, clock, [&](std::size_t, std::span<BatchItem>) {
    if (ran.fetch_add(1) == 0) {
      entered.count_down();
      release.wait();
    }
  });
  ASSERT_TRUE(dispatcher.try_submit(item(10, 0)));
  entered.wait();  // the worker holds the first
  ASSERT_TRUE(dispatcher.try_submit(item(10, 1)));
  ASSERT_TRUE(dispatcher.try_submit(item(10, 2)));
  BatchItem refused = item(10, 3);
  EXPECT_FALSE(dispatcher.try_submit(std::move(refused)));
  EXPECT_EQ(refused.token_ids.size(), 10U);
  EXPECT_TRUE(dispatcher.try_submit(item(100, 4))) << "another bucket has room";
  EXPECT_EQ(dispatcher.bucket_depth(0), 2U);
  release.count_down();
  dispatcher.drain();
  EXPECT_EQ(ran.load(), 4);
}

TEST(DispatcherTest, StopRunsWhatIsQueuedThenRefuses) {
  std::atomic<int> ran{0};
  ManualClock clock;  // time stands still: only stop() can flush
  Dispatcher::Options options;
  options.policy.batch_max = 100;
  Dispatcher dispatcher(options, clock, [&](std::size_t, std::span<BatchItem> batch) {
    ran += static_cast<int>(batch.size());
  });
  for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(dispatcher.submit(item(20, i)));
  dispatcher.stop();
  EXPECT_EQ(ran.load(), 10);
  EXPECT_FALSE(dispatcher.submit(item(20, 11)));
  EXPECT_FALSE(dispatcher.try_submit(item(20, 12)));
}

}  // namespace
}  // namespace tidewatch

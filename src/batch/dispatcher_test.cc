// SPDX-License-Identifier: Apache-2.0
#include "batch/dispatcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <set>
#include <thread>

#include "batch/urgency.h"

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

// One worker that is held, so that a queue builds up; then what it runs, in order.
class HeldDispatcher {
 public:
  explicit HeldDispatcher(Dispatcher::Options options) {
    options.workers = 1;
    options.policy.window = std::chrono::microseconds{0};
    dispatcher_ = std::make_unique<Dispatcher>(
        options, clock_,
        [this](std::size_t, std::span<BatchItem> batch) {
          bool first = false;
          {
            MutexLock lock(mu_);
            first = batches_.empty();
            batches_.emplace_back();
            for (const BatchItem& i : batch) batches_.back().push_back(i.cookie);
          }
          if (!first) return;
          entered_.count_down();
          release_.wait();
        },
        [this](BatchItem& i, Code why) {
          MutexLock lock(mu_);
          dropped_.emplace_back(i.cookie, why);
        });
    EXPECT_TRUE(dispatcher_->try_submit(item(2, 0)));
    entered_.wait();
  }
  Offer offer(std::size_t tokens, std::uint64_t cookie, RequestLimits limits = {},
              bool must_run = false) {
    BatchItem i = item(tokens, cookie);
    i.limits = limits;
    i.must_run = must_run;
    return dispatcher_->try_submit(std::move(i));
  }
  // Everything that ran after the held item, batch by batch.
  std::vector<std::vector<std::uint64_t>> run() {
    release_.count_down();
    dispatcher_->drain();
    MutexLock lock(mu_);
    return {batches_.begin() + 1, batches_.end()};
  }
  std::vector<std::pair<std::uint64_t, Code>> dropped() {
    MutexLock lock(mu_);
    return dropped_;
  }
  SteadyTime in(int ms) const { return clock_.steady_now() + std::chrono::milliseconds{ms}; }

  ManualClock clock_;
  std::unique_ptr<Dispatcher> dispatcher_;

 private:
  Mutex mu_;
  std::vector<std::vector<std::uint64_t>> batches_ GUARDED_BY(mu_);
  std::vector<std::pair<std::uint64_t, Code>> dropped_ GUARDED_BY(mu_);
  std::latch entered_{1};
  std::latch release_{1};
};

Dispatcher::Options one_at_a_time() {
  Dispatcher::Options options;
  options.policy.mixes_lengths = true;
  options.policy.batch_max = 1;
  return options;
}

using Order = std::vector<std::vector<std::uint64_t>>;

TEST(DispatcherTest, TheEarliestDeadlineGoesFirst) {
  HeldDispatcher held(one_at_a_time());
  EXPECT_TRUE(held.offer(10, 1));  // without a deadline: a second of slack
  EXPECT_TRUE(held.offer(300, 2, {held.in(80), Priority::kNormal, nullptr}));
  EXPECT_TRUE(held.offer(10, 3, {held.in(40), Priority::kNormal, nullptr}));
  EXPECT_TRUE(held.offer(10, 4, {held.in(40), Priority::kNormal, nullptr}));
  EXPECT_EQ(held.run(), (Order{{3}, {4}, {2}, {1}}));
}

TEST(DispatcherTest, APriorityIsAHeadStartAndNotAForeverAfter) {
  HeldDispatcher held(one_at_a_time());
  EXPECT_TRUE(held.offer(10, 1, {SteadyTime::max(), Priority::kLow, nullptr}));
  EXPECT_TRUE(held.offer(10, 2, {SteadyTime::max(), Priority::kNormal, nullptr}));
  EXPECT_TRUE(held.offer(10, 3, {SteadyTime::max(), Priority::kHigh, nullptr}));
  held.clock_.advance(kLowHandicap + kHighHeadStart + std::chrono::milliseconds{1});
  // The low one has waited for longer than its handicap: nobody new overtakes it.
  EXPECT_TRUE(held.offer(10, 4, {SteadyTime::max(), Priority::kHigh, nullptr}));
  EXPECT_EQ(held.run(), (Order{{3}, {2}, {1}, {4}}));
}

TEST(DispatcherTest, RefusesBeforeAnyWorkWhatItPredictsToBeLate) {
  HeldDispatcher held(one_at_a_time());
  held.dispatcher_->profile().measured(10, 1, std::chrono::milliseconds{10});
  const RequestLimits soon{held.in(900), Priority::kNormal, nullptr};
  EXPECT_TRUE(held.offer(10, 1, soon));
  EXPECT_TRUE(held.offer(10, 2, soon));
  const Offer late = held.offer(10, 3, {held.in(25), Priority::kNormal, nullptr});
  EXPECT_EQ(late.verdict, Offer::Verdict::kTooLate);
  EXPECT_EQ(late.predicted, std::chrono::milliseconds{30}) << "two before it and its own run";
  EXPECT_TRUE(held.offer(10, 4, {held.in(30), Priority::kNormal, nullptr}));
  EXPECT_TRUE(held.offer(10, 5, {held.in(25), Priority::kNormal, nullptr}, /*must_run=*/true))
      << "what must run is never refused for its deadline";
  EXPECT_TRUE(held.offer(10, 6, {held.in(15), Priority::kHigh, nullptr}))
      << "only what is as urgent counts as being before it";
  held.run();
  EXPECT_EQ(held.dispatcher_->predicted_wait(), std::chrono::nanoseconds{0});
}

TEST(DispatcherTest, WhatHasNoDeadlineIsOvertakenAndNotCounted) {
  HeldDispatcher held(one_at_a_time());
  held.dispatcher_->profile().measured(10, 1, std::chrono::milliseconds{10});
  for (std::uint64_t i = 1; i <= 20; ++i) EXPECT_TRUE(held.offer(10, i));
  EXPECT_EQ(held.dispatcher_->predicted_wait(), std::chrono::nanoseconds{0});
  EXPECT_TRUE(held.offer(10, 21, {held.in(15), Priority::kNormal, nullptr}));
  const Offer patient = held.offer(10, 22);
  EXPECT_EQ(patient.predicted, std::chrono::milliseconds{220}) << "it waits for all of them";
  EXPECT_EQ(held.run().front(), (std::vector<std::uint64_t>{21}));
}

TEST(DispatcherTest, PlacesAreKeptForWhatMustRun) {
  Dispatcher::Options options = one_at_a_time();
  options.bucket_items_max = 4;
  options.must_run_items = 3;
  HeldDispatcher held(options);
  EXPECT_TRUE(held.offer(10, 1));
  EXPECT_EQ(held.offer(10, 2).verdict, Offer::Verdict::kFull);
  for (std::uint64_t i = 3; i <= 5; ++i) EXPECT_TRUE(held.offer(10, i, {}, /*must_run=*/true));
  EXPECT_EQ(held.offer(10, 6, {}, true).verdict, Offer::Verdict::kFull);
  held.run();
}

// A spell in which the machine was slow must not leave a prediction that refuses for ever.
TEST(DispatcherTest, AnInflatedProfileHealsOnAnIdleEngine) {
  ManualClock clock;
  std::atomic<int> ran{0};
  std::atomic<int> dropped{0};
  Dispatcher::Options options = one_at_a_time();
  options.workers = 1;
  options.policy.window = std::chrono::microseconds{0};
  Dispatcher dispatcher(
      options, clock,
      [&](std::size_t, std::span<BatchItem>) {
        clock.advance(std::chrono::milliseconds{5});
        ++ran;
      },
      [&](BatchItem&, Code) { ++dropped; });
  dispatcher.profile().measured(10, 1, std::chrono::milliseconds{5});
  LatencyProfile::Shape shape;
  shape.add(10);
  for (int i = 0; i < 500; ++i) dispatcher.profile().observe(shape, std::chrono::seconds{1});
  ASSERT_GT(dispatcher.profile().share(10, 1), std::chrono::milliseconds{100});
  for (std::uint64_t i = 0; i < 200; ++i) {
    BatchItem one = item(10, i);
    one.must_run = false;
    one.limits.deadline = clock.steady_now() + std::chrono::milliseconds{20};
    EXPECT_TRUE(dispatcher.try_submit(std::move(one)));
    dispatcher.drain();
  }
  EXPECT_EQ(ran.load(), 200);
  EXPECT_EQ(dropped.load(), 0);
  EXPECT_LT(dispatcher.profile().share(10, 1), std::chrono::milliseconds{20});
}

TEST(DispatcherTest, DropsWhatIsCancelledOrLateWithoutRunningIt) {
  HeldDispatcher held(one_at_a_time());
  auto cancelled = std::make_shared<CancelFlag>(false);
  EXPECT_TRUE(held.offer(10, 1, {held.in(50), Priority::kNormal, nullptr}));
  EXPECT_TRUE(held.offer(10, 2, {held.in(500), Priority::kNormal, cancelled}));
  EXPECT_TRUE(held.offer(10, 3, {held.in(50), Priority::kNormal, nullptr}, /*must_run=*/true));
  EXPECT_TRUE(held.offer(10, 4, {held.in(500), Priority::kNormal, nullptr}));
  held.clock_.advance(std::chrono::milliseconds{51});
  cancelled->store(true);
  EXPECT_EQ(held.run(), (Order{{3}, {4}}));
  using Dropped = std::vector<std::pair<std::uint64_t, Code>>;
  EXPECT_EQ(held.dropped(), (Dropped{{1, Code::kDeadlineExceeded}, {2, Code::kCancelled}}));
}

TEST(DispatcherTest, MixedBatchesEndAtTheirRunTime) {
  Dispatcher::Options options;
  options.policy.mixes_lengths = true;
  options.policy.run_time_max = std::chrono::microseconds{1'000};
  HeldDispatcher held(options);
  held.dispatcher_->profile().measured(20, 1, std::chrono::microseconds{400});  // 20 us a token
  for (const auto& [tokens, cookie] : {std::pair{20, 1}, {30, 2}, {25, 3}, {500, 4}, {20, 5}}) {
    EXPECT_TRUE(held.offer(static_cast<std::size_t>(tokens), static_cast<std::uint64_t>(cookie)));
  }
  EXPECT_EQ(held.run(), (Order{{1, 2}, {3}, {4}, {5}})) << "1,000 us; 500 us; a long one; 400 us";
}

// As for a GPU: a run is filled by ids, whatever it takes, and not shared out among workers.
TEST(DispatcherTest, PackedBatchesEndAtTheirIds) {
  Dispatcher::Options options;
  options.policy.mixes_lengths = true;
  options.policy.tokens_max = 100;
  options.policy.run_time_max = std::chrono::microseconds{1};
  options.workers = 1;
  HeldDispatcher held(options);
  held.dispatcher_->profile().measured(20, 1, std::chrono::milliseconds{4});
  for (const auto& [tokens, cookie] : {std::pair{40, 1}, {60, 2}, {1, 3}, {500, 4}, {90, 5}}) {
    EXPECT_TRUE(held.offer(static_cast<std::size_t>(tokens), static_cast<std::uint64_t>(cookie)));
  }
  EXPECT_EQ(held.run(), (Order{{1, 2}, {3}, {4}, {5}})) << "100 ids; 1 and no room for 500; alone";
}

TEST(DispatcherTest, InPackedBatchesOnlyFullRunsStandBeforeAText) {
  Dispatcher::Options options;
  options.policy.mixes_lengths = true;
  options.policy.tokens_max = 100;
  HeldDispatcher held(options);
  held.dispatcher_->profile().measured(20, 1, std::chrono::milliseconds{1});  // 50 us an id
  const RequestLimits patient{held.in(900), Priority::kNormal, nullptr};
  for (std::uint64_t i = 1; i <= 12; ++i) EXPECT_TRUE(held.offer(20, i, patient));
  // 240 ids wait: two runs of 100, and one of the 40 that are left and its own 20.
  const Offer late = held.offer(20, 13, {held.in(12), Priority::kNormal, nullptr});
  EXPECT_EQ(late.verdict, Offer::Verdict::kTooLate);
  EXPECT_EQ(late.predicted, std::chrono::milliseconds{13});
  EXPECT_TRUE(held.offer(20, 14, {held.in(13), Priority::kNormal, nullptr}));
  EXPECT_EQ(held.dispatcher_->predicted_wait(), std::chrono::milliseconds{10});
  held.run();
  EXPECT_EQ(held.dispatcher_->predicted_wait(), std::chrono::nanoseconds{0});
}

TEST(DispatcherTest, AnotherPolicyHoldsFromTheNextBatch) {
  HeldDispatcher held(one_at_a_time());
  held.dispatcher_->profile().measured(20, 1, std::chrono::milliseconds{1});
  const RequestLimits limits{held.in(900), Priority::kNormal, nullptr};
  for (std::uint64_t i = 1; i <= 12; ++i) EXPECT_TRUE(held.offer(20, i, limits));
  EXPECT_EQ(held.dispatcher_->predicted_wait(), std::chrono::milliseconds{12}) << "one by one";
  BatchPolicyOptions packed;
  packed.mixes_lengths = true;
  packed.window = std::chrono::microseconds{0};
  packed.tokens_max = 100;
  held.dispatcher_->set_policy(packed);
  EXPECT_EQ(held.dispatcher_->predicted_wait(), std::chrono::milliseconds{10}) << "two full runs";
  EXPECT_EQ(held.run(), (Order{{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}, {11, 12}}));
}

// More workers than runs at once: what waits gathers for the next run instead of for a lane.
TEST(DispatcherTest, NoMoreRunsAtOnceThanThePolicySays) {
  Dispatcher::Options options;
  options.workers = 4;
  options.policy.mixes_lengths = true;
  options.policy.window = std::chrono::microseconds{0};
  options.policy.tokens_max = 1'000;
  options.policy.runs_max = 1;
  ManualClock clock;
  std::atomic<int> at_once{0};
  std::atomic<int> most{0};
  Mutex mu;
  std::vector<std::size_t> sizes;
  std::latch entered{1};
  std::latch release{1};
  Dispatcher dispatcher(options, clock, [&](std::size_t, std::span<BatchItem> batch) {
    most = std::max(most.load(), ++at_once);
    bool first = false;
    {
      MutexLock lock(mu);
      first = sizes.empty();
      sizes.push_back(batch.size());
    }
    if (first) {
      entered.count_down();
      release.wait();
    }
    --at_once;
  });
  EXPECT_TRUE(dispatcher.try_submit(item(20, 0)));
  entered.wait();
  for (std::uint64_t i = 1; i <= 10; ++i) EXPECT_TRUE(dispatcher.try_submit(item(20, i)));
  release.count_down();
  dispatcher.drain();
  EXPECT_EQ(most.load(), 1);
  {
    MutexLock lock(mu);
    EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 10}));
  }
  dispatcher.stop();  // and every worker ends
}

TEST(DispatcherTest, TheLeastTimeOfTextsThatComeTogether) {
  Dispatcher::Options options = one_at_a_time();
  HeldDispatcher one_by_one(options);
  options.policy.tokens_max = 640;
  HeldDispatcher packed(options);
  for (HeldDispatcher* held : {&one_by_one, &packed}) {
    held->dispatcher_->profile().measured(32, 1, std::chrono::microseconds{600});
    held->dispatcher_->profile().measured(32, 16, std::chrono::microseconds{800});
  }
  LatencyProfile::Shape texts;
  for (int i = 0; i < 20; ++i) texts.add(32);
  EXPECT_EQ(one_by_one.dispatcher_->least_time(texts), std::chrono::milliseconds{12});
  EXPECT_EQ(packed.dispatcher_->least_time(texts), std::chrono::milliseconds{1}) << "one run";
  texts.add(32);
  EXPECT_GT(packed.dispatcher_->least_time(texts), std::chrono::milliseconds{2})
      << "two small runs";
  EXPECT_EQ(packed.dispatcher_->least_time({}), std::chrono::nanoseconds{0});
  one_by_one.run();
  packed.run();
}

// A batch is cheap by the text: many small ones at once are no long wait.
TEST(DispatcherTest, InPackedBatchesTextsShareTheirRun) {
  Dispatcher::Options options;
  options.policy.mixes_lengths = true;
  options.policy.tokens_max = 6'400;
  HeldDispatcher held(options);
  LatencyProfile& profile = held.dispatcher_->profile();
  profile.measured(48, 1, std::chrono::microseconds{700});
  profile.measured(48, 8, std::chrono::microseconds{750});
  profile.measured(48, 32, std::chrono::microseconds{1'500});
  const RequestLimits limits{held.in(10), Priority::kNormal, nullptr};
  for (std::uint64_t i = 1; i <= 63; ++i) EXPECT_TRUE(held.offer(48, i, limits)) << i;
  const Offer last = held.offer(48, 64, limits);
  EXPECT_TRUE(last);
  EXPECT_LE(last.predicted, std::chrono::microseconds{3'100}) << "64 in one run, twice 32";
  held.run();
}

}  // namespace
}  // namespace tidewatch

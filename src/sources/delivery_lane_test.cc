// SPDX-License-Identifier: Apache-2.0
#include "sources/delivery_lane.h"

#include <gtest/gtest.h>

#include "sources/backoff.h"

namespace tidewatch {
namespace {

using Lane = DeliveryLane<std::int64_t>;

TEST(DeliveryLaneTest, IsDurableUpToTheFirstGap) {
  Lane lane;
  const auto a = lane.open(10, 1);
  const auto b = lane.open(11, 2);
  const auto c = lane.open(15, 1);
  EXPECT_FALSE(lane.durable());
  EXPECT_EQ(lane.unstored(), 4U);
  lane.told(c, Receipt::kStored, "");
  EXPECT_FALSE(lane.durable());
  lane.told(a, Receipt::kStored, "");
  EXPECT_EQ(lane.durable(), 10);
  lane.told(b, Receipt::kDuplicate, "");
  EXPECT_EQ(lane.durable(), 10);  // one of its two posts is missing
  lane.told(b, Receipt::kStored, "");
  EXPECT_EQ(lane.durable(), 15);
  EXPECT_EQ(lane.unstored(), 0U);
  const Lane::Counts counts = lane.take_counts();
  EXPECT_EQ(counts.stored, 3U);
  EXPECT_EQ(counts.duplicates, 1U);
  EXPECT_EQ(lane.take_counts().stored, 0U);
}

TEST(DeliveryLaneTest, AMessageWithoutPostsIsPassedInItsTurn) {
  Lane lane;
  lane.open(1, 0);
  EXPECT_EQ(lane.durable(), 1);
  const auto a = lane.open(2, 1);
  lane.open(3, 0);
  EXPECT_EQ(lane.durable(), 1);
  lane.told(a, Receipt::kStored, "");
  EXPECT_EQ(lane.durable(), 3);
}

TEST(DeliveryLaneTest, StandsStillAfterAFailure) {
  Lane lane;
  const auto a = lane.open(1, 1);
  const auto b = lane.open(2, 2);
  const auto c = lane.open(3, 1);
  lane.told(a, Receipt::kStored, "");
  lane.told(b, Receipt::kFailed, "disk full");
  lane.told(b, Receipt::kStored, "");
  lane.told(c, Receipt::kStored, "");
  EXPECT_EQ(lane.durable(), 1);
  EXPECT_EQ(lane.failure(), "disk full");
  EXPECT_TRUE(lane.drain(std::chrono::steady_clock::time_point{}));
}

TEST(DeliveryLaneTest, DeadLettersCountAsNoPosts) {
  Lane lane;
  const auto a = lane.open(1, 2);
  lane.told(a, Receipt::kStored, "");
  EXPECT_FALSE(lane.durable());
  EXPECT_FALSE(lane.drain(std::chrono::steady_clock::time_point{}));
  lane.settled(a);
  EXPECT_EQ(lane.durable(), 1);
  EXPECT_EQ(lane.take_counts().stored, 1U);
}

TEST(BackoffTest, DoublesToItsLimitAndKeepsWhatTheServerAsks) {
  using std::chrono::milliseconds;
  Backoff backoff({milliseconds{1'000}, milliseconds{10'000}}, 7);
  for (const std::int64_t full : {1'000, 2'000, 4'000, 8'000, 10'000, 10'000}) {
    const auto wait = backoff.next().count();
    EXPECT_GE(wait, full / 2);
    EXPECT_LE(wait, full);
  }
  EXPECT_EQ(backoff.next(milliseconds{60'000}), milliseconds{60'000});
  EXPECT_EQ(backoff.next(std::chrono::hours{99}), std::chrono::hours{24});
  backoff.reset();
  EXPECT_LE(backoff.next().count(), 1'000);
  for (int i = 0; i < 100; ++i) EXPECT_LE(backoff.next().count(), 10'000);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "aggregate/event_front.h"

#include <gtest/gtest.h>

#include <random>

namespace tidewatch {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

EventTime at(std::int64_t second) { return EventTime{seconds{1'400'000'000 + second}}; }

// A front that has seen a dense stream up to second 100.
EventFront dense_front() {
  EventFront front(seconds{5});
  for (std::int64_t second = 0; second <= 100; ++second) {
    for (std::uint64_t author = 1; author <= 10; ++author) front.offer(at(second), author);
  }
  return front;
}

TEST(EventFrontTest, DenseStreamMovesItAtOnce) { EXPECT_EQ(dense_front().front(), at(100)); }

TEST(EventFrontTest, OneWildTimeMovesNothing) {
  EventFront front = dense_front();
  EXPECT_FALSE(front.offer(at(0) + hours{24 * 365 * 70}, 9));
  for (std::int64_t second = 101; second < 2'000; ++second) {
    EXPECT_TRUE(front.offer(at(second), static_cast<std::uint64_t>(second)));
    EXPECT_EQ(front.front(), at(second));
  }
}

TEST(EventFrontTest, AWildFirstPostMovesNothing) {
  EventFront front(seconds{5});
  EXPECT_FALSE(front.offer(at(0) + hours{24 * 365 * 70}, 1));
  for (std::uint64_t i = 1; i <= EventFront::kAgreeing + 1; ++i) front.offer(at(0), i);
  EXPECT_EQ(front.front(), at(0));
}

TEST(EventFrontTest, AMinorityWithAWrongClockMovesNothing) {
  std::mt19937_64 random(3);
  EventFront front = dense_front();
  std::int64_t second = 100;
  for (int i = 0; i < 200'000; ++i) {
    if (random() % 4 == 0) {
      EXPECT_FALSE(front.offer(at(second) + hours{8}, random() | 1));
    } else {
      if (i % 10 == 0) ++second;
      EXPECT_TRUE(front.offer(at(second), random() | 1));
    }
    ASSERT_LE(*front.front(), at(second)) << i;
  }
}

TEST(EventFrontTest, AGapIsCrossedByTheNextPosts) {
  EventFront front = dense_front();
  const EventTime later = at(0) + hours{24 * 365 * 3};
  for (std::size_t i = 1; i < EventFront::kAgreeing; ++i) {
    EXPECT_FALSE(front.offer(later + seconds{i}, i)) << i;
  }
  EXPECT_FALSE(front.may_count(later + seconds{1}));
  front.offer(later + seconds{3}, 77);
  EXPECT_EQ(front.front(), later + seconds{1});  // the 32nd newest of the last posts
  EXPECT_TRUE(front.may_count(later + seconds{6}));
  EXPECT_FALSE(front.may_count(later + seconds{7}));
}

TEST(EventFrontTest, OneAuthorAloneNeedsAllVotes) {
  for (const std::uint64_t authors : {1u, 2u, 3u}) {
    EventFront front = dense_front();
    std::size_t needed = 0;
    while (!front.may_count(at(0) + hours{1}))
      front.offer(at(0) + hours{1}, 1 + needed++ % authors);
    EXPECT_EQ(needed, authors < 3 ? EventFront::kVoters : EventFront::kAgreeing) << authors;
  }
}

TEST(EventFrontTest, PostsWithoutAuthorCountAsOneEach) {
  EventFront front = dense_front();
  std::size_t needed = 0;
  for (; !front.may_count(at(0) + hours{1}); ++needed) front.offer(at(0) + hours{1}, 0);
  EXPECT_EQ(needed, EventFront::kAgreeing);
}

TEST(EventFrontTest, ASparseStreamLagsByTheVotesOnly) {
  EventFront front(seconds{5});
  constexpr int kPosts = 500;
  for (int i = 0; i < kPosts; ++i) front.offer(at(0) + hours{i}, static_cast<std::uint64_t>(i) + 1);
  EXPECT_EQ(front.front(), at(0) + hours{kPosts - static_cast<int>(EventFront::kAgreeing)});
}

TEST(EventFrontTest, TheClockVouches) {
  EventFront front = dense_front();
  front.set_clock(at(4'000));
  EXPECT_FALSE(front.offer(at(4'006), 1));
  EXPECT_TRUE(front.offer(at(4'005), 2));
  EXPECT_EQ(front.front(), at(4'005));
}

TEST(EventFrontTest, NeverGoesBack) {
  EventFront front = dense_front();
  EXPECT_TRUE(front.offer(at(-500), 4));
  front.move_to(at(3));
  EXPECT_EQ(front.front(), at(100));
}

}  // namespace
}  // namespace tidewatch

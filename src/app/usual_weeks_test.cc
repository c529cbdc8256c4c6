// SPDX-License-Identifier: Apache-2.0
#include "app/usual_weeks.h"

#include <gtest/gtest.h>

#include "detect/simulated_ticks.h"
#include "store/store_test_support.h"

namespace tidewatch {
namespace {

constexpr std::int64_t kHour = 3'600, kDay = 24 * kHour;
constexpr std::int64_t kToday = 19'676 * kDay;  // 15 November 2023

// One post a second, eight from 20:00 to 21:00.
std::uint32_t posts_a_second(std::int64_t second) { return second % kDay / kHour == 20 ? 8 : 1; }
std::uint32_t once(std::int64_t second) {
  return second >= kToday - 7 * kDay + 20 * kHour && second < kToday - 7 * kDay + 21 * kHour ? 8
                                                                                             : 1;
}

class UsualWeeksTest : public testing::Test {
 protected:
  void fill(int days, const std::string& key,
            std::uint32_t (*rate)(std::int64_t) = posts_a_second) {
    std::vector<MinuteCounts> minutes;
    for (std::int64_t minute = kToday - days * kDay; minute < kToday; minute += 60) {
      KeyCounts counts;
      counts.posts = counts.new_authors = 60 * rate(minute);
      for (const std::string& name : {key, std::string{"*@*"}}) {
        minutes.push_back({name, minute, counts});
      }
    }
    ASSERT_TRUE(store_->put_minutes(minutes, store_test::labels()));
  }

  // Whether this evening's rise is told by a detector that was taught from the store.
  bool evening_is_told(const std::string& key) {
    Detector detector({});
    const Status taught =
        learn_usual_weeks(*store_, store_test::labels(), from_millis(kToday * 1'000), detector);
    EXPECT_TRUE(taught) << taught.error().message;
    SimulatedTicks ticks(1, kToday + 18 * kHour);
    std::vector<Change> changes;
    while (ticks.second() < kToday + 21 * kHour) {
      const std::uint32_t posts = ticks.draw(posts_a_second(ticks.second()));
      ticks.add(key, posts);
      ticks.add("*@*", posts);
      ticks.close(detector, changes);
    }
    return !changes.empty();
  }

  store_test::TempDir dir_;
  ManualClock clock_{from_millis(kToday * 1'000)};
  std::unique_ptr<Store> store_ =
      store_test::open_store(store_test::quiet_options(dir_.path()), clock_);
};

TEST_F(UsualWeeksTest, ARestartKnowsTheUsualWeek) {
  const std::string key = store_test::labels().topics.front() + "@*";
  EXPECT_TRUE(evening_is_told(key)) << "nothing is stored yet";
  fill(28, key);
  EXPECT_FALSE(evening_is_told(key));
  EXPECT_FALSE(evening_is_told("*@广东")) << "as everything usually does";
}

TEST_F(UsualWeeksTest, WhatHappenedOnceIsNotUsual) {
  fill(8, "*@广东", once);
  EXPECT_TRUE(evening_is_told("*@广东"));
}

TEST_F(UsualWeeksTest, OneDayIsNoWeek) {
  fill(1, "*@广东");
  EXPECT_TRUE(evening_is_told("*@广东"));
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "detect/week_profile.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tidewatch {
namespace {

constexpr std::int64_t kHour = 3'600, kDay = 24 * kHour, kWeek = 7 * kDay;
constexpr std::int64_t kMonday = 4 * kDay;  // 5 January 1970
constexpr double kSpan = 45 * 60;

TEST(WeekProfileTest, HoursOfTheWeekBeginOnMonday) {
  EXPECT_EQ(WeekProfile::hour_of_week(kMonday), 0u);
  EXPECT_EQ(WeekProfile::hour_of_week(kMonday + kHour - 1), 0u);
  EXPECT_EQ(WeekProfile::hour_of_week(kMonday + kDay + 5 * kHour), 29u);
  EXPECT_EQ(WeekProfile::hour_of_week(kMonday - 1), 167u);
  EXPECT_EQ(WeekProfile::hour_of_week(-1), 71u);  // Wednesday, 23:00
  EXPECT_EQ(WeekProfile::hour_of_week(100 * kWeek + kMonday), 0u);
}

// Posts an hour at a time: 400, and 2,400 from 20:00 to 23:00.
double evening(std::int64_t second) {
  const std::int64_t hour = second % kDay / kHour;
  return hour >= 20 && hour < 23 ? 2'400 : 400;
}

WeekProfile taught(int weeks) {
  WeekProfile profile;
  for (std::int64_t hour = kMonday; hour < kMonday + weeks * kWeek; hour += kHour) {
    profile.learn(hour, evening(hour), false);
  }
  return profile;
}

double factor(const WeekProfile& profile, std::int64_t second, double otherwise = 1) {
  return week_factor(profile.hour(second, kSpan), second, kSpan, otherwise);
}

TEST(WeekProfileTest, ARunningMeanTimesTheFactorIsTheRateOfNow) {
  const WeekProfile profile = taught(4);
  double mean = 400;
  for (std::int64_t second = kMonday; second < kMonday + 2 * kDay; second += 60) {
    const double rate = evening(second);
    const double now = mean * factor(profile, second);
    mean += (rate - mean) * (1 - std::exp(-60 / kSpan));
    if (second < kMonday + kDay) continue;  // the mean of the first day starts anywhere
    EXPECT_GT(now, 0.7 * rate) << second % kDay / 60 << " min";
    // Above it only while the rate may change at any time of an hour, and after it fell.
    const std::int64_t hour = second % kDay / kHour;
    if ((hour > 2 && hour < 19) || hour == 21) {
      EXPECT_LT(now, 1.6 * rate) << second % kDay / 60 << " min";
    }
  }
}

TEST(WeekProfileTest, WhatIsNotKnownIsSaidByTheOther) {
  WeekProfile profile;
  const std::int64_t evening_begins = kMonday + 20 * kHour;
  EXPECT_EQ(factor(profile, evening_begins, 1.7), 1.7);
  for (std::int64_t hour = kMonday; hour < kMonday + kDay; hour += kHour) {
    profile.learn(hour, evening(hour), false);
  }
  EXPECT_EQ(factor(profile, evening_begins + kDay, 1.7), 1.7) << "one day says nothing";
  EXPECT_NEAR(factor(taught(4), evening_begins, 1.7), factor(taught(4), evening_begins, 1), 1.2);
  EXPECT_GT(factor(taught(4), evening_begins, 1), factor(taught(1), evening_begins, 1));
}

TEST(WeekProfileTest, WhatHappenedOnceIsNotUsual) {
  WeekProfile once = taught(2), often = taught(2);
  const std::int64_t hour = kMonday + 2 * kWeek + 9 * kHour;
  once.learn(hour, 20'000, true);
  for (int week = 0; week < 3; ++week) often.learn(hour + week * kWeek, 4'000, true);
  EXPECT_NEAR(factor(once, hour + 4 * kWeek), 1, 0.1);
  EXPECT_GT(factor(often, hour + 4 * kWeek), 2);
}

TEST(WeekProfilesTest, TheyAreBoundedAndUsedAgain) {
  WeekProfiles weeks(2, kSpan);
  const WeekProfiles::Index first = weeks.make(WeekProfiles::kNone);
  const WeekProfiles::Index second = weeks.make(first);
  EXPECT_NE(first, WeekProfiles::kNone);
  EXPECT_NE(second, first);
  EXPECT_EQ(weeks.make(first), WeekProfiles::kNone);
  weeks.free(second);
  EXPECT_EQ(weeks.make(first), second);
  EXPECT_EQ(weeks.factor(WeekProfiles::kNone), 1);
}

// Counts every minute of some days; `left_out` of them on the second day at 20:00.
float evening_factor(int days, int left_out) {
  WeekProfiles weeks(4, kSpan);
  const WeekProfiles::Index index = weeks.make(WeekProfiles::kNone);
  const WeekProfiles::Index child = weeks.make(index);
  const std::int64_t end = kMonday + days * kDay + 20 * kHour;
  for (std::int64_t second = kMonday; second < end; second += 60) {
    const std::int64_t gap = kMonday + kDay + 20 * kHour;
    if (second >= gap && second < gap + left_out * kHour) continue;
    weeks.advance(second);
    weeks.count(index, static_cast<std::uint32_t>(evening(second) / 60), false);
  }
  weeks.advance(end);
  EXPECT_EQ(weeks.factor(child), weeks.factor(index)) << "it has nothing of its own to say";
  return weeks.factor(index);
}

TEST(WeekProfilesTest, HoursTeachWhenTheyWereSeenWhole) {
  EXPECT_GT(evening_factor(2, 0), 1.3F);
  EXPECT_EQ(evening_factor(2, 2), 1.0F) << "a silent evening is none, and one is too few";
  EXPECT_GT(evening_factor(3, 2), 1.3F);
}

}  // namespace
}  // namespace tidewatch

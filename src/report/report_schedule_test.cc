// SPDX-License-Identifier: Apache-2.0
#include "report/report_schedule.h"

#include <gtest/gtest.h>

#include "core/rfc3339.h"

namespace tidewatch {
namespace {

EventTime at(const char* text) { return parse_rfc3339(text).value(); }

ReportSchedule daily(const char* zone) {
  ReportSchedule schedule;
  schedule.name = "d";
  schedule.zone = TimeZone::parse(zone).value();
  return schedule;
}

TEST(ReportSchedule, OwesADayOnceItsTimeIsPast) {
  const ReportSchedule schedule = daily("+08:00");  // 08:30 is 00:30 UTC
  EXPECT_TRUE(
      reports_due(schedule, at("2026-11-24T00:30:00Z"), at("2026-11-25T00:29:59Z")).empty());
  const auto due = reports_due(schedule, at("2026-11-24T00:30:00Z"), at("2026-11-25T00:30:00Z"));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].since, at("2026-11-24T00:30:00Z"));
  EXPECT_EQ(due[0].until, at("2026-11-25T00:30:00Z"));
  EXPECT_EQ(due[0].stem, "2026-11-25");
  // Done until then: nothing is owed any more.
  EXPECT_TRUE(reports_due(schedule, due[0].until, at("2026-11-25T23:00:00Z")).empty());
}

TEST(ReportSchedule, MakesUpForWhatWasMissedOldestFirstAndNotForEver) {
  const ReportSchedule schedule = daily("+08:00");
  const auto three = reports_due(schedule, at("2026-11-22T00:30:00Z"), at("2026-11-25T09:00:00Z"));
  ASSERT_EQ(three.size(), 3U);
  EXPECT_EQ(three[0].stem, "2026-11-23");
  EXPECT_EQ(three[2].stem, "2026-11-25");
  const auto many = reports_due(schedule, at("2026-01-01T00:00:00Z"), at("2026-11-25T09:00:00Z"));
  ASSERT_EQ(many.size(), kReportsOwedMax);
  EXPECT_EQ(many.back().stem, "2026-11-25");
}

TEST(ReportSchedule, AWeekEndsOnItsDay) {
  ReportSchedule schedule = daily("+08:00");
  schedule.weekly = true;
  schedule.weekday = 1;  // 2026-11-23 is a Monday
  const auto due = reports_due(schedule, at("2026-11-16T00:30:00Z"), at("2026-11-29T00:00:00Z"));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].stem, "2026-11-23");
  EXPECT_EQ(due[0].since, at("2026-11-16T00:30:00Z"));
}

TEST(ReportSchedule, KeepsTheLocalHourOverAChangeOfTheClock) {
  const ReportSchedule schedule = daily("Europe/Berlin");  // 2026-03-29: UTC+1 to UTC+2
  const auto due = reports_due(schedule, at("2026-03-28T07:30:00Z"), at("2026-03-30T12:00:00Z"));
  ASSERT_EQ(due.size(), 2U);
  EXPECT_EQ(due[0].until, at("2026-03-29T06:30:00Z"));
  EXPECT_EQ(due[0].since, at("2026-03-28T07:30:00Z"));  // 23 hours
  EXPECT_EQ(due[1].since, due[0].until);
}

}  // namespace
}  // namespace tidewatch

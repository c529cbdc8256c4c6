// SPDX-License-Identifier: Apache-2.0
#include "report/report_schedule.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidewatch {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

sys_days local_day(const TimeZone& zone, EventTime time) {
  return std::chrono::floor<days>(time + zone.offset_at(time));
}

// When the local clock shows the schedule's time on that local day.
EventTime instant(const ReportSchedule& schedule, sys_days day) {
  const EventTime local = std::chrono::time_point_cast<EventTime::duration>(day) +
                          std::chrono::minutes{schedule.at_minute};
  const EventTime guess = local - schedule.zone.offset_at(local);
  return local - schedule.zone.offset_at(guess);
}

}  // namespace

std::vector<ReportDue> reports_due(const ReportSchedule& schedule, EventTime after, EventTime now) {
  const int length = schedule.weekly ? 7 : 1;
  const days span{length};
  std::vector<ReportDue> due;
  // From tomorrow back: a local day may be ahead of the instant's.
  sys_days day = local_day(schedule.zone, now) + days{1};
  while (due.size() < kReportsOwedMax && instant(schedule, day) > after) {
    const auto weekday = static_cast<int>(std::chrono::weekday{day}.c_encoding());
    const EventTime until = instant(schedule, day);
    if (until <= now && (!schedule.weekly || weekday == schedule.weekday)) {
      const std::chrono::year_month_day date{day};
      due.push_back(
          {instant(schedule, day - span), until,
           fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()))});
    }
    day -= days{1};
  }
  std::reverse(due.begin(), due.end());
  return due;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "alert/time_zone.h"
#include "core/clock.h"
#include "report/report.h"

namespace tidewatch {

// A report that is made by itself. A plain value.
struct ReportSchedule {
  std::string name;   // 1 to 64 bytes, without '/' and not beginning with '.': also a folder's name
  std::string topic;  // as report_subject() reads it; empty: everything
  int at_minute = 8 * 60 + 30;  // of the local day
  bool weekly = false;
  int weekday = 1;  // of a weekly one: 0 is Sunday
  TimeZone zone;
  ReportLanguage language = ReportLanguage::kChinese;
  std::vector<std::string> channels;  // names; none: only kept on disk
};
inline constexpr std::size_t kReportSchedulesMax = 50;
inline constexpr std::size_t kReportsOwedMax = 7;  // missed ones that are made up for

// One report that should be there: of [since, until), and the name of its files.
struct ReportDue {
  EventTime since{};
  EventTime until{};
  std::string stem;  // the local day of `until`: 2026-11-25
};

// The reports whose time lies in (after, now], oldest first; of more than kReportsOwedMax the
// newest. Pure. A day that has the hour twice or not (a change of the clock) has one report.
std::vector<ReportDue> reports_due(const ReportSchedule& schedule, EventTime after, EventTime now);

}  // namespace tidewatch

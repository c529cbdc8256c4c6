// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "report/report.h"
#include "store/store.h"

namespace tidewatch {

struct ReportRequest {
  std::string topic;  // as the user wrote it: see report_subject(); empty: everything
  EventTime since{};
  EventTime until{};
  std::vector<std::string> known_topics;  // labels of the models
  double topic_probability_min = 0.5;     // below it a post's topic does not count (aggregate)
  bool empty_is_error = true;             // a period without posts: kNotFound, or an empty report
  std::string name;
  TimeZone zone;
  std::string public_url;
};

// Reads what a report may be on: a topic by its label or its Chinese name, or a key: finance@广东,
// *@广东, #高考#, kw:退款. kInvalidArgument: it is none of these; the message lists the topics.
Result<KeyName> report_subject(std::string_view topic, const std::vector<std::string>& known);

// Reads "24h", "30m", "7d", "2w", seconds, or RFC 3339 as a time before `now`.
Result<EventTime> report_since(std::string_view text, EventTime now);

// Gathers a report from the store: counts from the minutes (exact), words, accounts and posts from
// the newest kReportScanMax posts of the period. Blocks for up to some seconds; reads alone, and
// each read is short, so that the engine may go on writing. Errors: kInvalidArgument (subject,
// period), kNotFound (no posts; says what the store holds), the store's.
Result<Report> collect_report(Store& store, const ReportRequest& request, EventTime now);

}  // namespace tidewatch

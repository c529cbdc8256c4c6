// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/report.h"

namespace tidewatch {

// A report's words in one language. All functions are pure; nothing is escaped for HTML.

std::string_view pick(ReportLanguage language, std::string_view chinese, std::string_view english);

std::string grouped(std::uint64_t number);  // 12,345
std::string percent_text(double share);     // 23.4%
// "11-25 14:03", with the year when `with_year`; in the zone.
std::string time_text(EventTime time, const TimeZone& zone, bool with_year = false);

std::string emotion_words(std::string_view label, ReportLanguage language);
std::string topic_words(std::string_view label, ReportLanguage language);
std::string region_words(std::string_view region, ReportLanguage language);
std::string severity_words(std::string_view severity, ReportLanguage language);
std::string state_words(std::string_view state, ReportLanguage language);
std::string kind_words(std::string_view kind, ReportLanguage language);
std::string subject_words(const KeyName& subject, ReportLanguage language);
std::string alert_words(const Alert& alert, ReportLanguage language);  // its title

// "舆情报告:财经", and the period.
std::string report_title(const Report& report, ReportLanguage language);
std::string period_words(const Report& report, ReportLanguage language);

// What happened, a sentence or two an entry, the most important first.
std::vector<std::string> report_summary(const Report& report, ReportLanguage language);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "app/report_config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cstdio>

#include "app/config_table.h"

namespace tidewatch {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::array<const char*, 7> kWeekdays{"sunday",   "monday", "tuesday", "wednesday",
                                               "thursday", "friday", "saturday"};

bool is_name(const std::string& name) {
  const bool plain = std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '/' || c == 0x7F;
  });
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' && plain;
}

// "08:30"
int minute_of(ConfigTable& t, const toml::node& entry, const std::string& text) {
  unsigned hours = 24;
  unsigned minutes = 60;
  char end = 0;
  if (text.size() != 5 || std::sscanf(text.c_str(), "%2u:%2u%c", &hours, &minutes, &end) != 2 ||
      hours > 23 || minutes > 59) {
    t.fail(entry, "at", "must be a time of day such as \"08:30\"");
    return 0;
  }
  return static_cast<int>(hours * 60 + minutes);
}

void read_when(ConfigTable& t, const toml::node& entry, ReportSchedule& report) {
  std::string at = "08:30";
  std::string every = "day";
  std::string weekday = "monday";
  t.text("at", at);
  t.text("every", every);
  const bool has_weekday = t.take("weekday") != nullptr;
  t.text("weekday", weekday);
  report.at_minute = minute_of(t, entry, at);
  report.weekly = every == "week";
  if (every != "day" && every != "week") t.fail(entry, "every", "must be \"day\" or \"week\"");
  const auto* const found = std::find(kWeekdays.begin(), kWeekdays.end(), weekday);
  report.weekday = static_cast<int>(found - kWeekdays.begin());
  if (found == kWeekdays.end() || (has_weekday && !report.weekly)) {
    t.fail(entry, "weekday", "belongs to every = \"week\": \"monday\" to \"sunday\"");
  }
}

Result<ReportSchedule> read_report(const toml::node& entry, const std::string& file) {
  ConfigTable t(*entry.as_table(), "reports", file);
  ReportSchedule report;
  std::string language = "zh";
  std::string zone = "+08:00";
  t.text("name", report.name);
  t.text("topic", report.topic);
  read_when(t, entry, report);
  t.texts("channels", report.channels, kChannelsMax);
  t.text("language", language);
  t.text("time_zone", zone);
  if (!is_name(report.name)) {
    t.fail(entry, "name", "must be 1 to 64 bytes without '/', not beginning with '.'");
  }
  report.language = language == "en" ? ReportLanguage::kEnglish : ReportLanguage::kChinese;
  if (language != "zh" && language != "en") t.fail(entry, "language", "must be \"zh\" or \"en\"");
  const auto parsed = TimeZone::parse(zone);
  if (parsed) {
    report.zone = *parsed;
  } else {
    t.fail(entry, "time_zone", parsed.error().message);
  }
  TRY(t.finish());
  return report;
}

}  // namespace

Status read_reports(const toml::node& node, const std::string& file,
                    std::vector<ReportSchedule>& reports) {
  const toml::array* const list = node.as_array();
  if (list == nullptr || !list->is_array_of_tables() || list->size() > kReportSchedulesMax) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("{}, line {}: reports must be written as [[reports]], at most {} times", file,
                    node.source().begin.line, kReportSchedulesMax)};
  }
  for (const toml::node& entry : *list) {
    TRY_ASSIGN(ReportSchedule report, read_report(entry, file));
    const bool taken = std::any_of(reports.begin(), reports.end(),
                                   [&](const auto& other) { return other.name == report.name; });
    if (taken) {
      return Error{Code::kInvalidArgument,
                   fmt::format("{}, line {}: reports.name '{}' is taken", file,
                               entry.source().begin.line, report.name)};
    }
    reports.push_back(std::move(report));
  }
  return {};
}

Result<std::vector<std::string>> match_reports(const std::string& file,
                                               const std::vector<ChannelOptions>& channels,
                                               const std::vector<ReportSchedule>& reports) {
  std::vector<std::string> known;
  for (const ChannelOptions& channel : channels) known.push_back(channel_name(channel));
  std::vector<std::string> used;
  for (const ReportSchedule& report : reports) {
    for (const std::string& name : report.channels) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        return Error{Code::kInvalidArgument,
                     fmt::format("{}: the report '{}' names the channel '{}'; there are: {}", file,
                                 report.name, name, fmt::join(known, ", "))};
      }
      used.push_back(name);
    }
  }
  return used;
}

}  // namespace tidewatch

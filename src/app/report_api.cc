// SPDX-License-Identifier: Apache-2.0
// EngineApi's part for GET /v1/report.
#include <fmt/format.h>

#include <mutex>

#include "app/engine_api.h"
#include "report/collect_report.h"
#include "report/report_page.h"
#include "report/report_tables.h"

namespace tidewatch {
namespace {

Result<ReportLanguage> language_param(const Engine::Params& params) {
  const std::string name = params("lang").value_or("zh");
  if (name == "zh") return ReportLanguage::kChinese;
  if (name == "en") return ReportLanguage::kEnglish;
  return Error{Code::kInvalidArgument, fmt::format("lang='{}': must be zh or en", name)};
}

Result<std::string> csv_of(const Report& report, const std::string& wanted) {
  std::string names;
  for (auto& [name, text] : report_tables(report)) {
    if (name == wanted) return std::move(text);
    names += (names.empty() ? "" : ", ") + name;
  }
  return Error{Code::kInvalidArgument, fmt::format("table='{}': must be one of {}", wanted, names)};
}

}  // namespace

Result<std::string> EngineApi::report(const Params& params) {
  // One at a time: a report reads for seconds, and other queries need the pool too.
  const std::unique_lock<std::mutex> alone(report_mu_, std::try_to_lock);
  if (!alone) {
    return Error{Code::kUnavailable, "another report is being made; try again in some seconds"};
  }
  const std::string format = params("format").value_or("html");
  if (format != "html" && format != "json" && format != "csv") {
    return Error{Code::kInvalidArgument,
                 fmt::format("format='{}': must be html, json or csv", format)};
  }
  TRY_ASSIGN(const ReportLanguage language, language_param(params));
  const EventTime now = runtime_.clock().wall_now();
  ReportRequest request;
  request.topic = params("topic").value_or("");
  TRY_ASSIGN(request.since, report_since(params("since").value_or("24h"), now));
  request.until = now;
  if (const auto until = params("until"); until && !until->empty()) {
    TRY_ASSIGN(request.until, report_since(*until, now));
  }
  TRY_ASSIGN(request.zone, TimeZone::parse(params("time_zone").value_or("+08:00")));
  request.known_topics = runtime_.inference().labels().topics;
  request.topic_probability_min =
      static_cast<double>(runtime_.config().aggregate.topic_probability_min);
  request.public_url = runtime_.config().public_url;
  TRY_ASSIGN(const Report report, collect_report(runtime_.store(), request, now));
  if (format == "json") return report_json(report, language);
  if (format == "csv") return csv_of(report, params("table").value_or("series"));
  return report_page(report, language);
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/report.h"

namespace tidewatch {

// The same as one JSON object (docs/reports.md); the summary's words are in `language`.
std::string report_json(const Report& report, ReportLanguage language);

// The same as tables of RFC 4180: name ("series", "emotions", "topics", "regions", "terms",
// "accounts", "posts", "alerts") and text, UTF-8 with a byte order mark so that spreadsheets read
// it. A cell that a spreadsheet would run as a formula begins with an apostrophe.
std::vector<std::pair<std::string, std::string>> report_tables(const Report& report);

}  // namespace tidewatch

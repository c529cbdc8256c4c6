// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "report/report.h"

namespace tidewatch {

// One self-contained HTML page: no scripts, nothing loaded from anywhere, light and dark by the
// reader's preference, light and without wasted ink when printed. Whatever people wrote is escaped
// and kept apart from the page's own direction of writing; only http(s) addresses become links.
std::string report_page(const Report& report, ReportLanguage language);

}  // namespace tidewatch

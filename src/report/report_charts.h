// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "report/report.h"

namespace tidewatch {

// Text for HTML and SVG, in an element or a quoted attribute. Control characters, also those that
// change the direction of writing, are left out.
std::string escape_html(std::string_view text);

// Inline SVG, coloured by the page's CSS classes: no scripts, no outside requests.
// Posts over time with the negative ones in front, and a mark where an alert opened.
std::string volume_chart(const Report& report, ReportLanguage language);
// Share of negative posts over time; steps with fewer than 5 posts are left out.
std::string negative_chart(const Report& report, ReportLanguage language);
// Provinces as equal tiles; how dark one is goes by the root of its share of the greatest.
std::string region_map(const Report& report, ReportLanguage language);

}  // namespace tidewatch

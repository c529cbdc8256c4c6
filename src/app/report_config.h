// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "app/channel_config.h"
#include "core/result.h"
#include "report/report_schedule.h"

namespace tidewatch {

// Reads a [[reports]] list. Errors name file, line and key.
Status read_reports(const toml::node& node, const std::string& file,
                    std::vector<ReportSchedule>& reports);

// Checks that the channels of reports exist; returns the names of those that are used.
Result<std::vector<std::string>> match_reports(const std::string& file,
                                               const std::vector<ChannelOptions>& channels,
                                               const std::vector<ReportSchedule>& reports);

}  // namespace tidewatch

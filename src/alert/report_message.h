// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alert/message_text.h"
#include "alert/time_zone.h"
#include "core/result.h"

namespace tidewatch {

// A report in an outbox message, beside alerts: {"type":"report","title":…,"lines":[…],"link":…,
// "file":…}. A webhook gets this JSON, robots the words, e-mail the page attached as well.
struct ReportMessage {
  std::string title;
  std::vector<std::string> lines;
  std::string link;        // to the same report of the dashboard; may be empty
  std::string link_words;  // 查看报告
  std::string file;        // the page on this machine
};

std::string to_json(const ReportMessage& message);
bool is_report_message(std::string_view json);
// kInvalidArgument: it is none.
Result<ReportMessage> report_message_from_json(std::string_view json);

// What an outbox message of either sort says in words. kInvalidArgument as message_from_json().
Result<MessageText> outbox_text(std::string_view json, MessageLanguage language,
                                const TimeZone& time_zone);

}  // namespace tidewatch

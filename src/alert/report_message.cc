// SPDX-License-Identifier: Apache-2.0
#include "alert/report_message.h"

#include <nlohmann/json.hpp>

#include "alert/alert_message.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return text;
}

}  // namespace

std::string to_json(const ReportMessage& message) {
  return Json{{"type", "report"},     {"title", message.title},           {"lines", message.lines},
              {"link", message.link}, {"link_words", message.link_words}, {"file", message.file}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_report_message(std::string_view json) {
  const Json object = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  return object.is_object() && object.value("type", Json()) == "report";
}

Result<ReportMessage> report_message_from_json(std::string_view json) {
  const Json object = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  const auto text = [&](const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
  };
  if (!object.is_object() || text("type") != "report" || text("title").empty()) {
    return Error{Code::kInvalidArgument, "the message is no report: it needs type and title"};
  }
  ReportMessage message{text("title"), {}, text("link"), text("link_words"), text("file")};
  for (const Json& line : object.value("lines", Json::array())) {
    if (line.is_string()) message.lines.push_back(line.get<std::string>());
  }
  return message;
}

Result<MessageText> outbox_text(std::string_view json, MessageLanguage language,
                                const TimeZone& time_zone) {
  if (!is_report_message(json)) {
    TRY_ASSIGN(const AlertMessage content, message_from_json(json));
    return message_text(content, language, time_zone);
  }
  TRY_ASSIGN(const ReportMessage report, report_message_from_json(json));
  MessageText text;
  text.headline = one_line(report.title);
  for (const std::string& line : report.lines) text.facts.push_back(one_line(line));
  text.link = report.link;
  text.link_words = one_line(report.link_words);
  return text;
}

}  // namespace tidewatch

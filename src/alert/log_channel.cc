// SPDX-License-Identifier: Apache-2.0
#include "alert/log_channel.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "alert/alert.h"
#include "observe/log.h"

namespace tidewatch {
namespace {

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) {
    if (!text.empty()) text += ' ';
    text += item;
  }
  return text;
}

std::string event_of(const std::string& body) {
  const auto object = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return {};
  const auto event = object.find("event");
  return event != object.end() && event->is_string() ? event->get<std::string>() : std::string{};
}

}  // namespace

Status LogChannel::send(const OutboxMessage& message) {
  const Result<Alert> alert = alert_from_json(message.body);
  if (!alert) {
    log(LogLevel::kInfo, "alert", "message", {{"body", message.body}});
    return {};
  }
  log(alert->severity == "critical" ? LogLevel::kWarning : LogLevel::kInfo, "alert",
      "alert " + event_of(message.body),
      {{"id", alert->id},
       {"severity", alert->severity},
       {"kind", alert->kind},
       {"key", alert->key},
       {"state", alert->state},
       {"title", alert->title},
       {"from_rate", alert->from_rate},
       {"to_rate", alert->to_rate},
       {"score", alert->score},
       {"posts", alert->posts},
       {"authors", alert->authors},
       {"texts", alert->texts},
       {"terms", joined(alert->terms)},
       {"evidence", joined(alert->evidence)}});
  return {};
}

}  // namespace tidewatch

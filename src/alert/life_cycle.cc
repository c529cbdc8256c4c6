// SPDX-License-Identifier: Apache-2.0
#include "alert/life_cycle.h"

#include <array>
#include <nlohmann/json.hpp>

#include "alert/severity.h"
#include "core/rfc3339.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 5> kStateNames{"open", "escalated", "acknowledged",
                                                      "resolved", "closed"};

AlertState state_of(const Alert& alert) {
  return parse_state(alert.state).value_or(AlertState::kOpen);
}

Severity severity_in(const Alert& alert) {
  return parse_severity(alert.severity).value_or(Severity::kInfo);
}

Error refused(const Alert& alert, std::string_view what, std::string_view remedy) {
  return Error{Code::kFailedPrecondition, "alert '" + alert.id + "' is " + alert.state +
                                              " and cannot be " + std::string(what) + "; " +
                                              std::string(remedy)};
}

Status text_member(const Json& object, const char* name, std::size_t bytes_max, std::string& out) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_string() || found->get_ref<const std::string&>().size() > bytes_max) {
    return Error{Code::kInvalidArgument, "'" + std::string(name) +
                                             "' must be a string of at most " +
                                             std::to_string(bytes_max) + " bytes"};
  }
  out = found->get<std::string>();
  return {};
}

}  // namespace

std::string_view state_name(AlertState state) noexcept {
  return kStateNames[static_cast<std::size_t>(state)];
}

std::optional<AlertState> parse_state(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kStateNames.size(); ++i) {
    if (kStateNames[i] == name) return static_cast<AlertState>(i);
  }
  return std::nullopt;
}

Result<AlertAction> parse_action(AlertEvent event, std::string_view json) {
  AlertAction action;
  action.event = event;
  action.mute = event == AlertEvent::kMuted ? std::chrono::minutes{60} : std::chrono::minutes{0};
  if (json.find_first_not_of(" \t\r\n") != std::string_view::npos) {
    const Json object = Json::parse(json, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) {
      return Error{Code::kInvalidArgument,
                   R"(the body must be empty or a JSON object such as {"by":"duty","note":"why"})"};
    }
    for (const auto& [member, value] : object.items()) {
      if (member == "by" || member == "note" || member == "minutes") continue;
      return Error{Code::kInvalidArgument,
                   "'" + member + "' is not known here; known are by, note and, to mute, minutes"};
    }
    TRY(text_member(object, "by", kActorBytesMax, action.by));
    TRY(text_member(object, "note", kNoteBytesMax, action.note));
    if (const auto minutes = object.find("minutes"); minutes != object.end()) {
      if (event != AlertEvent::kMuted || !minutes->is_number_unsigned() ||
          minutes->get<std::uint64_t>() > static_cast<std::uint64_t>(kMuteMax.count())) {
        return Error{Code::kInvalidArgument,
                     "'minutes' belongs to mute and must be a whole number from 0 to " +
                         std::to_string(kMuteMax.count())};
      }
      action.mute = std::chrono::minutes{minutes->get<std::int64_t>()};
    }
  }
  if (action.by.empty()) action.by = "unnamed";
  if (event == AlertEvent::kMuted && action.mute.count() == 0) action.event = AlertEvent::kUnmuted;
  return action;
}

Result<std::optional<AlertHistoryEntry>> apply(const AlertAction& action, EventTime now,
                                               Alert& alert) {
  using Entry = std::optional<AlertHistoryEntry>;
  const AlertState before = state_of(alert);
  const bool pending = is_pending(alert);
  switch (action.event) {
    case AlertEvent::kAcknowledged:
      if (!pending || before == AlertState::kAcknowledged) return Entry{};
      alert.state = state_name(AlertState::kAcknowledged);
      break;
    case AlertEvent::kEscalated:
      if (!pending) return refused(alert, "escalated", "reopen it first, or open a new case");
      alert.state = state_name(AlertState::kEscalated);
      break;
    case AlertEvent::kResolved:
      if (before == AlertState::kResolved) return Entry{};
      alert.state = state_name(AlertState::kResolved);
      break;
    case AlertEvent::kReopened:
      if (alert.closed_at) return refused(alert, "reopened", "its wave is over");
      if (before == AlertState::kOpen) return Entry{};
      alert.state = state_name(AlertState::kOpen);
      break;
    case AlertEvent::kMuted:
      if (alert.closed_at) return refused(alert, "muted", "its wave is over, nothing will be told");
      alert.muted_until = now + action.mute;
      break;
    case AlertEvent::kUnmuted:
      if (!alert.muted_until) return Entry{};
      alert.muted_until.reset();
      break;
    case AlertEvent::kOpened:
    case AlertEvent::kUpdated:
    case AlertEvent::kClosed:
      return Error{Code::kInvalidArgument, "only the stream opens, updates and closes alerts"};
  }
  return Entry{AlertHistoryEntry{now, std::string(event_name(action.event)), action.by, action.note,
                                 alert.state}};
}

std::optional<AlertHistoryEntry> carry_state(const std::optional<Alert>& before, AlertEvent event,
                                             EventTime now, Alert& alert) {
  const auto entry = [&](AlertEvent what, std::string note = {}) {
    return AlertHistoryEntry{now, std::string(event_name(what)), std::string(kEngineName),
                             std::move(note), alert.state};
  };
  const bool ended = event == AlertEvent::kClosed;
  if (before) alert.muted_until = before->muted_until;
  const AlertState was = before ? state_of(*before) : AlertState::kOpen;
  if (ended) {
    alert.state =
        state_name(was == AlertState::kResolved ? AlertState::kResolved : AlertState::kClosed);
    return entry(AlertEvent::kClosed);
  }
  if (!before) {
    alert.state = state_name(AlertState::kOpen);
    return entry(AlertEvent::kOpened);
  }
  if (was == AlertState::kClosed) {
    alert.state = state_name(AlertState::kOpen);
    return entry(AlertEvent::kReopened, "the wave came back");
  }
  if (was == AlertState::kResolved && severity_in(alert) > severity_in(*before)) {
    alert.state = state_name(AlertState::kOpen);
    return entry(AlertEvent::kReopened, "it became " + alert.severity);
  }
  alert.state = state_name(was);
  return std::nullopt;
}

bool is_pending(const Alert& alert) noexcept {
  const AlertState state = state_of(alert);
  return state != AlertState::kResolved && state != AlertState::kClosed;
}

std::string to_json(const std::vector<AlertHistoryEntry>& history) {
  Json list = Json::array();
  for (const AlertHistoryEntry& entry : history) {
    list.push_back({{"at", to_rfc3339(entry.at)},
                    {"action", entry.action},
                    {"by", entry.by},
                    {"note", entry.note},
                    {"state", entry.state}});
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tidewatch

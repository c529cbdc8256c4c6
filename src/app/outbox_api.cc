// SPDX-License-Identifier: Apache-2.0
// EngineApi's part for where messages go and where posts come from: outbox, channels, sources.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "app/engine_api.h"
#include "app/source_desk.h"
#include "core/rfc3339.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::uint64_t> number_of(std::string_view name, const std::string& text, std::uint64_t low,
                                std::uint64_t high) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("{}='{}': must be a whole number from {} to {}", name, text, low, high)};
  }
  return value;
}

// A member of the message's body, which is an alert with its event; null when it has none.
Json member_of(const Json& body, const char* name) {
  return body.is_object() && body.contains(name) ? body[name] : Json();
}

Json message_json(const OutboxMessage& message) {
  const Json body = Json::parse(message.body, nullptr, /*allow_exceptions=*/false);
  const char* state = message.dead_at ? "dead" : message.held ? "held" : "waiting";
  return {{"id", message.id},
          {"channel", message.channel},
          {"state", state},
          {"alert", member_of(body, "id")},
          {"event", member_of(body, "event")},
          {"title", member_of(body, "title")},
          {"created_at", to_rfc3339(message.created_at)},
          {"attempts", message.attempts},
          {"next_attempt_at", message.dead_at ? Json() : Json(to_rfc3339(message.next_attempt_at))},
          {"dead_at", message.dead_at ? Json(to_rfc3339(*message.dead_at)) : Json()},
          {"last_error", message.last_error}};
}

}  // namespace

Result<std::string> EngineApi::outbox(const Params& params) {
  OutboxQuery query;
  const std::string state = params("state").value_or("all");
  if (state == "waiting") {
    query.state = OutboxQuery::State::kWaiting;
  } else if (state == "dead") {
    query.state = OutboxQuery::State::kDead;
  } else if (state != "all") {
    return Error{Code::kInvalidArgument,
                 fmt::format("state='{}': must be waiting, dead or all", state)};
  }
  query.channel = params("channel").value_or("");
  TRY_ASSIGN(query.limit, number_of("limit", params("limit").value_or("50"), 1, 1'000));
  if (const auto before = params("before")) {
    TRY_ASSIGN(query.before, number_of("before", *before, 1, INT64_MAX));
  }
  TRY_ASSIGN(const OutboxPage page, runtime_.store().outbox(query));
  Json messages = Json::array();
  for (const OutboxMessage& message : page.messages) messages.push_back(message_json(message));
  return dump({{"messages", std::move(messages)}, {"next", page.next ? Json(*page.next) : Json()}});
}

Result<std::string> EngineApi::channels() {
  TRY_ASSIGN(const std::vector<OutboxCount> counts, runtime_.store().outbox_counts());
  std::map<std::string, OutboxCount> left;
  for (const OutboxCount& count : counts) left.emplace(count.channel, count);
  std::vector<OutboxSender::ChannelState> states;
  if (OutboxSender* sender = runtime_.sender()) states = sender->channels();
  // Dead letters of a channel that is gone are shown too.
  for (const OutboxCount& count : counts) {
    const bool known = std::any_of(states.begin(), states.end(),
                                   [&](const auto& state) { return state.name == count.channel; });
    if (!known) states.push_back({count.channel, "gone", {}, {}, {}});
  }
  const EventTime now = runtime_.clock().wall_now();
  Json list = Json::array();
  for (const OutboxSender::ChannelState& state : states) {
    const OutboxCount& count = left[state.name];
    const bool rests = state.rests_until && *state.rests_until > now;
    list.push_back({{"name", state.name},
                    {"type", state.kind},
                    {"waiting", count.waiting},
                    {"dead", count.dead},
                    {"delivered", state.totals.delivered},
                    {"failed_attempts", state.totals.failed},
                    {"rests_until", rests ? Json(to_rfc3339(*state.rests_until)) : Json()},
                    {"last_error", state.last_error}});
  }
  return dump({{"channels", std::move(list)}});
}

Result<std::string> EngineApi::sources() {
  const SourceDesk* sources = runtime_.sources();
  return sources != nullptr ? sources->json() : Engine::sources();
}

Result<std::string> EngineApi::retry_message(const std::string& id) {
  TRY_ASSIGN(const std::uint64_t number, number_of("id", id, 1, INT64_MAX));
  TRY_ASSIGN(const std::size_t retried, runtime_.store().retry_message(number));
  if (retried == 0) {
    return Error{Code::kNotFound, fmt::format("there is no dead letter {}", number)};
  }
  if (OutboxSender* sender = runtime_.sender()) sender->notify();
  return dump({{"retried", retried}});
}

Result<std::string> EngineApi::retry_channel(const std::string& name) {
  const OutboxSender* sender = runtime_.sender();
  std::vector<OutboxSender::ChannelState> states;
  if (sender != nullptr) states = sender->channels();
  const bool known = std::any_of(states.begin(), states.end(),
                                 [&](const auto& state) { return state.name == name; });
  if (!known) {
    return Error{Code::kNotFound, fmt::format("no channel '{}' is configured", name)};
  }
  TRY_ASSIGN(const std::size_t retried, runtime_.store().retry_channel(name));
  runtime_.sender()->notify();
  return dump({{"retried", retried}});
}

}  // namespace tidewatch

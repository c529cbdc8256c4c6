// SPDX-License-Identifier: Apache-2.0
#include "alert/alert.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/rfc3339.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

Json cascade_json(const WaveCascade& cascade) {
  if (cascade.posts == 0) return {};
  return {{"root", cascade.root},
          {"posts", cascade.posts},
          {"depth", cascade.depth},
          {"breadth", cascade.breadth}};
}

Json accounts_json(const std::vector<WaveAccount>& accounts) {
  Json list = Json::array();
  for (const WaveAccount& account : accounts) {
    list.push_back(
        {{"author", account.author}, {"posts", account.posts}, {"reposted", account.reposted}});
  }
  return list;
}

Json forecast_json(const std::optional<AlertForecast>& forecast) {
  if (!forecast) return {};
  return {{"at", to_rfc3339(forecast->at)},
          {"low", forecast->low},
          {"expected", forecast->expected},
          {"high", forecast->high}};
}

Json to_object(const Alert& alert) {
  Json emotions = Json::object();
  for (const auto& [label, share] : alert.emotions) emotions[label] = share;
  return Json{{"id", alert.id},
              {"key", alert.key},
              {"topic", alert.topic},
              {"region", alert.region},
              {"kind", alert.kind},
              {"severity", alert.severity},
              {"state", alert.state},
              {"title", alert.title},
              {"onset_at", to_rfc3339(alert.onset_at)},
              {"opened_at", to_rfc3339(alert.opened_at)},
              {"updated_at", to_rfc3339(alert.updated_at)},
              {"closed_at", alert.closed_at ? Json(to_rfc3339(*alert.closed_at)) : Json()},
              {"from_rate", alert.from_rate},
              {"to_rate", alert.to_rate},
              {"score", alert.score},
              {"posts", alert.posts},
              {"authors", alert.authors},
              {"texts", alert.texts},
              {"emotions", std::move(emotions)},
              {"terms", alert.terms},
              {"evidence", alert.evidence},
              {"muted_until", alert.muted_until ? Json(to_rfc3339(*alert.muted_until)) : Json()},
              {"accounts", accounts_json(alert.shape.accounts)},
              {"cascade", cascade_json(alert.shape.cascade)},
              {"shape_posts", alert.shape.posts},
              {"forecast", forecast_json(alert.forecast)},
              {"provinces", alert.provinces},
              {"acceleration", alert.acceleration ? Json(*alert.acceleration) : Json()}};
}

std::string dump(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::uint64_t count_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}
double number_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}
std::string text_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

// What is beside the point is left out rather than refused.
void read_shape(const Json& object, Alert& alert) {
  alert.shape.posts = count_in(object, "shape_posts");
  for (const Json& account : object.value("accounts", Json::array())) {
    if (!account.is_object()) continue;
    alert.shape.accounts.push_back(
        {text_in(account, "author"), count_in(account, "posts"), count_in(account, "reposted")});
  }
  if (const auto cascade = object.find("cascade");
      cascade != object.end() && cascade->is_object()) {
    alert.shape.cascade = {text_in(*cascade, "root"), count_in(*cascade, "posts"),
                           count_in(*cascade, "depth"), count_in(*cascade, "breadth")};
  }
  for (const Json& province : object.value("provinces", Json::array())) {
    if (province.is_string()) alert.provinces.push_back(province.get<std::string>());
  }
  if (const auto found = object.find("acceleration"); found != object.end() && found->is_number()) {
    alert.acceleration = found->get<double>();
  }
  const auto forecast = object.find("forecast");
  if (forecast == object.end() || !forecast->is_object()) return;
  if (const auto at = parse_rfc3339(text_in(*forecast, "at"))) {
    alert.forecast = AlertForecast{*at, number_in(*forecast, "low"),
                                   number_in(*forecast, "expected"), number_in(*forecast, "high")};
  }
}

// Reads members of one object and remembers the first that is wrong.
class Reader {
 public:
  explicit Reader(const Json& object) : object_(object) {}

  void text(const char* name, std::string& out) {
    const Json* member = find(name);
    if (member == nullptr) return;
    if (member->is_string()) {
      out = member->get_ref<const std::string&>();
    } else {
      fail(name, "must be a string");
    }
  }
  void number(const char* name, double& out) {
    const Json* member = find(name);
    if (member == nullptr) return;
    if (member->is_number()) {
      out = member->get<double>();
    } else if (member->is_null()) {
      out = std::nan("");  // how JSON writes what is not finite
    } else {
      fail(name, "must be a number");
    }
  }
  void count(const char* name, std::uint64_t& out) {
    const Json* member = find(name);
    if (member == nullptr) return;
    if (member->is_number_unsigned()) {
      out = member->get<std::uint64_t>();
    } else {
      fail(name, "must be a whole number from 0");
    }
  }
  void time(const char* name, EventTime& out) {
    std::string written;
    text(name, written);
    if (!error_.empty()) return;
    if (const auto parsed = parse_rfc3339(written)) {
      out = *parsed;
    } else {
      fail(name, "must be an RFC 3339 time");
    }
  }
  void time_or_null(const char* name, std::optional<EventTime>& out) {
    const Json* member = find(name);
    if (member == nullptr || member->is_null()) return;
    EventTime value{};
    time(name, value);
    out = value;
  }
  void texts(const char* name, std::vector<std::string>& out) {
    const Json* member = find(name);
    if (member == nullptr) return;
    if (!member->is_array()) return fail(name, "must be an array of strings");
    for (const Json& item : *member) {
      if (!item.is_string()) return fail(name, "must be an array of strings");
      out.push_back(item.get_ref<const std::string&>());
    }
  }
  void shares(const char* name, std::vector<std::pair<std::string, double>>& out) {
    const Json* member = find(name);
    if (member == nullptr) return;
    if (!member->is_object()) return fail(name, "must be an object of numbers");
    for (const auto& [label, share] : member->items()) {
      if (!share.is_number()) return fail(name, "must be an object of numbers");
      out.emplace_back(label, share.get<double>());
    }
  }
  const std::string& error() const { return error_; }

 private:
  const Json* find(const char* name) {
    if (!error_.empty()) return nullptr;
    const auto found = object_.find(name);
    if (found != object_.end()) return &*found;
    fail(name, "is missing");
    return nullptr;
  }
  void fail(const char* name, const char* what) {
    if (error_.empty()) error_ = std::string("alert: member '") + name + "' " + what;
  }

  const Json& object_;
  std::string error_;
};

}  // namespace

std::string_view event_name(AlertEvent event) noexcept {
  switch (event) {
    case AlertEvent::kOpened:
      return "opened";
    case AlertEvent::kUpdated:
      return "updated";
    case AlertEvent::kClosed:
      return "closed";
    case AlertEvent::kEscalated:
      return "escalated";
    case AlertEvent::kAcknowledged:
      return "acknowledged";
    case AlertEvent::kResolved:
      return "resolved";
    case AlertEvent::kReopened:
      return "reopened";
    case AlertEvent::kMuted:
      return "muted";
    case AlertEvent::kUnmuted:
      return "unmuted";
  }
  return "updated";
}

bool is_action(AlertEvent event) noexcept { return event > AlertEvent::kClosed; }

std::string to_json(const Alert& alert) { return dump(to_object(alert)); }

std::string to_json(const Alert& alert, AlertEvent event) {
  Json object = to_object(alert);
  object["event"] = event_name(event);
  return dump(object);
}

Result<Alert> alert_from_json(std::string_view json) {
  const Json object = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return Error{Code::kInvalidArgument, "alert: not one whole JSON object"};
  }
  Alert alert;
  Reader reader(object);
  reader.text("id", alert.id);
  reader.text("key", alert.key);
  reader.text("topic", alert.topic);
  reader.text("region", alert.region);
  reader.text("kind", alert.kind);
  reader.text("severity", alert.severity);
  reader.text("state", alert.state);
  reader.text("title", alert.title);
  reader.time("onset_at", alert.onset_at);
  reader.time("opened_at", alert.opened_at);
  reader.time("updated_at", alert.updated_at);
  reader.time_or_null("closed_at", alert.closed_at);
  reader.number("from_rate", alert.from_rate);
  reader.number("to_rate", alert.to_rate);
  reader.number("score", alert.score);
  reader.count("posts", alert.posts);
  reader.count("authors", alert.authors);
  reader.count("texts", alert.texts);
  reader.shares("emotions", alert.emotions);
  reader.texts("terms", alert.terms);
  reader.texts("evidence", alert.evidence);
  // Not in alerts of older engines.
  if (object.contains("muted_until")) reader.time_or_null("muted_until", alert.muted_until);
  read_shape(object, alert);
  if (!reader.error().empty()) return Error{Code::kInvalidArgument, reader.error()};
  return alert;
}

std::string alert_dedupe_key(const Alert& alert, AlertEvent event, std::string_view channel) {
  std::string key = alert.id;
  key += ':';
  key += event_name(event);
  key += ':';
  key += std::to_string(alert.updated_at.time_since_epoch().count());
  key += ':';
  key += channel;
  return key;
}

}  // namespace tidewatch

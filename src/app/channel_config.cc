// SPDX-License-Identifier: Apache-2.0
#include "app/channel_config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "app/config_secret.h"
#include "app/config_table.h"

namespace tidewatch {
namespace {

void read_timeout(ConfigTable& t, std::chrono::milliseconds& timeout) {
  std::uint64_t timeout_ms = static_cast<std::uint64_t>(timeout.count());
  t.number("timeout_ms", timeout_ms, 100, 120'000);
  timeout = std::chrono::milliseconds{timeout_ms};
}

void read_zone(ConfigTable& t, TimeZone& zone) {
  const toml::node* node = t.take("time_zone");
  if (node == nullptr) return;
  const auto parsed = TimeZone::parse(node->value_or(std::string{}));
  if (parsed) {
    zone = *parsed;
  } else {
    t.fail(*node, "time_zone", parsed.error().message);
  }
}

// What every message in words has.
void read_words(ConfigTable& t, MessageLanguage& language, TimeZone& zone) {
  zone = TimeZone::parse("+08:00").value();
  read_zone(t, zone);
  std::string name = "zh";
  t.text("language", name);
  if (name == "en") {
    language = MessageLanguage::kEnglish;
  } else if (name != "zh") {
    t.fail(*t.take("language"), "language", "must be \"zh\" or \"en\"");
  }
}

WebhookOptions read_webhook(ConfigTable& t, const toml::node& entry, const std::string& name) {
  WebhookOptions webhook;
  webhook.name = name;
  read_secret(t, "url", webhook.url);
  read_secret(t, "secret", webhook.secret);
  t.text("ca_file", webhook.ca_file);
  read_timeout(t, webhook.timeout);
  if (webhook.url.empty()) t.fail(entry, "url", "is missing: http://… or https://…");
  return webhook;
}

RobotOptions read_robot(ConfigTable& t, const toml::node& entry, const std::string& name,
                        RobotKind kind) {
  RobotOptions robot;
  robot.name = name;
  robot.kind = kind;
  const bool telegram = kind == RobotKind::kTelegram;
  if (telegram) robot.url = "https://api.telegram.org";
  if (telegram) {
    t.text("url", robot.url);
    read_secret(t, "token", robot.token);
    t.text("chat_id", robot.secrets.chat_id);
    const bool plain = robot.token.find_first_not_of(
                           "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-:") ==
                       std::string::npos;
    if (robot.token.empty() || !plain)
      t.fail(entry, "token", "is missing, or is not a bot's token");
    if (robot.secrets.chat_id.empty()) {
      t.fail(entry, "chat_id", "is missing: \"-100…\" of a group or \"@name\" of a channel");
    }
  } else {
    read_secret(t, "url", robot.url);
    if (robot.url.empty()) t.fail(entry, "url", "is missing: the robot's whole webhook address");
  }
  if (kind == RobotKind::kDingTalk || kind == RobotKind::kFeishu) {
    read_secret(t, "secret", robot.secrets.secret);
  }
  t.text("ca_file", robot.ca_file);
  read_timeout(t, robot.timeout);
  read_words(t, robot.language, robot.time_zone);
  return robot;
}

SmtpOptions read_email(ConfigTable& t, const toml::node& entry, const std::string& name) {
  SmtpOptions mail;
  mail.name = name;
  std::string security = "starttls";
  t.text("host", mail.host);
  t.number("port", mail.port, 0, 65'535);
  t.text("security", security);
  t.text("user", mail.user);
  read_secret(t, "password", mail.password);
  t.text("from", mail.from);
  t.texts("to", mail.to, 100);
  t.text("ca_file", mail.ca_file);
  read_timeout(t, mail.timeout);
  read_words(t, mail.language, mail.time_zone);
  if (security == "tls") {
    mail.security = MailSecurity::kTls;
  } else if (security == "none") {
    mail.security = MailSecurity::kNone;
  } else if (security != "starttls") {
    t.fail(*t.take("security"), "security", "must be \"starttls\", \"tls\" or \"none\"");
  }
  if (mail.host.empty()) t.fail(entry, "host", "is missing: the mail server's name");
  return mail;
}

ChannelOptions read_channel(ConfigTable& t, const toml::node& entry, const std::string& type,
                            const std::string& name) {
  if (type == "webhook") return read_webhook(t, entry, name);
  if (type == "email") return read_email(t, entry, name);
  if (const auto robot = parse_robot(type)) return read_robot(t, entry, name, *robot);
  t.fail(entry, "type",
         fmt::format("'{}' is not a type; there are webhook, dingtalk, wecom, feishu, slack, "
                     "telegram and email",
                     type));
  return WebhookOptions{};
}

// "22:00-07:00"
std::optional<QuietHours> parse_hours(const std::string& text) {
  std::array<unsigned, 4> n{};
  char end = 0;
  if (text.size() != 11 ||
      std::sscanf(text.c_str(), "%2u:%2u-%2u:%2u%c", &n[0], &n[1], &n[2], &n[3], &end) != 4) {
    return std::nullopt;
  }
  const auto minute = [](unsigned hours, unsigned minutes) {
    return static_cast<int>(hours * 60 + minutes);
  };
  const QuietHours hours{minute(n[0], n[1]), minute(n[2], n[3]) % (24 * 60)};
  if (n[0] > 23 || n[1] > 59 || n[2] > 24 || n[3] > 59 || (n[2] == 24 && n[3] > 0) ||
      hours.from == hours.until) {
    return std::nullopt;
  }
  return hours;
}

void read_severity(ConfigTable& t, const char* key, Severity& severity) {
  const toml::node* node = t.take(key);
  if (node == nullptr) return;
  if (const auto parsed = parse_severity(node->value_or(std::string{}))) {
    severity = *parsed;
  } else {
    t.fail(*node, key, "must be \"info\", \"warning\" or \"critical\"");
  }
}

void read_minutes(ConfigTable& t, const char* key, std::chrono::minutes& minutes) {
  std::uint64_t count = static_cast<std::uint64_t>(minutes.count());
  t.number(key, count, 0, 24 * 60);
  minutes = std::chrono::minutes{count};
}

void read_events(ConfigTable& t, std::set<AlertEvent>& events) {
  std::vector<std::string> names;
  t.texts("events", names, 10);
  if (names.empty()) return;
  events.clear();
  for (const std::string& name : names) {
    bool known = false;
    for (const AlertEvent event :
         {AlertEvent::kOpened, AlertEvent::kUpdated, AlertEvent::kClosed, AlertEvent::kAcknowledged,
          AlertEvent::kResolved, AlertEvent::kReopened}) {
      if (event_name(event) != name) continue;
      events.insert(event);
      known = true;
    }
    if (!known) {
      t.fail(*t.take("events"), "events",
             fmt::format("'{}' is not known; there are opened, updated, closed, acknowledged, "
                         "resolved and reopened",
                         name));
    }
  }
}

Status read_escalation(const toml::node& node, const std::string& file,
                       std::vector<EscalationStep>& steps) {
  const toml::array* array = node.as_array();
  if (array == nullptr || !array->is_array_of_tables()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}, line {}: write it as [[subscriber.escalation]]", file,
                             node.source().begin.line)};
  }
  for (const toml::node& entry : *array) {
    ConfigTable t(*entry.as_table(), "subscriber.escalation", file);
    EscalationStep step;
    read_minutes(t, "after_minutes", step.after);
    t.texts("channels", step.channels, kChannelsMax);
    if (step.channels.empty()) t.fail(entry, "channels", "is missing");
    if (!steps.empty() && step.after <= steps.back().after) {
      t.fail(entry, "after_minutes", "must grow from step to step");
    }
    TRY(t.finish());
    steps.push_back(std::move(step));
  }
  return {};
}

Result<Subscriber> read_subscriber(const toml::node& entry, const std::string& file) {
  ConfigTable t(*entry.as_table(), "subscriber", file);
  Subscriber s;
  std::vector<std::string> hours;
  std::uint64_t flap_max = 0;
  t.text("name", s.name);
  t.texts("channels", s.channels, kChannelsMax);
  t.texts("topics", s.topics, 1'000);
  t.texts("regions", s.regions, 1'000);
  t.texts("kinds", s.kinds, 10);
  t.texts("keys", s.keys, 1'000);
  read_severity(t, "severity_min", s.severity_min);
  read_events(t, s.events);
  read_zone(t, s.time_zone);
  t.texts("quiet_hours", hours, 10);
  read_severity(t, "quiet_severity_min", s.quiet_severity_min);
  read_minutes(t, "cooldown_minutes", s.cooldown);
  read_minutes(t, "update_interval_minutes", s.update_interval);
  t.number("flap_openings_max", flap_max, 0, kOpeningsMax);
  s.flap_openings_max = flap_max;
  read_minutes(t, "flap_window_minutes", s.flap_window);
  if (s.name.empty()) t.fail(entry, "name", "is missing");
  if (s.channels.empty()) t.fail(entry, "channels", "is missing: names of [[channel]]s");
  for (const std::string& kind : s.kinds) {
    const std::array<std::string_view, 4> kinds{"volume", "negative", "emergent", "coordinated"};
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
      t.fail(*t.take("kinds"), "kinds",
             fmt::format("'{}' is not known; there are {}", kind, fmt::join(kinds, ", ")));
    }
  }
  for (const std::string& text : hours) {
    const auto parsed = parse_hours(text);
    if (!parsed) {
      t.fail(*t.take("quiet_hours"), "quiet_hours",
             fmt::format("'{}' must be written as \"22:00-07:00\"", text));
    } else {
      s.quiet_hours.push_back(*parsed);
    }
  }
  if (!hours.empty() && t.take("time_zone") == nullptr) {
    t.fail(entry, "time_zone", "is missing: quiet_hours need one, such as \"Asia/Shanghai\"");
  }
  if (const toml::node* node = t.take("escalation")) {
    TRY(read_escalation(*node, file, s.escalation));
  }
  TRY(t.finish());
  return s;
}

Status check_is_list(const toml::node& node, const std::string& section, const std::string& file) {
  const toml::array* array = node.as_array();
  if (array != nullptr && array->is_array_of_tables()) return {};
  return Error{Code::kInvalidArgument,
               fmt::format("{}, line {}: {} must be written as [[{}]]", file,
                           node.source().begin.line, section, section)};
}

}  // namespace

const std::string& channel_name(const ChannelOptions& options) {
  return std::visit([](const auto& one) -> const std::string& { return one.name; }, options);
}

Status read_channels(const toml::node& node, const std::string& section, const std::string& file,
                     std::vector<ChannelOptions>& channels) {
  TRY(check_is_list(node, section, file));
  for (const toml::node& entry : *node.as_array()) {
    ConfigTable t(*entry.as_table(), section, file);
    std::string type = section == "webhook" ? "webhook" : "";
    if (section != "webhook") t.text("type", type);
    std::string name = fmt::format("{}-{}", type, channels.size() + 1);
    t.text("name", name);
    ChannelOptions channel = read_channel(t, entry, type, name);
    const bool repeated =
        name == "log" || std::any_of(channels.begin(), channels.end(), [&](const auto& other) {
          return channel_name(other) == name;
        });
    if (repeated) t.fail(entry, "name", fmt::format("'{}' is taken", name));
    if (channels.size() >= kChannelsMax) {
      t.fail(entry, "name", fmt::format("there may be {} channels", kChannelsMax));
    }
    TRY(t.finish());
    channels.push_back(std::move(channel));
  }
  return {};
}

Status read_subscribers(const toml::node& node, const std::string& file,
                        std::vector<Subscriber>& subscribers) {
  TRY(check_is_list(node, "subscriber", file));
  for (const toml::node& entry : *node.as_array()) {
    TRY_ASSIGN(Subscriber subscriber, read_subscriber(entry, file));
    const bool repeated = std::any_of(subscribers.begin(), subscribers.end(),
                                      [&](const auto& s) { return s.name == subscriber.name; });
    if (repeated || subscribers.size() >= kSubscribersMax) {
      return Error{Code::kInvalidArgument,
                   fmt::format("{}, line {}: subscriber.name '{}' {}", file,
                               entry.source().begin.line, subscriber.name,
                               repeated ? "is taken" : "is one too many; there may be 100")};
    }
    subscribers.push_back(std::move(subscriber));
  }
  return {};
}

Status match_subscribers(const std::string& file, const std::vector<ChannelOptions>& channels,
                         std::vector<Subscriber>& subscribers,
                         const std::vector<std::string>& other_uses) {
  std::set<std::string> known;
  for (const ChannelOptions& channel : channels) known.insert(channel_name(channel));
  if (subscribers.empty()) {
    if (channels.empty()) return {};
    Subscriber everyone;
    everyone.name = "everyone";
    everyone.channels.assign(known.begin(), known.end());
    subscribers.push_back(std::move(everyone));
    return {};
  }
  std::set<std::string> used;
  for (const Subscriber& subscriber : subscribers) {
    used.insert(subscriber.channels.begin(), subscriber.channels.end());
    for (const EscalationStep& step : subscriber.escalation) {
      used.insert(step.channels.begin(), step.channels.end());
    }
    for (const std::string& channel : used) {
      if (known.contains(channel)) continue;
      return Error{Code::kInvalidArgument,
                   fmt::format("{}: subscriber '{}' names the channel '{}'; there are: {}", file,
                               subscriber.name, channel, fmt::join(known, ", "))};
    }
  }
  used.insert(other_uses.begin(), other_uses.end());
  for (const std::string& channel : known) {
    if (used.contains(channel)) continue;
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: no subscriber names the channel '{}'; add it to one, or take the "
                             "channel out",
                             file, channel)};
  }
  return {};
}

namespace {

Result<std::unique_ptr<Channel>> make_any(const ChannelOptions& options, const Clock& clock) {
  using Made = std::unique_ptr<Channel>;
  if (const auto* webhook = std::get_if<WebhookOptions>(&options)) {
    TRY_ASSIGN(auto channel, WebhookChannel::create(*webhook, clock));
    return Made(std::move(channel));
  }
  if (const auto* robot = std::get_if<RobotOptions>(&options)) {
    TRY_ASSIGN(auto channel, RobotChannel::create(*robot, clock));
    return Made(std::move(channel));
  }
  TRY_ASSIGN(auto channel, SmtpChannel::create(std::get<SmtpOptions>(options), clock));
  return Made(std::move(channel));
}

}  // namespace

Result<std::unique_ptr<Channel>> make_channel(const ChannelOptions& options, const Clock& clock) {
  auto channel = make_any(options, clock);
  if (channel) return channel;
  return Error{channel.error().code,
               fmt::format("channel '{}': {}", channel_name(options), channel.error().message)};
}

}  // namespace tidewatch

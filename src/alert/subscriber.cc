// SPDX-License-Identifier: Apache-2.0
#include "alert/subscriber.h"

#include <algorithm>

#include "alert/life_cycle.h"

namespace tidewatch {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// A province takes in its cities: "广东" has "广东 深圳".
bool takes_in_region(const std::vector<std::string>& regions, const std::string& region) {
  return std::any_of(regions.begin(), regions.end(), [&](const std::string& wanted) {
    return region == wanted || (region.size() > wanted.size() && region.starts_with(wanted) &&
                                region[wanted.size()] == ' ');
  });
}

bool is_inside(const QuietHours& hours, int minute) {
  if (hours.from <= hours.until) return minute >= hours.from && minute < hours.until;
  return minute >= hours.from || minute < hours.until;
}

Severity severity_in(const Alert& alert) {
  return parse_severity(alert.severity).value_or(Severity::kInfo);
}

// How often the key opened within the flap window, this alert included.
std::size_t openings_within(const Telling& own, std::span<const Telling> known, EventTime since) {
  const auto count = [&](const Telling& telling) {
    return static_cast<std::size_t>(
        std::count_if(telling.openings.begin(), telling.openings.end(),
                      [&](EventTime opening) { return opening > since; }));
  };
  std::size_t openings = count(own);
  for (const Telling& other : known) {
    if (other.alert_id != own.alert_id) openings += count(other);
  }
  return openings;
}

// Another alert of the key, told so recently that this one would be a repetition.
bool is_cooling_down(const Subscriber& subscriber, const Telling& own, Severity severity,
                     std::span<const Telling> known, EventTime now) {
  return std::any_of(known.begin(), known.end(), [&](const Telling& other) {
    return other.alert_id != own.alert_id && other.first_at &&
           now - *other.first_at < subscriber.cooldown && severity <= other.severity;
  });
}

Telling telling_before(const Subscriber& subscriber, const Alert& alert,
                       std::span<const Telling> known) {
  for (const Telling& telling : known) {
    if (telling.alert_id == alert.id) return telling;
  }
  Telling fresh;
  fresh.subscriber = subscriber.name;
  fresh.alert_id = alert.id;
  return fresh;
}

// Why news of an alert that the subscriber has part in is not told; empty: it is.
std::string reason_against(const Subscriber& subscriber, const Alert& alert, AlertEvent event,
                           const Telling& telling, bool opens, std::span<const Telling> known,
                           EventTime now) {
  const Severity severity = severity_in(alert);
  const bool told = telling.first_at.has_value();
  const bool graver = told && severity > telling.severity;
  if (alert.muted_until && now < *alert.muted_until) return "muted";
  if (alert.state == "resolved" && event != AlertEvent::kResolved) return "resolved";
  if (!told && (event == AlertEvent::kClosed || is_action(event))) return "never told";
  const bool flaps =
      subscriber.flap_openings_max > 0 &&
      openings_within(telling, known, now - subscriber.flap_window) > subscriber.flap_openings_max;
  if (flaps && !graver) return "flapping";
  if (!told && is_cooling_down(subscriber, telling, severity, known, now)) return "cooldown";
  const AlertEvent as = told && !opens ? event : is_action(event) ? event : AlertEvent::kOpened;
  if (!subscriber.events.contains(as) && !graver) return "not subscribed";
  if (event == AlertEvent::kUpdated && told && !opens && !graver &&
      now - telling.last_at < subscriber.update_interval) {
    return "update interval";
  }
  return {};
}

// Whether one of the keys is this one, or stands for all of its kind.
bool names_key(const std::vector<std::string>& keys, std::string_view key) {
  return std::any_of(keys.begin(), keys.end(), [&](const std::string& named) {
    if (named == "rule:*" || named == "kw:*") {
      return key.starts_with(std::string_view{named}.substr(0, named.size() - 1));
    }
    return named == key;
  });
}

// Insertions, deletions and replacements of bytes between two names (V. I. Levenshtein, 1966).
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

// Null when none is near enough to be what was meant: half of the letters may differ.
const std::string* nearest_of(std::string_view name, std::span<const std::string> names) {
  const std::string* nearest = nullptr;
  std::size_t fewest = name.size() / 2 + 1;
  for (const std::string& candidate : names) {
    const std::size_t edits = edits_between(name, candidate);
    if (edits >= fewest) continue;
    fewest = edits;
    nearest = &candidate;
  }
  return nearest;
}

}  // namespace

Status check_topics(std::span<const Subscriber> subscribers, std::span<const std::string> topics) {
  for (const Subscriber& subscriber : subscribers) {
    for (const std::string& topic : subscriber.topics) {
      if (topic == "*" || std::find(topics.begin(), topics.end(), topic) != topics.end()) continue;
      std::string reason = "subscriber '" + subscriber.name + "' names the topic '" + topic +
                           "', which no model has";
      if (const std::string* const nearest = nearest_of(topic, topics); nearest != nullptr) {
        reason += "; did you mean '" + *nearest + "'?";
      }
      reason += " Topics: *";
      for (const std::string& known : topics) reason += ", " + known;
      return Error{Code::kInvalidArgument, std::move(reason)};
    }
  }
  return {};
}

bool wants(const Subscriber& subscriber, const Alert& alert) {
  if (severity_in(alert) < subscriber.severity_min) return false;
  if (!subscriber.kinds.empty() && !contains(subscriber.kinds, alert.kind)) return false;
  if (names_key(subscriber.keys, alert.key)) return true;
  if (subscriber.topics.empty() && subscriber.regions.empty()) return subscriber.keys.empty();
  return (subscriber.topics.empty() || contains(subscriber.topics, alert.topic)) &&
         (subscriber.regions.empty() || takes_in_region(subscriber.regions, alert.region));
}

std::optional<EventTime> quiet_until(const Subscriber& subscriber, Severity severity,
                                     EventTime now) {
  if (severity >= subscriber.quiet_severity_min) return std::nullopt;
  // Ranges may touch or overlap: go on from the end of one while another holds.
  EventTime until = now;
  for (std::size_t i = 0; i <= subscriber.quiet_hours.size(); ++i) {
    const int minute = subscriber.time_zone.minute_of_day(until);
    const auto inside =
        std::find_if(subscriber.quiet_hours.begin(), subscriber.quiet_hours.end(),
                     [&](const QuietHours& hours) { return is_inside(hours, minute); });
    if (inside == subscriber.quiet_hours.end()) break;
    until = subscriber.time_zone.next(until, inside->until);
  }
  if (until == now) return std::nullopt;
  return until;
}

Verdict decide(const Subscriber& subscriber, const Alert& alert, AlertEvent event,
               std::span<const Telling> known, EventTime now) {
  Verdict verdict;
  Telling telling = telling_before(subscriber, alert, known);
  const bool known_already = !telling.key.empty();
  if (!known_already && !wants(subscriber, alert)) return verdict;

  const bool opens =
      !is_action(event) && event != AlertEvent::kClosed && (!known_already || telling.ended);
  telling.key = alert.key;
  telling.ended = alert.closed_at.has_value();
  if (opens) {
    telling.openings.push_back(now);
    if (telling.openings.size() > kOpeningsMax) telling.openings.erase(telling.openings.begin());
  }
  verdict.reason = reason_against(subscriber, alert, event, telling, opens, known, now);
  verdict.tell = verdict.reason.empty();
  if (verdict.tell) {
    const Severity severity = severity_in(alert);
    verdict.not_before = quiet_until(subscriber, severity, now).value_or(now);
    if (!telling.first_at) telling.first_at = verdict.not_before;
    telling.last_at = now;
    telling.severity = std::max(telling.severity, severity);
    if (opens && subscriber.flap_openings_max > 0 &&
        openings_within(telling, known, now - subscriber.flap_window) ==
            subscriber.flap_openings_max) {
      verdict.note = "opened " + std::to_string(subscriber.flap_openings_max) + " times within " +
                     std::to_string(subscriber.flap_window.count()) +
                     " min; not told again until it is calmer or graver";
    }
  }
  verdict.telling = std::move(telling);
  return verdict;
}

std::optional<std::size_t> next_escalation(const Subscriber& subscriber, const Alert& alert,
                                           const Telling& telling, EventTime now) {
  const std::size_t step = telling.escalations;
  if (step >= subscriber.escalation.size() || !telling.first_at) return std::nullopt;
  if (!is_pending(alert) || alert.state == "acknowledged") return std::nullopt;
  if (alert.muted_until && now < *alert.muted_until) return std::nullopt;
  if (now - *telling.first_at < subscriber.escalation[step].after) return std::nullopt;
  if (quiet_until(subscriber, severity_in(alert), now)) return std::nullopt;
  return step;
}

}  // namespace tidewatch

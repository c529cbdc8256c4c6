// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "alert/alert.h"
#include "alert/severity.h"
#include "alert/time_zone.h"
#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// Part of each local day; `from` after `until` goes over midnight. Minutes of the day.
struct QuietHours {
  int from = 0;
  int until = 0;
};

// One more circle of people to ask when nobody acknowledges an alert.
struct EscalationStep {
  std::chrono::minutes after{15};  // since this subscriber was first told
  std::vector<std::string> channels;
};

// Who wants to be told what, over which channels, and when not. A plain value.
struct Subscriber {
  std::string name;
  std::vector<std::string> channels;

  // What. An empty list: all of them.
  std::vector<std::string> topics;   // labels of the model; "*": alerts over all topics
  std::vector<std::string> regions;  // a province takes in its cities ("广东" has "广东 深圳")
  std::vector<std::string> kinds;    // volume, negative, emergent, coordinated
  // Text forms (#高考#, kw:退款, rule:退款潮), beside topics and regions. "rule:*": every rule;
  // "kw:*": every keyword.
  std::vector<std::string> keys;
  Severity severity_min = Severity::kInfo;
  std::set<AlertEvent> events{AlertEvent::kOpened, AlertEvent::kUpdated, AlertEvent::kClosed};

  // When not. Held messages are sent, one for each alert, when the quiet hours end.
  TimeZone time_zone;
  std::vector<QuietHours> quiet_hours;
  Severity quiet_severity_min = Severity::kCritical;  // from this on told at once

  // How often. What is graver than before passes all three.
  std::chrono::minutes cooldown{0};         // no new alert of the same key so soon after another
  std::chrono::minutes update_interval{0};  // between two updates of one alert
  std::size_t flap_openings_max = 0;        // 0: off. A key that opens more often than so within
  std::chrono::minutes flap_window{60};     // this time is not told until it is calmer

  std::vector<EscalationStep> escalation;
};

// What one subscriber knows of one alert. The store keeps it, so that a restart tells nothing
// twice and forgets no escalation. All times are wall clock.
struct Telling {
  std::string subscriber;
  std::string alert_id;
  std::string key;
  std::optional<EventTime> first_at;  // told, or to be told when quiet hours end; nothing: not yet
  EventTime last_at{};                // of the last message, or of the last news
  Severity severity = Severity::kInfo;  // the worst told
  std::uint32_t escalations = 0;        // steps made
  bool ended = false;                   // the wave was over at the last news
  std::vector<EventTime> openings;      // the last kOpeningsMax, told or not
};
inline constexpr std::size_t kOpeningsMax = 32;

struct Verdict {
  bool tell = false;
  EventTime not_before{};          // later than now: held by quiet hours
  std::string note;                // for people, why this message is special; usually empty
  std::string reason;              // why not, for the log: "muted", "cooldown", …; empty when told
  std::optional<Telling> telling;  // as it is afterwards; nothing: the subscriber has no part in it
};

// Whether all topics that subscribers name are among those of the model, or "*". kInvalidArgument
// names the subscriber, the topic and the nearest one that there is.
Status check_topics(std::span<const Subscriber> subscribers, std::span<const std::string> topics);

// Whether the subscriber wants alerts of this sort.
bool wants(const Subscriber& subscriber, const Alert& alert);

// Decides what the subscriber is told of news of an alert. Pure: `known` are its tellings of this
// alert (the one with the same id) and of others with the same key, and `now` is the only clock.
// Not for escalations: see next_escalation.
Verdict decide(const Subscriber& subscriber, const Alert& alert, AlertEvent event,
               std::span<const Telling> known, EventTime now);

// The step that is due because nobody acknowledged the alert, if one is. Waits while quiet hours
// hold the alert back.
std::optional<std::size_t> next_escalation(const Subscriber& subscriber, const Alert& alert,
                                           const Telling& telling, EventTime now);

// When quiet hours that hold an alert of this severity at `now` are over; nothing: not held.
std::optional<EventTime> quiet_until(const Subscriber& subscriber, Severity severity,
                                     EventTime now);

}  // namespace tidewatch

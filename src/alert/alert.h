// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregate/recent_posts.h"
#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// How many posts a minute are expected until `at`, on average, with an 80 % interval.
struct AlertForecast {
  EventTime at{};
  double low = 0;
  double expected = 0;
  double high = 0;
};

// What people are told. One shape everywhere: GET /v1/alerts, `replay --json`, webhooks.
// Ids derive from content and event time (key, kind, opened_at), so the same stream gives the
// same ids and an alert told twice is recognised.
struct Alert {
  std::string id;        // "al_" and 16 hex digits
  std::string key;       // text form of the KeyName
  std::string topic;     // "*" when the key has none
  std::string region;    // "*" when the key has none
  std::string kind;      // volume | negative | emergent | coordinated
  std::string severity;  // info | warning | critical
  std::string state;     // open | escalated | acknowledged | resolved | closed: see life_cycle.h
  std::string title;     // one line for people, Chinese: "财经 · 广东:讨论量升至 3 倍"
  EventTime onset_at{};  // estimate of when it began
  EventTime opened_at{};
  EventTime updated_at{};
  std::optional<EventTime> closed_at;
  double from_rate = 0;  // posts a minute (kind negative: share 0..1)
  double to_rate = 0;
  double score = 0;
  std::uint64_t posts = 0;
  std::uint64_t authors = 0;
  std::uint64_t texts = 0;
  std::vector<std::pair<std::string, double>> emotions;  // label, share; largest first
  std::vector<std::string> terms;                        // most telling first, at most 8
  std::vector<std::string> evidence;                     // post ids, at least three
  std::optional<EventTime> muted_until{};                // wall clock: nobody is told before
  WaveShape shape{};                                     // top accounts and cascade
  std::optional<AlertForecast> forecast{};
  // Of a volume wave over all regions: the provinces it is in when it is not in all, largest ratio
  // first.
  std::vector<std::string> provinces{};
  // Change of the rate's logarithm a minute (0.1: about 10 % more each minute), as the forecast.
  std::optional<double> acceleration{};
};

// What happened to an alert: the first three come from the stream, the others from people or from
// a timer (life_cycle.h).
enum class AlertEvent : std::uint8_t {
  kOpened,
  kUpdated,
  kClosed,
  kEscalated,
  kAcknowledged,
  kResolved,
  kReopened,
  kMuted,
  kUnmuted
};

// "opened", "updated", "closed", "escalated", …
std::string_view event_name(AlertEvent event) noexcept;
// Whether it comes from people or a timer, and not from the stream.
bool is_action(AlertEvent event) noexcept;

// The one JSON shape: one object, UTF-8 (what is not becomes U+FFFD), times as RFC 3339 in UTC,
// closed_at null while open.
std::string to_json(const Alert& alert);

// The same with a last member "event": what webhooks and GET /v1/live carry.
std::string to_json(const Alert& alert, AlertEvent event);

// The inverse of both; an "event" and unknown members are ignored. kInvalidArgument names the
// member that is missing or wrong.
Result<Alert> alert_from_json(std::string_view json);

// The dedupe key of telling this event on this channel: id, event, revision (updated_at) and
// channel. The same stream gives the same keys, so a crash and a replay tell nothing twice.
std::string alert_dedupe_key(const Alert& alert, AlertEvent event, std::string_view channel);

}  // namespace tidewatch

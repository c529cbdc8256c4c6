// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"

namespace tidewatch {

// What people are told. One shape everywhere: GET /v1/alerts, `replay --json`, webhooks.
// Ids derive from content and event time (key, kind, opened_at), so the same stream gives the
// same ids and an alert told twice is recognised.
struct Alert {
  std::string id;         // "al_" and 16 hex digits
  std::string key;        // text form of the KeyName
  std::string topic;      // "*" when the key has none
  std::string region;     // "*" when the key has none
  std::string kind;       // volume | negative | emergent | coordinated
  std::string severity;   // info | warning | critical
  std::string state;      // open | acknowledged | closed
  std::string title;      // one line for people, Chinese: "财经 · 广东:讨论量升至 3 倍"
  EventTime onset_at{};   // estimate of when it began
  EventTime opened_at{};
  EventTime updated_at{};
  std::optional<EventTime> closed_at;
  double from_rate = 0;   // posts a minute (kind negative: share 0..1)
  double to_rate = 0;
  double score = 0;
  std::uint64_t posts = 0;
  std::uint64_t authors = 0;
  std::uint64_t texts = 0;
  std::vector<std::pair<std::string, double>> emotions;  // label, share; largest first
  std::vector<std::string> terms;                        // most telling first, at most 8
  std::vector<std::string> evidence;                     // post ids, at least three
};

// What happened to an alert; each is told once per subscriber.
enum class AlertEvent : std::uint8_t { kOpened, kUpdated, kClosed };

// The one JSON shape: one object, UTF-8, times as RFC 3339 in UTC, closed_at null while open.
std::string to_json(const Alert& alert);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alert/alert.h"
#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// Where an alert stands, and how people and timers move it. Pure: no clock, no threads.
//
//   open ──► escalated ──► acknowledged ──► resolved      by people; escalated also by a timer
//     └──────────┴───────────────┴──────────► closed      by the stream: the wave is over
//
// A resolved alert whose wave goes on is followed in silence; it opens again by itself when its
// severity rises. A closed one whose wave comes back within the merge window is open
// again. `muted_until` stands beside the state: nobody is told before that time.
enum class AlertState : std::uint8_t { kOpen, kEscalated, kAcknowledged, kResolved, kClosed };

std::string_view state_name(AlertState state) noexcept;
std::optional<AlertState> parse_state(std::string_view name) noexcept;

// What one history row says: who did what, when, and why.
struct AlertHistoryEntry {
  EventTime at{};
  std::string action;  // event_name()
  std::string by;      // "tidewatch" for the engine itself
  std::string note;    // may be empty
  std::string state;   // after it
};
inline constexpr std::size_t kHistoryEntriesMax = 200;  // kept of one alert; the oldest go

// The engine's own name in a history.
inline constexpr std::string_view kEngineName = "tidewatch";

struct AlertAction {
  AlertEvent event = AlertEvent::kAcknowledged;  // an is_action() one; kUnmuted is kMuted with 0
  std::string by;                                // who, at most kActorBytesMax
  std::string note;                              // why, at most kNoteBytesMax
  std::chrono::minutes mute{0};                  // kMuted: how long; 0 ends it
};
inline constexpr std::size_t kActorBytesMax = 100;
inline constexpr std::size_t kNoteBytesMax = 1'000;
inline constexpr std::chrono::minutes kMuteMax{7 * 24 * 60};

// Reads {"by":…,"note":…,"minutes":…}; all optional, an empty body too. kInvalidArgument.
Result<AlertAction> parse_action(AlertEvent event, std::string_view json);

// Applies an action to the alert's state and muted_until. Returns its entry, or nothing when it
// changes nothing (acknowledged twice). kFailedPrecondition names the state and what is possible.
Result<std::optional<AlertHistoryEntry>> apply(const AlertAction& action, EventTime now,
                                               Alert& alert);

// The state of an alert that the stream has news of, given how it stood before (nothing: it is
// new). Sets update.alert's state and muted_until; gives the entry of what happened, if anything:
// opened, closed, and reopened for a resolved one that became graver or a closed one that came
// back.
std::optional<AlertHistoryEntry> carry_state(const std::optional<Alert>& before, AlertEvent event,
                                             EventTime now, Alert& alert);

// Whether somebody should still look at it: neither resolved nor closed.
bool is_pending(const Alert& alert) noexcept;

// [{"at":…,"action":…,"by":…,"note":…,"state":…}…]
std::string to_json(const std::vector<AlertHistoryEntry>& history);

}  // namespace tidewatch

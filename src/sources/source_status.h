// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/mutex.h"

namespace tidewatch {

enum class SourceState : std::uint8_t {
  kStarting,  // no connection yet
  kRunning,   // connected, or resting between two polls that went well
  kBehind,    // the engine is behind: the source is slowed down
  kWaiting,   // after an error, until the next attempt
  kStopped,
};
inline constexpr SourceState kSourceStates[] = {SourceState::kStarting, SourceState::kRunning,
                                                SourceState::kBehind, SourceState::kWaiting,
                                                SourceState::kStopped};
std::string_view state_name(SourceState state) noexcept;  // "starting", …

// How a connector fares, for GET /v1/sources and the metrics.
// Threads: every member may be called concurrently.
class SourceStatus {
 public:
  struct View {
    std::string name;
    std::string type;
    SourceState state = SourceState::kStarting;
    std::uint64_t stored = 0;      // posts on disk that were new
    std::uint64_t duplicates = 0;  // posts that the store had already
    std::uint64_t rejected = 0;    // messages that are no posts (kept in NAME.rejected.ndjson)
    std::uint64_t errors = 0;      // connections and requests that failed
    std::uint64_t slowed = 0;      // times that the engine was behind
    // What waits at the other side, where it says so: messages (Kafka), seconds (streams).
    std::optional<double> lag;
    std::string_view lag_unit;
    std::string last_error;
    std::optional<EventTime> last_error_at;
    std::optional<EventTime> last_message_at;
    std::optional<EventTime> next_attempt_at;  // of kWaiting, and between polls
  };

  SourceStatus(std::string name, std::string type, std::string_view lag_unit, const Clock& clock);

  void set_state(SourceState state) EXCLUDES(mu_);
  // A message came.
  void heard() EXCLUDES(mu_);
  void count(std::uint64_t stored, std::uint64_t duplicates) EXCLUDES(mu_);
  void rejected() EXCLUDES(mu_);
  // An error, without secrets; also logged, at most once for the same words in a row.
  void failed(const std::string& why) EXCLUDES(mu_);
  void set_lag(std::optional<double> lag) EXCLUDES(mu_);
  void set_next_attempt(std::optional<EventTime> at) EXCLUDES(mu_);
  View view() const EXCLUDES(mu_);
  const std::string& name() const { return name_; }

 private:
  const std::string name_;
  const Clock& clock_;
  mutable Mutex mu_;
  View view_ GUARDED_BY(mu_);
};

}  // namespace tidewatch

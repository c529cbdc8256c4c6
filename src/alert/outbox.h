// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// One message that must reach one channel at least once.
struct OutboxMessage {
  std::uint64_t id = 0;    // set by the outbox
  std::string dedupe_key;  // alert id + event + revision + channel: put() twice keeps one
  std::string channel;     // name of a configured channel
  std::string body;        // what is sent: JSON
  std::uint32_t attempts = 0;
  EventTime next_attempt_at{};
  std::string last_error;
  // Not empty: put() takes back messages with the same key that are held and not tried so far, so
  // that people find one message about an alert in the morning and not a night's worth of them.
  std::string collapse_key;
  bool held = false;  // its time is later on purpose (quiet hours)
  EventTime created_at{};
  std::optional<EventTime> dead_at;  // a dead letter: not tried again unless a person asks for it
};

// Messages on disk until they are delivered. The store implements it; tests use one in memory.
// A message waits, then it is delivered (and only its dedupe_key is remembered) or dead.
// Threads: every member may be called concurrently. Bound: `put` fails with kResourceExhausted
// when the outbox holds its maximum of waiting ones; nothing already in it is lost.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual Status put(const OutboxMessage& message) = 0;
  // Waiting messages of the channel that are due at `now`, the oldest first.
  virtual Result<std::vector<OutboxMessage>> due(EventTime now, std::string_view channel,
                                                 std::size_t count_max) = 0;
  virtual Status delivered(std::uint64_t id) = 0;
  virtual Status failed(std::uint64_t id, const std::string& error, EventTime next_attempt_at) = 0;
  // Makes it a dead letter, counting the attempt.
  virtual Status give_up(std::uint64_t id, const std::string& error, EventTime now) = 0;
  // Makes dead letters of what waits for channels that are not among these; returns how many.
  virtual Result<std::size_t> give_up_unknown(std::span<const std::string> channels,
                                              EventTime now) = 0;
  virtual Result<std::size_t> size() = 0;  // waiting
};

}  // namespace tidewatch

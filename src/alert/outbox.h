// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
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
};

// Messages on disk until they are delivered. The store implements it; tests use one in memory.
// Threads: every member may be called concurrently. Bound: `put` fails with kResourceExhausted
// when the outbox holds its maximum; nothing already in it is lost.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual Status put(const OutboxMessage& message) = 0;
  // Messages due at `now`, the oldest first.
  virtual Result<std::vector<OutboxMessage>> due(EventTime now, std::size_t count_max) = 0;
  virtual Status delivered(std::uint64_t id) = 0;
  virtual Status failed(std::uint64_t id, const std::string& error, EventTime next_attempt_at) = 0;
  virtual Result<std::size_t> size() = 0;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "alert/outbox.h"
#include "core/mutex.h"

namespace tidewatch {

// An outbox in memory, for tests and for runs without a store. Fails on demand.
// Threads: every member may be called concurrently. Bounds: `messages_max` messages; the dedupe
// keys of the last 65,536 delivered ones are remembered.
class MemoryOutbox final : public Outbox {
 public:
  explicit MemoryOutbox(std::size_t messages_max = 10'000) : messages_max_(messages_max) {}

  Status put(const OutboxMessage& message) override;
  Result<std::vector<OutboxMessage>> due(EventTime now, std::string_view channel,
                                         std::size_t count_max) override;
  Status delivered(std::uint64_t id) override;
  Status failed(std::uint64_t id, const std::string& error, EventTime next_attempt_at) override;
  Status give_up(std::uint64_t id, const std::string& error, EventTime now) override;
  Result<std::size_t> give_up_unknown(std::span<const std::string> channels,
                                      EventTime now) override;
  Result<std::size_t> size() override;

  // The next `count` calls of the named member fail with kUnavailable and change nothing.
  enum class Member : std::uint8_t { kPut, kDue, kDelivered, kFailed };
  void fail_next(Member member, std::size_t count);

  // Every message not delivered, dead letters too, by id.
  std::vector<OutboxMessage> messages() const;

 private:
  bool take_fault(Member member) REQUIRES(mu_);
  std::size_t waiting() const REQUIRES(mu_);

  const std::size_t messages_max_;
  mutable Mutex mu_;
  std::uint64_t last_id_ GUARDED_BY(mu_) = 0;
  std::map<std::uint64_t, OutboxMessage> messages_ GUARDED_BY(mu_);
  std::set<std::string> known_keys_ GUARDED_BY(mu_);
  std::vector<std::string> delivered_keys_ GUARDED_BY(mu_);  // ring, oldest overwritten
  std::size_t delivered_next_ GUARDED_BY(mu_) = 0;
  std::map<Member, std::size_t> faults_ GUARDED_BY(mu_);
};

}  // namespace tidewatch

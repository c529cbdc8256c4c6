// SPDX-License-Identifier: Apache-2.0
#include "alert/memory_outbox.h"

#include <algorithm>

namespace tidewatch {
namespace {

constexpr std::size_t kDeliveredKeysMax = 65'536;

Error injected(const char* what) {
  return Error{Code::kUnavailable, std::string("memory outbox: injected failure of ") + what};
}

}  // namespace

Status MemoryOutbox::put(const OutboxMessage& message) {
  MutexLock lock(mu_);
  if (take_fault(Member::kPut)) return injected("put");
  if (known_keys_.contains(message.dedupe_key)) return {};
  if (waiting() >= messages_max_) {
    return Error{Code::kResourceExhausted,
                 "the outbox is full (" + std::to_string(messages_max_) + " messages)"};
  }
  known_keys_.insert(message.dedupe_key);
  if (!message.collapse_key.empty()) {
    std::erase_if(messages_, [&](const auto& entry) {
      const OutboxMessage& other = entry.second;
      return other.held && other.attempts == 0 && !other.dead_at &&
             other.collapse_key == message.collapse_key;
    });
  }
  OutboxMessage kept = message;
  kept.id = ++last_id_;
  messages_.emplace(kept.id, std::move(kept));
  return {};
}

Result<std::vector<OutboxMessage>> MemoryOutbox::due(EventTime now, std::string_view channel,
                                                     std::size_t count_max) {
  MutexLock lock(mu_);
  if (take_fault(Member::kDue)) return injected("due");
  std::vector<OutboxMessage> found;
  for (const auto& [id, message] : messages_) {
    if (found.size() >= count_max) break;
    if (message.channel == channel && !message.dead_at && message.next_attempt_at <= now) {
      found.push_back(message);
    }
  }
  return found;
}

Status MemoryOutbox::delivered(std::uint64_t id) {
  MutexLock lock(mu_);
  if (take_fault(Member::kDelivered)) return injected("delivered");
  const auto found = messages_.find(id);
  if (found == messages_.end()) return {};
  if (delivered_keys_.size() < kDeliveredKeysMax) {
    delivered_keys_.push_back(found->second.dedupe_key);
  } else {
    std::string& oldest = delivered_keys_[delivered_next_++ % kDeliveredKeysMax];
    known_keys_.erase(oldest);
    oldest = found->second.dedupe_key;
  }
  messages_.erase(found);
  return {};
}

Status MemoryOutbox::failed(std::uint64_t id, const std::string& error, EventTime next_attempt_at) {
  MutexLock lock(mu_);
  if (take_fault(Member::kFailed)) return injected("failed");
  const auto found = messages_.find(id);
  if (found == messages_.end()) {
    return Error{Code::kNotFound, "the outbox has no message " + std::to_string(id)};
  }
  ++found->second.attempts;
  found->second.last_error = error;
  found->second.next_attempt_at = next_attempt_at;
  return {};
}

Status MemoryOutbox::give_up(std::uint64_t id, const std::string& error, EventTime now) {
  MutexLock lock(mu_);
  if (take_fault(Member::kFailed)) return injected("give_up");
  const auto found = messages_.find(id);
  if (found == messages_.end()) return {};
  ++found->second.attempts;
  found->second.last_error = error;
  found->second.dead_at = now;
  return {};
}

Result<std::size_t> MemoryOutbox::give_up_unknown(std::span<const std::string> channels,
                                                  EventTime now) {
  MutexLock lock(mu_);
  std::size_t gone = 0;
  for (auto& [id, message] : messages_) {
    if (message.dead_at ||
        std::find(channels.begin(), channels.end(), message.channel) != channels.end()) {
      continue;
    }
    message.dead_at = now;
    message.last_error = "channel '" + message.channel + "' is not configured";
    ++gone;
  }
  return gone;
}

Result<std::size_t> MemoryOutbox::size() {
  MutexLock lock(mu_);
  return waiting();
}

std::size_t MemoryOutbox::waiting() const {
  return static_cast<std::size_t>(std::count_if(
      messages_.begin(), messages_.end(), [](const auto& entry) { return !entry.second.dead_at; }));
}

void MemoryOutbox::fail_next(Member member, std::size_t count) {
  MutexLock lock(mu_);
  faults_[member] = count;
}

std::vector<OutboxMessage> MemoryOutbox::messages() const {
  MutexLock lock(mu_);
  std::vector<OutboxMessage> all;
  all.reserve(messages_.size());
  for (const auto& [id, message] : messages_) all.push_back(message);
  return all;
}

bool MemoryOutbox::take_fault(Member member) {
  const auto found = faults_.find(member);
  if (found == faults_.end() || found->second == 0) return false;
  --found->second;
  return true;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "alert/outbox.h"
#include "alert/rate_limit.h"
#include "core/result.h"

namespace tidewatch {

// One way to reach people or their systems. The outbox sender calls it; at least once.
// Threads: send is called from one thread at a time and blocks at most the channel's time-out;
// name and stop may be called from any thread.
class Channel {
 public:
  virtual ~Channel() = default;
  virtual std::string_view name() const = 0;

  // Ok: the receiver has taken it. Else the code says what to do (verdict_on):
  //   kUnavailable, kDeadlineExceeded   the receiver cannot be reached now: the channel rests
  //   kResourceExhausted                too fast: the channel rests for error.retry_after
  //   kCancelled                        stop was called
  //   kInternal, kUnknown, kAborted,    this message failed; it may go another time
  //   kDataLoss
  //   any other                         this message will never be taken: a dead letter
  virtual Status send(const OutboxMessage& message) = 0;

  // How fast the receiver takes messages, its punishments kept well away from; empty: any speed.
  virtual std::vector<RateLimit> limits() const { return {}; }

  // For people: "webhook", "dingtalk", …
  virtual std::string_view kind() const { return "log"; }

  // Makes a send that is blocked, and all later ones, return soon.
  virtual void stop() {}
};

}  // namespace tidewatch

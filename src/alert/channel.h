// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "alert/outbox.h"
#include "core/result.h"

namespace tidewatch {

// One way to reach people or their systems. The outbox sender calls it; at least once.
// Threads: send is called from one thread at a time and blocks at most the channel's time-out;
// name and stop may be called from any thread.
class Channel {
 public:
  virtual ~Channel() = default;
  virtual std::string_view name() const = 0;

  // Ok: the receiver has taken it. kUnavailable, kDeadlineExceeded: the receiver cannot be reached
  // now (the sender lets the whole channel rest). kCancelled: stop was called. Any other: this
  // message was refused; others may go.
  virtual Status send(const OutboxMessage& message) = 0;

  // Makes a send that is blocked, and all later ones, return soon.
  virtual void stop() {}
};

}  // namespace tidewatch

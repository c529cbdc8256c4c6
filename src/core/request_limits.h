// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "core/clock.h"

namespace tidewatch {

// Who goes first when there is more than can be run. A lower priority is a handicap in time
// (batch/urgency.h), not a queue of its own: whatever waits long enough comes first.
enum class Priority : std::uint8_t { kHigh, kNormal, kLow };
inline constexpr std::size_t kPriorities = 3;

// Set by whoever asked, when the answer is no longer wanted; read by whoever works for it.
using CancelFlag = std::atomic<bool>;

// What bounds one request on its way through queue and compute.
struct RequestLimits {
  SteadyTime deadline = SteadyTime::max();  // max(): none
  Priority priority = Priority::kNormal;
  std::shared_ptr<const CancelFlag> cancelled;  // null: cannot be cancelled

  bool is_cancelled() const noexcept {
    return cancelled && cancelled->load(std::memory_order_relaxed);
  }
};

}  // namespace tidewatch

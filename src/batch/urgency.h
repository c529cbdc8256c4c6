// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "core/clock.h"
#include "core/request_limits.h"

namespace tidewatch {

// What a text without a deadline is taken to have, from when it is queued.
inline constexpr std::chrono::milliseconds kSlackWithoutDeadline{1'000};

// Who goes first: the earliest deadline (Liu and Layland, 1973), with priorities as a head start or
// a handicap in time. A constant offset ages by itself: a text of low priority is overtaken only by
// what came within the handicap after it, so nothing starves.
inline constexpr std::chrono::milliseconds kHighHeadStart{100};
inline constexpr std::chrono::milliseconds kLowHandicap{200};

// Smaller goes first. Nanoseconds of the steady clock.
inline std::int64_t urgency(const RequestLimits& limits, SteadyTime enqueued_at) noexcept {
  const SteadyTime due = std::min(limits.deadline, enqueued_at + kSlackWithoutDeadline);
  const auto offset = limits.priority == Priority::kHigh  ? -kHighHeadStart
                      : limits.priority == Priority::kLow ? kLowHandicap
                                                          : std::chrono::milliseconds{0};
  return std::chrono::duration_cast<std::chrono::nanoseconds>((due + offset).time_since_epoch())
      .count();
}

}  // namespace tidewatch

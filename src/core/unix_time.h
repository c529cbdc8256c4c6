// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

#include "core/clock.h"

namespace tidewatch {

// The whole Unix seconds of a time, rounded down. Pure.
inline std::int64_t unix_seconds(EventTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace tidewatch

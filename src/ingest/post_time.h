// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "core/clock.h"

namespace tidewatch {

// Times that a post may have: 1970-01-01 to 2100-01-01, UTC.
inline constexpr double kTimeSecondsMax = 4'102'444'800.0;

// Unix time as a number: seconds up to the year 2100, milliseconds from 1973 on; the magnitude
// tells. Nothing: out of range or not finite.
std::optional<EventTime> time_from_number(double number) noexcept;

// RFC 3339, or such a number as text. Nothing: neither, or out of range.
std::optional<EventTime> time_from_text(std::string_view text) noexcept;

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"

namespace tidewatch {

// "2026-11-23T04:31:05Z", with milliseconds (".120") only when they are not zero. UTC.
std::string to_rfc3339(EventTime time);

// Reads an RFC 3339 date and time: `T`, `t` or a space between them, any fraction (cut to
// milliseconds), `Z` or an offset, which is required. Nothing: not one, or not a real date.
std::optional<EventTime> parse_rfc3339(std::string_view text) noexcept;

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"

namespace tidewatch {

// Days since 1899-12-30 of local time, as Excel counts, as a time; `offset` is of the local time
// from UTC. Nothing outside 1970-2100.
std::optional<EventTime> from_serial_date(double days, std::chrono::minutes offset);

// Reads a time as people write it in tables: RFC 3339; 2026-11-23 8:05[:30[.5]], 2026/11/23,
// 2026年11月23日 8时5分, 20261123; Unix seconds or milliseconds; a number from 20,000 to 80,000
// (and with a fraction) is Excel's. Without an offset of its own it is local time.
std::optional<EventTime> parse_table_time(std::string_view text, std::chrono::minutes offset);

// Whether a number format of a sheet ("yyyy/m/d h:mm") shows dates or times.
bool is_date_format(std::string_view format);
bool is_date_format_id(int id);  // of the built-in ones

// "+08:00", "-0330", "Z"; nothing when it is none.
std::optional<std::chrono::minutes> parse_utc_offset(std::string_view text);

// Counts as they are written: 1,234; 1.2万; 3亿; 10w+. Nothing: not one.
std::optional<std::int64_t> parse_table_count(std::string_view text);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidewatch {

// Readers of single JSON values as they stand in a text; for what simdjson's on-demand parser
// skips over without checking it, and for strings with escapes that it refuses. Input is
// well-formed UTF-8.

// Appends what the inside of a JSON string (between its quotes) says. Lone surrogate escapes and
// U+0000 become U+FFFD. Control characters have been refused before. False: an escape that JSON
// does not know; `out` may then have a part of it.
bool append_unescaped(std::string_view inside, std::string& out);

// Appends one value without white space outside strings; lone surrogate escapes become \ufffd.
// Anything else stands as it was, numbers too. False: not exactly one valid value, or nested
// deeper than `depth_max` arrays and objects; `out` may then have a part of it.
enum class RawJson : std::uint8_t { kOk, kInvalid, kTooDeep };
RawJson append_compact(std::string_view value, int depth_max, std::string& out);

// True for a number as JSON writes it: -0.5e+3, but not 01, .5, +1 or NaN.
bool is_json_number(std::string_view token) noexcept;

// True for a JSON number without fraction and exponent.
bool is_json_integer(std::string_view token) noexcept;

}  // namespace tidewatch

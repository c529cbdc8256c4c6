// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tidewatch {

// Whether `text` is UTF-8 (no surrogates, no overlong forms). Fast: SIMD chosen at run time.
bool is_utf8(std::string_view text) noexcept;

// Appends `text` to `out` with one U+FFFD for each maximal ill-formed part (Unicode 15, section
// 3.9; as Python's errors="replace") and for each U+0000.
void append_repaired_utf8(std::string_view text, std::string& out);

// Replaces, within JSON, escapes of lone surrogates and of U+0000 by \ufffd, in place: the length
// stays. Proper pairs stay.
void repair_escapes(std::string& json) noexcept;

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tidewatch {

// True when the bytes are well-formed UTF-8 (no surrogates, no over-long forms). Vectorised.
bool is_utf8(std::string_view bytes) noexcept;

// Appends the bytes with one U+FFFD for each maximal subpart of an ill-formed sequence, as
// Python's bytes.decode("utf-8", "replace") and the W3C encoding standard do.
void append_replacing(std::string_view bytes, std::string& out);

// Appends one code point; surrogates and numbers past U+10FFFF become U+FFFD.
void append_code_point(char32_t code_point, std::string& out);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tidewatch {

// Appends `text` to `out` as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD, one for
// each maximal ill-formed part; control characters are escaped. Never fails.
void append_json_string(std::string& out, std::string_view text);

// Appends a finite number in the shortest form that reads back equal; null for NaN and infinities.
void append_json_number(std::string& out, double number);

}  // namespace tidewatch

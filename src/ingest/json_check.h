// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tidewatch {

struct JsonProblem {
  std::size_t offset = 0;  // bytes from the start
  std::string what;        // "expected ':'"
};

// Checks that `text` is exactly one JSON value (RFC 8259) nested at most `depth_max` deep. Done
// before simdjson's on-demand parser, which looks only at what it is asked for. Text is taken to
// be UTF-8. Uses no recursion: any input is safe. Nothing: it is.
std::optional<JsonProblem> check_json(std::string_view text, int depth_max);

}  // namespace tidewatch

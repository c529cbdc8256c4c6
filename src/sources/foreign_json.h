// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

inline constexpr std::size_t kForeignJsonDepthMax = 64;

// Parses JSON that someone else wrote: copying or writing a value recurses once a level, so that
// the levels are counted before anything is built. Any thread. kInvalidArgument: no JSON, or arrays
// and objects nested deeper than kForeignJsonDepthMax.
Result<nlohmann::json> parse_foreign_json(std::string_view text);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

inline constexpr std::size_t kForeignJsonDepthMax = 64;

// Parses JSON that someone else wrote: copying or writing a value recurses once a level, so that
// the levels are counted before anything is built. Any thread. kInvalidArgument: no JSON, or arrays
// and objects nested deeper than kForeignJsonDepthMax.
Result<nlohmann::json> parse_foreign_json(std::string_view text);

// The count that `object` has under `key`; 0 where it has none. Nothing: it is no object, or what
// it has there is no whole number from 0.
std::optional<std::uint64_t> foreign_count(const nlohmann::json& object, const char* key);

// The text that an object has under `key`; empty where it has none.
std::string foreign_text(const nlohmann::json& object, const char* key);

}  // namespace tidewatch

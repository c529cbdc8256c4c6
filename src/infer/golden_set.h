// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "infer/scores.h"

namespace tidewatch {

// A text that models are compared on, and its truth where it is known.
struct GoldenText {
  std::string text;
  std::uint8_t emotion = kNoLabel;
  std::uint8_t topic = kNoLabel;
};

inline constexpr std::size_t kGoldenTextsMax = 10'000;

// Reads {"format":1,"texts":[{"text":…,"emotion":…,"topic":…},…]}; both labels are optional, and a
// label that the schema lacks is as good as none. `name` is used in messages. kInvalidArgument.
Result<std::vector<GoldenText>> parse_golden_set(std::string_view text, const LabelSchema& labels,
                                                 std::string_view name);

// models/golden.json, built in.
std::string_view bundled_golden_json();

}  // namespace tidewatch

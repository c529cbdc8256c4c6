// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

// What a model is asked to compute in. kAuto: INT8 where this processor has VNNI, the model has a
// calibration and its backend says that it pays; otherwise FP32.
enum class Precision : std::uint8_t { kAuto, kFp32, kInt8 };

std::string_view precision_name(Precision precision) noexcept;  // "auto", "fp32", "int8"
// kInvalidArgument lists what is allowed.
Result<Precision> parse_precision(std::string_view text);

}  // namespace tidewatch

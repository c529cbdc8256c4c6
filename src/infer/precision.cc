// SPDX-License-Identifier: Apache-2.0
#include "infer/precision.h"

#include <fmt/format.h>

namespace tidewatch {

std::string_view precision_name(Precision precision) noexcept {
  switch (precision) {
    case Precision::kFp32:
      return "fp32";
    case Precision::kInt8:
      return "int8";
    case Precision::kAuto:
      break;
  }
  return "auto";
}

Result<Precision> parse_precision(std::string_view text) {
  for (const Precision p : {Precision::kAuto, Precision::kFp32, Precision::kInt8}) {
    if (text == precision_name(p)) return p;
  }
  return Error{Code::kInvalidArgument,
               fmt::format("precision '{}': must be auto, fp32 or int8", text)};
}

}  // namespace tidewatch

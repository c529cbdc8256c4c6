// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/half.h"

#include <bit>

namespace tidewatch::tensorrt {

std::uint16_t to_half(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return sign | 0x7E00U;   // not a number
  if (magnitude >= 0x477FF000U) return sign | 0x7C00U;  // rounds to more than 65,504
  if (magnitude < 0x38800000U) {
    // Subnormal: adding 0.5 leaves the bits of value * 2^24, rounded, at the low end.
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3F000000U));
  }
  const std::uint32_t odd = (magnitude >> 13) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13));
}

std::vector<std::uint16_t> to_halves(std::span<const float> values) {
  std::vector<std::uint16_t> halves;
  halves.reserve(values.size());
  for (const float value : values) halves.push_back(to_half(value));
  return halves;
}

}  // namespace tidewatch::tensorrt

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tidewatch::tensorrt {

// IEEE 754 binary16 of a float, rounded to even; what is too large becomes infinity.
std::uint16_t to_half(float value) noexcept;
std::vector<std::uint16_t> to_halves(std::span<const float> values);

}  // namespace tidewatch::tensorrt

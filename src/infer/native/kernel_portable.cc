// SPDX-License-Identifier: Apache-2.0
// Plain C++: for processors of other families, and what the others are compared with.
#include <bit>

#include "infer/native/kernel_body.h"

namespace tidewatch::native {
namespace {

float from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t magnitude = half & 0x7FFFU;
  if (magnitude >= 0x7C00U) {  // infinite or not a number
    return std::bit_cast<float>(sign | 0x7F800000U | (magnitude << 13));
  }
  // Scaling by 2^112 moves the exponent, and makes subnormal halves normal.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(scaled));
}

struct Portable {
  struct F {
    float lane[kLanes];
  };
  struct I {
    std::int32_t lane[kLanes];
  };
  struct Inputs {
    std::int32_t byte[4];
  };
  using Weights = const std::int8_t*;
  static constexpr std::size_t kByteRows = 2;
  static constexpr std::size_t kByteVectors = 1;
  static constexpr std::size_t kFloatRows = 2;
  static constexpr std::size_t kFloatVectors = 1;
  static constexpr std::size_t kPoolVectors = 1;

  template <typename Make>
  static F each(Make make) {
    F result;
    for (std::size_t i = 0; i < kLanes; ++i) result.lane[i] = make(i);
    return result;
  }
  static F load(const float* from) {
    return each([&](std::size_t i) { return from[i]; });
  }
  static void store(float* to, const F& a) {
    for (std::size_t i = 0; i < kLanes; ++i) to[i] = a.lane[i];
  }
  static F broadcast(float a) {
    return each([&](std::size_t) { return a; });
  }
  static F add(const F& a, const F& b) {
    return each([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
  }
  static F mul(const F& a, const F& b) {
    return each([&](std::size_t i) { return a.lane[i] * b.lane[i]; });
  }
  static F fma(const F& a, const F& b, const F& c) {
    return each([&](std::size_t i) { return __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]); });
  }
  static F max(const F& a, const F& b) {
    return each([&](std::size_t i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static F round(const F& a) {
    return each([&](std::size_t i) { return __builtin_nearbyintf(a.lane[i]); });
  }
  static F to_float(const I& a) {
    return each([&](std::size_t i) { return static_cast<float>(a.lane[i]); });
  }
  static F times_power_of_two(const F& a, const F& n) {
    return each([&](std::size_t i) {
      const auto exponent = static_cast<std::uint32_t>(static_cast<std::int32_t>(n.lane[i]) + 127);
      return a.lane[i] * std::bit_cast<float>(exponent << 23);
    });
  }
  static float sum(F a) {
    for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) a.lane[i] += a.lane[i + half];
    }
    return a.lane[0];
  }
  template <bool Half>
  static F load_table(const std::uint8_t* from) {
    if constexpr (Half) {
      std::uint16_t halves[kLanes];
      __builtin_memcpy(halves, from, sizeof halves);
      return each([&](std::size_t i) { return from_half(halves[i]); });
    } else {
      F result;
      __builtin_memcpy(result.lane, from, sizeof result.lane);
      return result;
    }
  }
  template <bool Signed>
  static void store_bytes(std::uint8_t* to, const F& a) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      float value = a.lane[i] < 127.0F ? a.lane[i] : 127.0F;
      value = value > -128.0F ? value : -128.0F;
      const auto whole = static_cast<std::int32_t>(__builtin_nearbyintf(value));
      to[i] = static_cast<std::uint8_t>(whole + (Signed ? kSignedZero : kUnsignedZero));
    }
  }
  template <bool Signed>
  static I start(const std::int32_t* from) {
    I result;
    for (std::size_t i = 0; i < kLanes; ++i) result.lane[i] = from[i];
    return result;
  }
  static Weights load_weights(const std::int8_t* from) { return from; }
  template <bool Signed>
  static Inputs load_inputs(const std::uint8_t* from) {
    return {{from[0], from[1], from[2], from[3]}};
  }
  template <bool Signed>
  static I dot(I acc, const Inputs& a, Weights w) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      for (std::size_t j = 0; j < 4; ++j) acc.lane[i] += a.byte[j] * w[i * 4 + j];
    }
    return acc;
  }
};

}  // namespace

const Kernel kPortableKernel{"portable", pool_int8<Portable>, pool_fp32<Portable>,
                             classify<Portable>};

}  // namespace tidewatch::native

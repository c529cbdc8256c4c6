// SPDX-License-Identifier: Apache-2.0
// Compiled with -mavx2 -mfma -mf16c (CMakeLists.txt): nothing but intrinsics and the body, so that
// no such code can be linked into the rest of the program.
#include <immintrin.h>

#include "infer/native/kernel_body.h"

namespace tidewatch::native {
namespace {

struct Avx2 {
  struct F {
    __m256 low, high;
  };
  struct I {
    __m256i low, high;
  };
  using Weights = I;
  struct Inputs {
    __m256i value, magnitude;
  };
  static constexpr std::size_t kByteRows = 4;
  static constexpr std::size_t kByteVectors = 1;
  static constexpr std::size_t kFloatRows = 6;
  static constexpr std::size_t kFloatVectors = 1;
  static constexpr std::size_t kPoolVectors = 2;

  static F load(const float* from) { return {_mm256_load_ps(from), _mm256_load_ps(from + 8)}; }
  static void store(float* to, F a) {
    _mm256_store_ps(to, a.low);
    _mm256_store_ps(to + 8, a.high);
  }
  static F broadcast(float a) { return {_mm256_set1_ps(a), _mm256_set1_ps(a)}; }
  static F add(F a, F b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
  static F mul(F a, F b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static F fma(F a, F b, F c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static F max(F a, F b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
  static F round(F a) {
    constexpr int kEven = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.low, kEven), _mm256_round_ps(a.high, kEven)};
  }
  static F to_float(I a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }
  static F times_power_of_two(F a, F n) {
    const auto power = [](__m256 exponent) {
      const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
      return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
    };
    return {_mm256_mul_ps(a.low, power(n.low)), _mm256_mul_ps(a.high, power(n.high))};
  }
  static float sum(F a) {
    const __m256 eight = _mm256_add_ps(a.low, a.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  template <bool Half>
  static F load_table(const std::uint8_t* from) {
    if constexpr (Half) {
      const auto* halves = reinterpret_cast<const __m128i*>(from);
      return {_mm256_cvtph_ps(_mm_load_si128(halves)), _mm256_cvtph_ps(_mm_load_si128(halves + 1))};
    } else {
      return load(reinterpret_cast<const float*>(from));
    }
  }
  template <bool Signed>
  static void store_bytes(std::uint8_t* to, F a) {
    const __m256 top = _mm256_set1_ps(127.0F);
    const __m256i low = _mm256_cvtps_epi32(_mm256_min_ps(a.low, top));
    const __m256i high = _mm256_cvtps_epi32(_mm256_min_ps(a.high, top));
    // Packing works within halves of 128 bits: 0-3 8-11 | 4-7 12-15, put back in order.
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    if constexpr (Signed) bytes = _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(0x80)));
    _mm_store_si128(reinterpret_cast<__m128i*>(to), bytes);
  }
  // Signed inputs are taken as they are, without the 128: nothing is to be taken off.
  template <bool Signed>
  static I start(const std::int32_t* from) {
    if constexpr (Signed) {
      static_cast<void>(from);
      return {_mm256_setzero_si256(), _mm256_setzero_si256()};
    } else {
      const auto* words = reinterpret_cast<const __m256i*>(from);
      return {_mm256_load_si256(words), _mm256_load_si256(words + 1)};
    }
  }
  static Weights load_weights(const std::int8_t* from) {
    const auto* bytes = reinterpret_cast<const __m256i*>(from);
    return {_mm256_load_si256(bytes), _mm256_load_si256(bytes + 1)};
  }
  template <bool Signed>
  static Inputs load_inputs(const std::uint8_t* from) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, from, sizeof four);
    __m256i value = _mm256_set1_epi32(four);
    if constexpr (Signed) {
      value = _mm256_xor_si256(value, _mm256_set1_epi8(static_cast<char>(0x80)));
      return {value, _mm256_abs_epi8(value)};
    } else {
      return {value, value};
    }
  }
  // Two products of at most 128 * 127 each fit in 16 bits: nothing saturates.
  template <bool Signed>
  static I dot(I acc, Inputs a, Weights w) {
    const __m256i ones = _mm256_set1_epi16(1);
    const auto four = [&](__m256i weights) {
      if constexpr (Signed) weights = _mm256_sign_epi8(weights, a.value);
      return _mm256_madd_epi16(_mm256_maddubs_epi16(a.magnitude, weights), ones);
    };
    return {_mm256_add_epi32(acc.low, four(w.low)), _mm256_add_epi32(acc.high, four(w.high))};
  }
};

}  // namespace

const Kernel kAvx2Kernel{"avx2", pool_int8<Avx2>, pool_fp32<Avx2>, classify<Avx2>};

}  // namespace tidewatch::native

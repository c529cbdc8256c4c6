// SPDX-License-Identifier: Apache-2.0
// Compiled with -mavx512f … -mavx512vnni (CMakeLists.txt): nothing but intrinsics and the body, so
// that no such code can be linked into the rest of the program.
#include <immintrin.h>

#include "infer/native/kernel_body.h"

namespace tidewatch::native {
namespace {

struct Avx512 {
  using F = __m512;
  using I = __m512i;
  using Inputs = __m512i;
  using Weights = __m512i;
  // 24 accumulators, 4 registers of weights and one of inputs: of 34 loads and multiply-adds only
  // 10 are loads, and a panel's weights (24 KiB) stay in the first cache over all rows.
  static constexpr std::size_t kByteRows = 6;
  static constexpr std::size_t kByteVectors = 4;
  static constexpr std::size_t kFloatRows = 6;
  static constexpr std::size_t kFloatVectors = 4;
  static constexpr std::size_t kPoolVectors = 8;

  static F load(const float* from) { return _mm512_load_ps(from); }
  static void store(float* to, F a) { _mm512_store_ps(to, a); }
  static F broadcast(float a) { return _mm512_set1_ps(a); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F round(F a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static F to_float(I a) { return _mm512_cvtepi32_ps(a); }
  static F times_power_of_two(F a, F n) {
    const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_mul_ps(a, _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23)));
  }
  static float sum(F a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  template <bool Half>
  static F load_table(const std::uint8_t* from) {
    if constexpr (Half) {
      return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
    } else {
      return _mm512_load_ps(reinterpret_cast<const float*>(from));
    }
  }
  // Rounded to even, clamped to -128 … 127; signed ones are stored with 128 added.
  template <bool Signed>
  static void store_bytes(std::uint8_t* to, F a) {
    const __m512i whole = _mm512_cvtps_epi32(_mm512_min_ps(a, _mm512_set1_ps(127.0F)));
    __m128i bytes = _mm512_cvtsepi32_epi8(whole);
    if constexpr (Signed) bytes = _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(0x80)));
    _mm_store_si128(reinterpret_cast<__m128i*>(to), bytes);
  }
  template <bool Signed>
  static I start(const std::int32_t* from) {
    return _mm512_load_si512(from);
  }
  static Weights load_weights(const std::int8_t* from) { return _mm512_load_si512(from); }
  template <bool Signed>
  static Inputs load_inputs(const std::uint8_t* from) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, from, sizeof four);
    return _mm512_set1_epi32(four);
  }
  template <bool Signed>
  static I dot(I acc, Inputs a, Weights w) {
    asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w));  // g++ 12 copies acc each time
    return acc;
  }
};

}  // namespace

const Kernel kAvx512Kernel{"avx512-vnni", pool_int8<Avx512>, pool_fp32<Avx512>, classify<Avx512>};

}  // namespace tidewatch::native

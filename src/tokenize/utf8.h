// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidewatch::utf8 {

inline constexpr std::uint32_t kInvalid = 0xFFFFFFFF;

constexpr bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Reads one code point from [begin, end), which is not empty, and says how many bytes it took.
// kInvalid for anything else than well-formed UTF-8 (overlong forms, surrogates and values past
// U+10FFFF are not): then `length` is at least 1 and covers no byte that could begin a code point.
constexpr std::uint32_t decode(const unsigned char* begin, const unsigned char* end,
                               std::size_t& length) {
  const std::uint32_t lead = begin[0];
  const auto left = static_cast<std::size_t>(end - begin);
  length = 1;
  if (lead < 0x80) return lead;
  if (lead < 0xC2) return kInvalid;
  if (lead < 0xE0) {
    if (left < 2 || !is_continuation(begin[1])) return kInvalid;
    length = 2;
    return (lead & 0x1F) << 6 | (begin[1] & 0x3FU);
  }
  if (lead < 0xF0) {
    if (left < 3 || !is_continuation(begin[1]) || !is_continuation(begin[2])) return kInvalid;
    length = 3;
    const std::uint32_t value = (lead & 0x0F) << 12 | (begin[1] & 0x3FU) << 6 | (begin[2] & 0x3FU);
    return value < 0x800 || (value >= 0xD800 && value <= 0xDFFF) ? kInvalid : value;
  }
  if (lead < 0xF5) {
    if (left < 4 || !is_continuation(begin[1]) || !is_continuation(begin[2]) ||
        !is_continuation(begin[3])) {
      return kInvalid;
    }
    length = 4;
    const std::uint32_t value = (lead & 0x07) << 18 | (begin[1] & 0x3FU) << 12 |
                                (begin[2] & 0x3FU) << 6 | (begin[3] & 0x3FU);
    return value < 0x10000 || value > 0x10FFFF ? kInvalid : value;
  }
  return kInvalid;
}

// Writes a code point that is not a surrogate as one to four bytes; returns how many.
inline std::size_t encode(std::uint32_t code_point, char* to) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (code_point < 0x80) {
    to[0] = byte(code_point);
    return 1;
  }
  if (code_point < 0x800) {
    to[0] = byte(0xC0 | code_point >> 6);
    to[1] = byte(0x80 | (code_point & 0x3F));
    return 2;
  }
  if (code_point < 0x10000) {
    to[0] = byte(0xE0 | code_point >> 12);
    to[1] = byte(0x80 | (code_point >> 6 & 0x3F));
    to[2] = byte(0x80 | (code_point & 0x3F));
    return 3;
  }
  to[0] = byte(0xF0 | code_point >> 18);
  to[1] = byte(0x80 | (code_point >> 12 & 0x3F));
  to[2] = byte(0x80 | (code_point >> 6 & 0x3F));
  to[3] = byte(0x80 | (code_point & 0x3F));
  return 4;
}

}  // namespace tidewatch::utf8

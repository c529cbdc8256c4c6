// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// What the reference tokenizer does to each code point, on its own:
//   - kRemove, kBarrier: drops it (control and format characters, U+FFFD, nonspacing marks);
//     kBarrier also stops the canonical reordering of what stands on its two sides;
//   - kSpace: ends a word;
//   - kSingle: a word of its own (CJK ideographs, punctuation);
//   - kLetter, whatever is in no range: part of a word.
// A Replacement is its lower-cased canonical decomposition without marks: one to three code
// points of the same kind, none of them replaced again. Hangul syllables are not listed; they
// decompose by arithmetic. A CombiningCharacter is a letter with a canonical combining class:
// within a run of them, ranks ascend (stable), a replacement's first code point never being one.
// The generator asserts all of this.

namespace tidewatch::unicode {

enum class Kind : std::uint8_t { kRemove, kBarrier, kSpace, kSingle, kLetter };

struct CodePointRange {
  std::uint32_t first;
  std::uint32_t last;  // inclusive
  Kind kind;
};

struct CombiningCharacter {
  std::uint32_t code_point;
  std::uint32_t rank;
};

struct Replacement {
  std::uint32_t code_point;
  char32_t to[3];  // ends at the first 0
};

inline constexpr std::uint32_t kCodePointEnd = 0x110000;
inline constexpr std::uint32_t kHangulFirst = 0xAC00;
inline constexpr std::uint32_t kHangulLast = 0xD7A3;

inline constexpr Kind kRemove = Kind::kRemove;
inline constexpr Kind kBarrier = Kind::kBarrier;
inline constexpr Kind kSpace = Kind::kSpace;
inline constexpr Kind kSingle = Kind::kSingle;
#include "tokenize/unicode_tables.inc"

// Writes the two or three conjoining jamo of a Hangul syllable into `to`; returns how many.
constexpr std::size_t decompose_hangul(std::uint32_t syllable, char32_t (&to)[3]) {
  const std::uint32_t index = syllable - kHangulFirst;
  to[0] = static_cast<char32_t>(0x1100 + index / 588);
  to[1] = static_cast<char32_t>(0x1161 + index % 588 / 28);
  to[2] = static_cast<char32_t>(0x11A7 + index % 28);
  return index % 28 == 0 ? 2 : 3;
}

}  // namespace tidewatch::unicode

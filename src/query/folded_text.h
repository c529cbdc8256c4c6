// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidewatch {

// What search and rules see of a text: a sequence of units. A unit is a word (letters and digits,
// at most kSearchWordBytesMax bytes; a longer one is cut there), one ideograph (also kana, Hangul,
// Thai: scripts without spaces) or one pictograph. Everything else separates. Letters are
// lower-cased, full-width forms folded, accents written as combining marks and invisible characters
// dropped.
enum class UnitKind : std::uint8_t { kWord, kIdeograph, kPictograph };

inline constexpr std::size_t kSearchWordBytesMax = 64;
inline constexpr std::size_t kSearchTagBytesMax = 128;

struct SearchUnit {
  std::uint32_t begin = 0;  // in FoldedText::bytes
  std::uint16_t size = 0;
  UnitKind kind = UnitKind::kWord;
  bool joined = false;  // nothing stands between this unit and the one before it
};

// A folded text. Reuse one to spare allocations. A plain value, not thread-safe.
struct FoldedText {
  std::string bytes;  // the units one after another, without what separates them
  std::vector<SearchUnit> units;
  std::string tag_bytes;
  std::vector<SearchUnit> tags;  // `#高考#` and `@张三`, in tag_bytes; their insides are units too

  std::string_view unit(std::size_t i) const {
    return std::string_view{bytes}.substr(units[i].begin, units[i].size);
  }
  std::string_view tag(std::size_t i) const {
    return std::string_view{tag_bytes}.substr(tags[i].begin, tags[i].size);
  }
};

// Folds UTF-8 text into `out`, replacing what was there. Invalid bytes separate. Linear in the
// length of the text.
void fold_text(std::string_view text, FoldedText& out);

// The same, and where each unit stands in the text itself, in bytes [begin, end).
struct UnitPlace {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};
void fold_text(std::string_view text, FoldedText& out, std::vector<UnitPlace>& places);

// Replaces `out` by the text as regular expressions see it: characters folded as above, but what
// separates them left in place. Invalid bytes become U+FFFD.
void normalise_text(std::string_view text, std::string& out);

// True when a pair of neighbours is indexed as a bigram: i and i + 1 are joined ideographs.
inline bool is_bigram(const FoldedText& text, std::size_t i) {
  return i + 1 < text.units.size() && text.units[i + 1].joined &&
         text.units[i].kind == UnitKind::kIdeograph &&
         text.units[i + 1].kind == UnitKind::kIdeograph;
}

// The bigram of units i and i + 1: joined units are neighbours in `bytes`.
inline std::string_view bigram(const FoldedText& text, std::size_t i) {
  return std::string_view{text.bytes}.substr(
      text.units[i].begin, std::size_t{text.units[i].size} + text.units[i + 1].size);
}

// Calls emit(std::string_view) for every index term: each unit, each bigram, each tag.
// Terms may repeat.
template <typename Emit>
void for_each_term(const FoldedText& text, Emit&& emit) {
  for (std::size_t i = 0; i < text.units.size(); ++i) {
    emit(text.unit(i));
    if (is_bigram(text, i)) emit(bigram(text, i));
  }
  for (std::size_t i = 0; i < text.tags.size(); ++i) emit(text.tag(i));
}

}  // namespace tidewatch

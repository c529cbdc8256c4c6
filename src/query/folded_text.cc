// SPDX-License-Identifier: Apache-2.0
#include "query/folded_text.h"

#include <algorithm>

namespace tidewatch {
namespace {

enum class CharClass : std::uint8_t { kSeparator, kIgnored, kWord, kIdeograph, kPictograph };

struct Range {
  char32_t first;
  char32_t last;
  CharClass char_class;
};

// What is not listed is part of a word. Sorted; looked up by binary search, ASCII apart.
constexpr Range kRanges[] = {
    {0x0000, 0x002F, CharClass::kSeparator},    {0x003A, 0x0040, CharClass::kSeparator},
    {0x005B, 0x005E, CharClass::kSeparator},    {0x0060, 0x0060, CharClass::kSeparator},
    {0x007B, 0x00A9, CharClass::kSeparator},    {0x00AB, 0x00AC, CharClass::kSeparator},
    {0x00AD, 0x00AD, CharClass::kIgnored},      {0x00AE, 0x00B4, CharClass::kSeparator},
    {0x00B6, 0x00B9, CharClass::kSeparator},    {0x00BB, 0x00BF, CharClass::kSeparator},
    {0x00D7, 0x00D7, CharClass::kSeparator},    {0x00F7, 0x00F7, CharClass::kSeparator},
    {0x0300, 0x036F, CharClass::kIgnored},      {0x060C, 0x060C, CharClass::kSeparator},
    {0x061B, 0x061F, CharClass::kSeparator},    {0x0E00, 0x0EFF, CharClass::kIdeograph},
    {0x0F0B, 0x0F14, CharClass::kSeparator},    {0x1100, 0x11FF, CharClass::kIdeograph},
    {0x1780, 0x17FF, CharClass::kIdeograph},    {0x2000, 0x200A, CharClass::kSeparator},
    {0x200B, 0x200F, CharClass::kIgnored},      {0x2010, 0x2029, CharClass::kSeparator},
    {0x202A, 0x202E, CharClass::kIgnored},      {0x202F, 0x205F, CharClass::kSeparator},
    {0x2060, 0x206F, CharClass::kIgnored},      {0x20A0, 0x20CF, CharClass::kSeparator},
    {0x20D0, 0x20FF, CharClass::kIgnored},      {0x2190, 0x23FF, CharClass::kPictograph},
    {0x2400, 0x25FF, CharClass::kSeparator},    {0x2600, 0x27BF, CharClass::kPictograph},
    {0x27C0, 0x2BFF, CharClass::kPictograph},   {0x2E00, 0x2E7F, CharClass::kSeparator},
    {0x2E80, 0x2FDF, CharClass::kIdeograph},    {0x2FF0, 0x3004, CharClass::kSeparator},
    {0x3005, 0x3007, CharClass::kIdeograph},    {0x3008, 0x3020, CharClass::kSeparator},
    {0x3021, 0x3029, CharClass::kIdeograph},    {0x302A, 0x302F, CharClass::kIgnored},
    {0x3030, 0x3030, CharClass::kSeparator},    {0x3031, 0x303C, CharClass::kIdeograph},
    {0x303D, 0x303F, CharClass::kSeparator},    {0x3040, 0x3098, CharClass::kIdeograph},
    {0x3099, 0x309A, CharClass::kIgnored},      {0x309B, 0x30FA, CharClass::kIdeograph},
    {0x30FB, 0x30FB, CharClass::kSeparator},    {0x30FC, 0x31FF, CharClass::kIdeograph},
    {0x3200, 0x33FF, CharClass::kPictograph},   {0x3400, 0x4DBF, CharClass::kIdeograph},
    {0x4DC0, 0x4DFF, CharClass::kPictograph},   {0x4E00, 0x9FFF, CharClass::kIdeograph},
    {0xA960, 0xA97F, CharClass::kIdeograph},    {0xAC00, 0xD7FF, CharClass::kIdeograph},
    {0xE000, 0xF8FF, CharClass::kPictograph},   {0xF900, 0xFAFF, CharClass::kIdeograph},
    {0xFE00, 0xFE0F, CharClass::kIgnored},      {0xFE10, 0xFE1F, CharClass::kSeparator},
    {0xFE20, 0xFE2F, CharClass::kIgnored},      {0xFE30, 0xFE6F, CharClass::kSeparator},
    {0xFEFF, 0xFEFF, CharClass::kIgnored},      {0xFF5F, 0xFF65, CharClass::kSeparator},
    {0xFF66, 0xFFDC, CharClass::kIdeograph},    {0xFFE0, 0xFFFF, CharClass::kSeparator},
    {0x1F000, 0x1F3FA, CharClass::kPictograph}, {0x1F3FB, 0x1F3FF, CharClass::kIgnored},
    {0x1F400, 0x1FAFF, CharClass::kPictograph}, {0x20000, 0x3FFFF, CharClass::kIdeograph},
    {0xE0000, 0xE0FFF, CharClass::kIgnored},    {0xF0000, 0x10FFFF, CharClass::kPictograph},
};

constexpr char32_t kInvalid = 0xFFFD;

CharClass classify(char32_t c) {
  if (c - 0x4E00 <= 0x9FFF - 0x4E00) return CharClass::kIdeograph;
  if (c < 0x80) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_';
    return word ? CharClass::kWord : CharClass::kSeparator;
  }
  const Range* range = std::upper_bound(std::begin(kRanges), std::end(kRanges), c,
                                        [](char32_t v, const Range& r) { return v < r.first; });
  if (range == std::begin(kRanges)) return CharClass::kWord;
  --range;
  return c <= range->last ? range->char_class : CharClass::kWord;
}

// Full-width forms become ASCII; the alphabets with case that occur are lower-cased.
char32_t fold(char32_t c) {
  if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFF01 - 0x21;
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c < 0x4E00) {
    if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
    const bool even_is_upper = (c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177) ||
                               (c >= 0x1E00 && c <= 0x1EFF) || (c >= 0x460 && c <= 0x481);
    if (even_is_upper) return c | 1U;
    const bool odd_is_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
    if (odd_is_upper) return c % 2 == 1 ? c + 1 : c;
    if (c >= 0x391 && c <= 0x3A9) return c + 32;
    if (c >= 0x410 && c <= 0x42F) return c + 32;
    if (c >= 0x400 && c <= 0x40F) return c + 80;
  }
  return c;
}

// Decodes the character at `i` and moves past it. Invalid bytes give kInvalid, one at a time.
char32_t decode(std::string_view s, std::size_t& i) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(s[at]); };
  const unsigned char lead = byte(i);
  if (lead < 0x80) {
    ++i;
    return lead;
  }
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || i + size > s.size()) {
    ++i;
    return kInvalid;
  }
  char32_t c = lead & (0xFFU >> (size + 1));
  for (std::size_t k = 1; k < size; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) {
      ++i;
      return kInvalid;
    }
    c = (c << 6) | (byte(i + k) & 0x3FU);
  }
  i += size;
  return c;
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

// Reads the hashtag or name whose mark ('#' or '@', maybe full-width) was decoded just before
// `i`, and adds it to the tags. Does not move on: what is inside is folded as text, too.
void add_tag(std::string_view text, std::size_t i, char mark, FoldedText& out) {
  const std::size_t begin = out.tag_bytes.size();
  out.tag_bytes.push_back(mark);
  bool closed = mark == '@';
  while (i < text.size() && out.tag_bytes.size() - begin < kSearchTagBytesMax) {
    const char32_t c = fold(decode(text, i));
    if (mark == '#' && c == '#') {
      closed = true;
      break;
    }
    if (c == '\n' || c == '\r' || c == kInvalid) break;
    const CharClass char_class = classify(c);
    if (char_class == CharClass::kIgnored) continue;
    if (mark == '@' && c != '-' &&
        (char_class == CharClass::kSeparator || char_class == CharClass::kPictograph)) {
      break;
    }
    append_utf8(out.tag_bytes, c);
  }
  if (!closed || out.tag_bytes.size() - begin == 1) {
    out.tag_bytes.resize(begin);
    return;
  }
  if (mark == '#') out.tag_bytes.push_back('#');
  out.tags.push_back({static_cast<std::uint32_t>(begin),
                      static_cast<std::uint16_t>(out.tag_bytes.size() - begin), UnitKind::kWord,
                      false});
}

// `note(i, begin, end)` is told where unit i stands in the text, again when it grows.
template <typename Note>
void fold_noting(std::string_view text, FoldedText& out, Note&& note) {
  out.bytes.clear();
  out.units.clear();
  out.tag_bytes.clear();
  out.tags.clear();
  bool joined = false;      // the next unit follows the last one directly
  bool in_word = false;     // the last unit is a word that may still grow
  bool tag_opened = false;  // the next '#' closes a hashtag
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = i;
    const char32_t c = fold(decode(text, i));
    const CharClass char_class = classify(c);
    if (char_class == CharClass::kIgnored) continue;
    if (char_class == CharClass::kSeparator) {
      joined = in_word = false;
      if (c == '@') add_tag(text, i, '@', out);
      if (c == '#') {
        const std::size_t tags_before = out.tags.size();
        if (!tag_opened) add_tag(text, i, '#', out);
        tag_opened = out.tags.size() > tags_before;
      }
      continue;
    }
    if (char_class == CharClass::kWord && in_word) {
      SearchUnit& word = out.units.back();
      if (word.size + std::size_t{4} <= kSearchWordBytesMax) {
        append_utf8(out.bytes, c);
        word.size = static_cast<std::uint16_t>(out.bytes.size() - word.begin);
      }
      note(out.units.size() - 1, at, i);
      continue;
    }
    const std::size_t begin = out.bytes.size();
    append_utf8(out.bytes, c);
    const UnitKind kind = char_class == CharClass::kWord        ? UnitKind::kWord
                          : char_class == CharClass::kIdeograph ? UnitKind::kIdeograph
                                                                : UnitKind::kPictograph;
    out.units.push_back({static_cast<std::uint32_t>(begin),
                         static_cast<std::uint16_t>(out.bytes.size() - begin), kind, joined});
    note(out.units.size() - 1, at, i);
    joined = true;
    in_word = kind == UnitKind::kWord;
  }
}

}  // namespace

void fold_text(std::string_view text, FoldedText& out) {
  fold_noting(text, out, [](std::size_t, std::size_t, std::size_t) {});
}

void fold_text(std::string_view text, FoldedText& out, std::vector<UnitPlace>& places) {
  places.clear();
  fold_noting(text, out, [&](std::size_t unit, std::size_t begin, std::size_t end) {
    if (unit == places.size()) places.push_back({static_cast<std::uint32_t>(begin), 0});
    places[unit].end = static_cast<std::uint32_t>(end);
  });
}

void normalise_text(std::string_view text, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = fold(decode(text, i));
    if (classify(c) != CharClass::kIgnored) append_utf8(out, c);
  }
}

}  // namespace tidewatch

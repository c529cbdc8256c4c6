// SPDX-License-Identifier: Apache-2.0
#include "simple_tokenizer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "tokenize/unicode_tables.h"

namespace tidewatch {
namespace {

constexpr std::size_t kWordCharactersMax = 100;
constexpr char32_t kReplacementCharacter = 0xFFFD;

// Decodes as Python's errors="replace": each maximal part of a code point that cannot go on is one
// U+FFFD (Unicode 15, table 3-7).
std::u32string decode(std::string_view text) {
  std::u32string result;
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  while (at < text.size()) {
    const unsigned lead = byte(at++);
    if (lead < 0x80) {
      result += static_cast<char32_t>(lead);
      continue;
    }
    std::size_t more = 0;
    unsigned low = 0x80;  // bounds of the second byte
    unsigned high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) more = 1;
    if (lead >= 0xE0 && lead <= 0xEF) more = 2;
    if (lead >= 0xF0 && lead <= 0xF4) more = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    char32_t value = more == 0 ? kReplacementCharacter : lead & (0x3FU >> more);
    for (; more > 0; --more) {
      if (byte(at) < low || byte(at) > high) {
        value = kReplacementCharacter;
        break;
      }
      value = value << 6 | (byte(at++) & 0x3F);
      low = 0x80;
      high = 0xBF;
    }
    result += value;
  }
  return result;
}

std::string encode_utf8(const std::u32string& text) {
  std::string result;
  for (const char32_t c : text) {
    const auto tail = [&](int shift) { result += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
    if (c < 0x80) {
      result += static_cast<char>(c);
    } else if (c < 0x800) {
      result += static_cast<char>(0xC0 | c >> 6);
      tail(0);
    } else if (c < 0x10000) {
      result += static_cast<char>(0xE0 | c >> 12);
      tail(6);
      tail(0);
    } else {
      result += static_cast<char>(0xF0 | c >> 18);
      tail(12);
      tail(6);
      tail(0);
    }
  }
  return result;
}

unicode::Kind kind_of(char32_t c) {
  const auto* const range =
      std::find_if(std::begin(unicode::kCodePointRanges), std::end(unicode::kCodePointRanges),
                   [c](const auto& r) { return r.first <= c && c <= r.last; });
  return range == std::end(unicode::kCodePointRanges) ? unicode::Kind::kLetter : range->kind;
}

std::u32string replace(char32_t c) {
  if (c >= unicode::kHangulFirst && c <= unicode::kHangulLast) {
    char32_t jamo[3];
    const std::size_t count = unicode::decompose_hangul(c, jamo);
    return {jamo, count};
  }
  static const auto replacements = [] {
    std::map<char32_t, std::u32string> map;
    for (const auto& [code_point, to] : unicode::kReplacements) {
      map[code_point] = {to, static_cast<std::size_t>(std::find(to, to + 3, U'\0') - to)};
    }
    return map;
  }();
  const auto found = replacements.find(c);
  return found == replacements.end() ? std::u32string(1, c) : found->second;
}

std::optional<std::uint32_t> rank_of(char32_t c) {
  for (const auto& [code_point, rank] : unicode::kCombiningCharacters) {
    if (code_point == c) return rank;
  }
  return std::nullopt;
}

// One character after replacing; what is no letter ends a run of combining characters.
struct Item {
  unicode::Kind kind;
  char32_t character;
  std::optional<std::uint32_t> rank;
};

std::vector<Item> normalize(const std::u32string& text) {
  std::vector<Item> items;
  for (const char32_t c : text) {
    const unicode::Kind kind = kind_of(c);
    if (kind == unicode::Kind::kRemove) continue;
    for (const char32_t part : replace(c)) items.push_back({kind, part, rank_of(part)});
  }
  for (auto begin = items.begin(); begin != items.end();) {
    const auto end = std::find_if(begin, items.end(), [](const Item& item) { return !item.rank; });
    const auto lower = [](const Item& a, const Item& b) { return *a.rank < *b.rank; };
    for (auto item = begin; item != end; ++item) {  // a stable insertion sort
      std::rotate(std::upper_bound(begin, item, *item, lower), item, item + 1);
    }
    begin = end == items.end() ? end : end + 1;
  }
  return items;
}

std::vector<std::u32string> split_words(const std::u32string& text) {
  std::vector<std::u32string> words(1);
  for (const Item& item : normalize(text)) {
    if (item.kind == unicode::Kind::kBarrier) continue;
    if (item.kind == unicode::Kind::kLetter) {
      words.back() += item.character;
      continue;
    }
    if (item.kind == unicode::Kind::kSingle) words.emplace_back(1, item.character);
    words.emplace_back();
  }
  std::erase(words, std::u32string());
  return words;
}

std::vector<std::int32_t> pieces_of(const Vocabulary& vocabulary, const std::u32string& word) {
  const std::vector<std::int32_t> unknown = {vocabulary.unknown_id()};
  if (word.size() > kWordCharactersMax) return unknown;
  std::vector<std::int32_t> pieces;
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t length = word.size() - begin;
    for (; length > 0; --length) {
      const std::string piece = (begin > 0 ? "##" : "") + encode_utf8(word.substr(begin, length));
      if (const auto id = vocabulary.id(piece)) {
        pieces.push_back(*id);
        break;
      }
    }
    if (length == 0) return unknown;
    begin += length;
  }
  return pieces;
}

}  // namespace

std::vector<std::int32_t> encode_simply(const Vocabulary& vocabulary, std::string_view text,
                                        std::size_t tokens_max) {
  std::u32string rest = decode(text);
  std::vector<std::int32_t> ids = {vocabulary.cls_id()};
  while (true) {
    std::size_t cut = std::u32string::npos;
    std::u32string special;
    for (const char32_t* token : {U"[PAD]", U"[UNK]", U"[CLS]", U"[SEP]", U"[MASK]"}) {
      const std::size_t found = rest.find(token);
      if (found < cut && vocabulary.id(encode_utf8(token))) {
        cut = found;
        special = token;
      }
    }
    for (const std::u32string& word : split_words(rest.substr(0, cut))) {
      const std::vector<std::int32_t> pieces = pieces_of(vocabulary, word);
      ids.insert(ids.end(), pieces.begin(), pieces.end());
    }
    if (special.empty()) break;
    ids.push_back(*vocabulary.id(encode_utf8(special)));
    rest.erase(0, cut + special.size());
  }
  ids.resize(std::min(ids.size(), tokens_max - 1));
  ids.push_back(vocabulary.sep_id());
  return ids;
}

}  // namespace tidewatch

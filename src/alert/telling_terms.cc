// SPDX-License-Identifier: Apache-2.0
#include "alert/telling_terms.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>

#include "aggregate/terms.h"

namespace tidewatch {
namespace {

constexpr std::size_t kTextsMax = 64;
constexpr std::size_t kTextBytesMax = 1024;
constexpr std::size_t kPieceMin = 2;
constexpr std::size_t kPieceMax = 8;
constexpr std::size_t kHashtagLengthMax = 34;  // as find_hashtags, with the second sign
constexpr double kSameTexts = 0.75;

// A run of Chinese characters is cut at each of these.
constexpr std::u32string_view kBreaks = U"的了是我你他她它您们这那啊吧吗呢呀哦嘛就都也";
// A piece neither starts nor ends with one of these.
constexpr std::u32string_view kEdges = U"在和与及或被把将又还很么之其而但于给让着个";
// A run is cut at each of these, the longer ones first.
constexpr std::array<std::u32string_view, 38> kCommonWords{
    U"转发微博", U"秒拍视频", U"网页链接", U"微博视频", U"查看全文", U"展开全文", U"一个", U"没有",
    U"不是",     U"什么",     U"怎么",     U"自己",     U"现在",     U"今天",     U"可以", U"知道",
    U"大家",     U"因为",     U"所以",     U"如果",     U"但是",     U"已经",     U"还是", U"真的",
    U"觉得",     U"时候",     U"转发",     U"微博",     U"视频",     U"全文",     U"这样", U"不要",
    U"不会",     U"不能",     U"一下",     U"一样",     U"为什么",   U"有人"};
constexpr std::array<std::string_view, 20> kCommonLatin{
    "http", "https", "www", "com", "cn", "the", "and",  "of",   "to", "in",
    "is",   "rt",    "you", "for", "it", "on",  "that", "this", "me", "my"};

// Decodes the character at `at` and moves past it; bytes that are not UTF-8 give U+FFFD.
char32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char head = byte(at++);
  if (head < 0x80) return head;
  const std::size_t more = head >= 0xF0 ? 3 : head >= 0xE0 ? 2 : 1;
  if (head < 0xC2 || head > 0xF4) return 0xFFFD;
  char32_t value = head & (0x3FU >> more);
  for (std::size_t i = 0; i < more; ++i, ++at) {
    if (at >= text.size() || (byte(at) & 0xC0) != 0x80) return 0xFFFD;
    value = (value << 6) | (byte(at) & 0x3FU);
  }
  return value;
}

void append_utf8(char32_t c, std::string& out) {
  const auto put = [&](char32_t byte) {
    out += static_cast<char>(static_cast<unsigned char>(byte));
  };
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

std::string to_utf8(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) append_utf8(c, out);
  return out;
}

bool is_han(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || c == 0x3007 ||
         (c >= 0x20000 && c <= 0x2FA1F);
}
bool is_word(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_space(char32_t c) { return c <= 0x20 || c == 0xA0 || c == 0x3000; }
bool ends_name(char32_t c) {
  return is_space(c) ||
         std::u32string_view(U":：,，/。@#！!、").find(c) != std::u32string_view::npos;
}

// Blanks out what is not prose: addresses, @names, #tags#, [emoticons].
void blank_markup(std::u32string& text) {
  const auto blank = [&](std::size_t from, std::size_t to) {
    std::fill(text.begin() + static_cast<std::ptrdiff_t>(from),
              text.begin() + static_cast<std::ptrdiff_t>(to), U'\n');
  };
  const auto blank_to = [&](std::size_t from, char32_t closing, std::size_t length_max) {
    for (std::size_t i = from + 1; i < text.size() && i - from <= length_max && text[i] != U'\n';
         ++i) {
      if (text[i] == closing) return blank(from, i + 1);
    }
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::u32string_view rest = std::u32string_view(text).substr(i);
    if (rest.starts_with(U"http://") || rest.starts_with(U"https://")) {
      std::size_t end = i;
      while (end < text.size() && text[end] > 0x20 && text[end] < 0x7F) ++end;
      blank(i, end);
    } else if (text[i] == U'@') {
      std::size_t end = i + 1;
      while (end < text.size() && end - i <= 30 && !ends_name(text[end])) ++end;
      blank(i, end);
    } else if (text[i] == U'#' || text[i] == U'＃') {
      blank_to(i, text[i], kHashtagLengthMax);
    } else if (text[i] == U'[') {
      blank_to(i, U']', 9);
    }
  }
}

struct Piece {
  std::size_t texts = 0;      // how many it stands in
  std::size_t last_text = 0;  // number from 1 of the text counted last
  bool dropped = false;
};
using Pieces = std::unordered_map<std::u32string, Piece>;

void count(Pieces& pieces, std::u32string_view what, std::size_t text_number) {
  Piece& piece = pieces[std::u32string(what)];
  if (piece.last_text == text_number) return;
  piece.last_text = text_number;
  ++piece.texts;
}

void count_segment(std::u32string_view segment, std::size_t text_number, Pieces& pieces) {
  const auto is_edge = [](char32_t c) { return kEdges.find(c) != std::u32string_view::npos; };
  for (std::size_t from = 0; from < segment.size(); ++from) {
    if (is_edge(segment[from])) continue;
    for (std::size_t size = kPieceMin; size <= kPieceMax && from + size <= segment.size(); ++size) {
      if (!is_edge(segment[from + size - 1])) {
        count(pieces, segment.substr(from, size), text_number);
      }
    }
  }
}

// Length of the common word or breaking character at the start; 0: none.
std::size_t break_length(std::u32string_view rest) {
  for (const std::u32string_view word : kCommonWords) {
    if (rest.starts_with(word)) return word.size();
  }
  return kBreaks.find(rest.front()) != std::u32string_view::npos ? 1 : 0;
}

void count_run(std::u32string_view run, std::size_t text_number, Pieces& pieces) {
  std::size_t from = 0;
  std::size_t at = 0;
  while (at < run.size()) {
    const std::size_t skip = break_length(run.substr(at));
    if (skip == 0) {
      ++at;
      continue;
    }
    count_segment(run.substr(from, at - from), text_number, pieces);
    at += skip;
    from = at;
  }
  count_segment(run.substr(from), text_number, pieces);
}

void count_word(std::u32string_view word, std::size_t text_number, Pieces& pieces) {
  if (word.size() < 2 || word.size() > 32) return;
  if (std::all_of(word.begin(), word.end(), [](char32_t c) { return c <= U'9'; })) return;
  std::u32string lower(word);
  for (char32_t& c : lower) c |= c >= U'A' && c <= U'Z' ? 0x20U : 0U;
  const std::string bytes = to_utf8(lower);
  if (std::find(kCommonLatin.begin(), kCommonLatin.end(), bytes) != kCommonLatin.end()) return;
  count(pieces, lower, text_number);
}

void count_text(std::string_view bytes, std::size_t text_number, Pieces& pieces) {
  std::u32string text;
  for (std::size_t at = 0; at < std::min(bytes.size(), kTextBytesMax);) {
    text += next_character(bytes, at);
  }
  blank_markup(text);
  const std::u32string_view view = text;
  for (std::size_t from = 0; from < view.size();) {
    std::size_t end = from;
    while (end < view.size() && is_han(view[end])) ++end;
    if (end > from) count_run(view.substr(from, end - from), text_number, pieces);
    from = end;
    while (end < view.size() && is_word(view[end])) ++end;
    if (end > from) count_word(view.substr(from, end - from), text_number, pieces);
    from = std::max(end, from + 1);
  }
}

// Marks every piece that stands (nearly) only within a longer one.
void drop_parts(Pieces& pieces, std::size_t texts_min) {
  std::vector<std::pair<std::u32string_view, const Piece*>> by_length;
  for (const auto& [piece, counted] : pieces) {
    if (counted.texts >= texts_min && is_han(piece.front()))
      by_length.emplace_back(piece, &counted);
  }
  for (const auto& [piece, counted] : by_length) {
    if (piece.size() <= kPieceMin) continue;
    // Two characters off as well: the piece between may start or end with an edge.
    for (const auto& [from, size] :
         {std::pair{std::size_t{0}, piece.size() - 1}, std::pair{std::size_t{1}, piece.size() - 1},
          std::pair{std::size_t{0}, piece.size() - 2}, std::pair{std::size_t{2}, piece.size() - 2},
          std::pair{std::size_t{1}, piece.size() - 2}}) {
      if (size < kPieceMin) continue;
      const auto part = pieces.find(std::u32string(piece.substr(from, size)));
      if (part == pieces.end()) continue;
      if (static_cast<double>(counted->texts) >=
          kSameTexts * static_cast<double>(part->second.texts)) {
        part->second.dropped = true;
      }
    }
  }
}

// True when at least half of the piece's pairs of characters were told already.
bool told_already(std::u32string_view piece, std::set<std::u32string>& told_pairs) {
  std::size_t told = 0;
  for (std::size_t i = 0; i + 1 < piece.size(); ++i) {
    told += told_pairs.count(std::u32string(piece.substr(i, 2)));
  }
  if (told * 2 >= piece.size() - 1) return true;
  for (std::size_t i = 0; i + 1 < piece.size(); ++i) {
    told_pairs.insert(std::u32string(piece.substr(i, 2)));
  }
  return false;
}

std::map<std::string, std::size_t> count_hashtags(std::span<const std::string_view> texts) {
  std::map<std::string, std::size_t> counts;
  std::vector<std::string> tags;
  for (const std::string_view text : texts) {
    find_hashtags(text, tags);
    for (const std::string& tag : tags) ++counts["#" + tag + "#"];
  }
  return counts;
}

// Most texts first, then the longer, then by bytes.
template <typename Text>
void sort_by_count(std::vector<std::pair<Text, std::size_t>>& terms) {
  std::sort(terms.begin(), terms.end(), [](const auto& a, const auto& b) {
    if (a.second != b.second) return a.second > b.second;
    if (a.first.size() != b.first.size()) return a.first.size() > b.first.size();
    return a.first < b.first;
  });
}

}  // namespace

std::vector<std::string> telling_terms(std::span<const std::string_view> texts,
                                       std::size_t count_max) {
  texts = texts.first(std::min(texts.size(), kTextsMax));
  std::vector<std::string> terms;
  if (texts.empty() || count_max == 0) return terms;
  const std::size_t texts_min =
      std::min(texts.size(), std::max<std::size_t>(2, (texts.size() + 4) / 5));

  std::vector<std::pair<std::string, std::size_t>> hashtags;
  for (const auto& [tag, counted] : count_hashtags(texts)) {
    if (counted >= texts_min) hashtags.emplace_back(tag, counted);
  }
  sort_by_count(hashtags);
  for (const auto& [tag, counted] : hashtags) {
    if (terms.size() < (count_max + 1) / 2) terms.push_back(tag);  // leave room for words
  }

  Pieces pieces;
  for (std::size_t i = 0; i < texts.size(); ++i) count_text(texts[i], i + 1, pieces);
  drop_parts(pieces, texts_min);
  std::vector<std::pair<std::u32string_view, std::size_t>> words;
  for (const auto& [piece, counted] : pieces) {
    if (counted.texts >= texts_min && !counted.dropped) words.emplace_back(piece, counted.texts);
  }
  sort_by_count(words);
  std::set<std::u32string> told_pairs;
  for (const auto& [piece, counted] : words) {
    if (terms.size() >= count_max) break;
    if (is_han(piece.front()) && told_already(piece, told_pairs)) continue;
    terms.push_back(to_utf8(piece));
  }
  return terms;
}

std::string common_hashtag(std::span<const std::string_view> texts) {
  std::vector<std::pair<std::string, std::size_t>> hashtags;
  for (const auto& [tag, counted] : count_hashtags(texts)) {
    if (counted >= 2 && counted * 2 >= texts.size()) hashtags.emplace_back(tag, counted);
  }
  sort_by_count(hashtags);
  return hashtags.empty() ? std::string{} : hashtags.front().first;
}

}  // namespace tidewatch

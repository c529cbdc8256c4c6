// SPDX-License-Identifier: Apache-2.0
#include "aggregate/terms.h"

#include <algorithm>

#include "aggregate/aggregator.h"

namespace tidewatch {
namespace {

constexpr std::string_view kWideHash = "＃";
constexpr std::string_view kWideSpace = "　";

unsigned char lower(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 'A' && byte <= 'Z' ? static_cast<unsigned char>(byte + 32) : byte;
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::size_t code_points(std::string_view text) {
  return text.size() -
         static_cast<std::size_t>(std::count_if(text.begin(), text.end(), continues_character));
}

bool trim_once(std::string_view& text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  if (text.empty()) return false;
  if (is_space(text.front())) return text.remove_prefix(1), true;
  if (is_space(text.back())) return text.remove_suffix(1), true;
  if (text.starts_with(kWideSpace)) return text.remove_prefix(kWideSpace.size()), true;
  if (text.ends_with(kWideSpace)) return text.remove_suffix(kWideSpace.size()), true;
  return false;
}

// Length of the hash sign at `at`; 0 when there is none.
std::size_t hash_sign(std::string_view text, std::size_t at) {
  if (text[at] == '#') return 1;
  return text.compare(at, kWideHash.size(), kWideHash) == 0 ? kWideHash.size() : 0;
}

}  // namespace

std::string_view cut_at_character(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && continues_character(text[end])) --end;
  return text.substr(0, end);
}

void lower_ascii(std::string& text) {
  for (char& c : text) c = static_cast<char>(lower(c));
}

void find_hashtags(std::string_view text, std::vector<std::string>& tags) {
  tags.clear();
  text = cut_at_character(text, kTermScanBytes);
  std::size_t open = std::string_view::npos;  // just after the opening sign
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\n' || byte == '\r') open = std::string_view::npos;
    const std::size_t sign = byte == '#' || byte == 0xEF ? hash_sign(text, at) : 0;
    if (sign == 0) {
      ++at;
      continue;
    }
    std::string_view inner =
        open == std::string_view::npos ? std::string_view{} : text.substr(open, at - open);
    while (trim_once(inner)) {
    }
    at += sign;
    if (inner.empty() || inner.size() > kTermBytesMax ||
        code_points(inner) > kHashtagCodePointsMax) {
      open = at;
      continue;
    }
    open = std::string_view::npos;
    std::string tag{inner};
    lower_ascii(tag);
    if (std::find(tags.begin(), tags.end(), tag) != tags.end()) continue;
    tags.push_back(std::move(tag));
    if (tags.size() == kHashtagsPerPostMax) return;
  }
}

KeywordMatcher::KeywordMatcher(const std::vector<std::string>& keywords) {
  for (std::string keyword : keywords) {
    lower_ascii(keyword);
    if (keywords_.size() == kKeywordsMax) break;
    if (keyword.empty() || keyword.size() > kTermBytesMax) continue;
    if (std::find(keywords_.begin(), keywords_.end(), keyword) != keywords_.end()) continue;
    keywords_.push_back(std::move(keyword));
  }
  for (std::uint32_t i = 0; i < keywords_.size(); ++i) {
    const std::string& keyword = keywords_[i];
    const auto first = static_cast<unsigned char>(keyword[0]);
    // A keyword of one byte may be followed by any byte, or by the end (read as 0).
    const unsigned from = keyword.size() > 1 ? static_cast<unsigned char>(keyword[1]) : 0;
    const unsigned to = keyword.size() > 1 ? from : 255;
    for (unsigned second = from; second <= to; ++second) {
      const auto head = static_cast<std::uint16_t>(first << 8 | second);
      heads_.set(head);
      candidates_.push_back({head, i});
    }
  }
  std::stable_sort(candidates_.begin(), candidates_.end(),
                   [](const Candidate& a, const Candidate& b) { return a.head < b.head; });
}

void KeywordMatcher::find(std::string_view text, std::vector<std::uint32_t>& found) const {
  found.clear();
  if (keywords_.empty()) return;
  text = cut_at_character(text, kTermScanBytes);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const unsigned second = at + 1 < text.size() ? lower(text[at + 1]) : 0;
    const auto head = static_cast<std::uint16_t>(lower(text[at]) << 8 | second);
    if (!heads_.test(head)) continue;
    auto candidate =
        std::lower_bound(candidates_.begin(), candidates_.end(), head,
                         [](const Candidate& c, std::uint16_t wanted) { return c.head < wanted; });
    for (; candidate != candidates_.end() && candidate->head == head; ++candidate) {
      const std::string& keyword = keywords_[candidate->keyword];
      if (text.size() - at < keyword.size()) continue;
      const bool equal =
          std::equal(keyword.begin(), keyword.end(), text.begin() + static_cast<std::ptrdiff_t>(at),
                     [](char k, char t) { return static_cast<unsigned char>(k) == lower(t); });
      if (!equal || std::find(found.begin(), found.end(), candidate->keyword) != found.end()) {
        continue;
      }
      found.push_back(candidate->keyword);
      if (found.size() == kKeywordsPerPostMax) return;
    }
  }
}

}  // namespace tidewatch

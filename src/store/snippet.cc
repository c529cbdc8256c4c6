// SPDX-License-Identifier: Apache-2.0
#include "store/snippet.h"

#include <algorithm>

#include "query/match_query.h"

namespace tidewatch {
namespace {

constexpr std::size_t kCharactersBefore = 40;
constexpr std::string_view kLeftOut = "…";

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Moves a place in valid UTF-8 by characters, not past its ends.
std::size_t back(std::string_view text, std::size_t at, std::size_t characters) {
  for (; characters > 0 && at > 0; --characters) {
    do --at;
    while (at > 0 && continues(text[at]));
  }
  return at;
}

std::size_t forth(std::string_view text, std::size_t at, std::size_t characters) {
  for (; characters > 0 && at < text.size(); --characters) {
    do ++at;
    while (at < text.size() && continues(text[at]));
  }
  return at;
}

std::uint32_t utf16_units(std::string_view text) {
  std::uint32_t units = 0;
  for (const char byte : text) {
    if (!continues(byte)) units += (static_cast<unsigned char>(byte) >= 0xF0) ? 2 : 1;
  }
  return units;
}

}  // namespace

Result<SnippetMaker> SnippetMaker::create(std::string_view q, const SearchNames* names) {
  TRY_ASSIGN(SearchQuery query, SearchQuery::parse(q, names));
  return SnippetMaker(std::move(query));
}

void SnippetMaker::find(std::string_view text) {
  found_.clear();
  if (phrases_.empty()) return;
  fold_text(text, folded_, places_);
  for (const FoldedText* const phrase : phrases_) {
    for (const std::size_t at : phrase_places(*phrase, folded_)) {
      found_.push_back({places_[at].begin, places_[at + phrase->units.size() - 1].end});
    }
  }
  std::sort(found_.begin(), found_.end(),
            [](const UnitPlace& a, const UnitPlace& b) { return a.begin < b.begin; });
  std::size_t kept = 0;
  for (const UnitPlace& one : found_) {
    if (kept > 0 && one.begin <= found_[kept - 1].end) {
      found_[kept - 1].end = std::max(found_[kept - 1].end, one.end);
    } else {
      found_[kept++] = one;
    }
  }
  found_.resize(kept);
}

Snippet SnippetMaker::make(std::string_view text) {
  find(text);
  std::size_t begin = found_.empty() ? 0 : back(text, found_.front().begin, kCharactersBefore);
  const std::size_t end = forth(text, begin, kCharactersMax);
  if (end == text.size()) begin = back(text, end, kCharactersMax);  // rather more of what is there
  Snippet snippet;
  if (begin > 0) snippet.text += kLeftOut;
  const std::uint32_t before = utf16_units(snippet.text);
  const std::string_view part = text.substr(begin, end - begin);
  for (const char byte : part) {
    snippet.text.push_back(byte == '\n' || byte == '\r' || byte == '\t' ? ' ' : byte);
  }
  if (end < text.size()) snippet.text += kLeftOut;
  for (const UnitPlace& one : found_) {
    if (one.end <= begin || one.begin >= end) continue;
    const std::size_t from = std::max<std::size_t>(one.begin, begin);
    const std::size_t to = std::min<std::size_t>(one.end, end);
    const std::uint32_t at = before + utf16_units(text.substr(begin, from - begin));
    snippet.highlights.emplace_back(at, at + utf16_units(text.substr(from, to - from)));
  }
  return snippet;
}

}  // namespace tidewatch

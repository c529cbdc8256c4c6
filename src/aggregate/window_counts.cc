// SPDX-License-Identifier: Apache-2.0
#include "aggregate/window_counts.h"

#include <utility>

namespace tidewatch {

KeyCounts& KeyCounts::operator+=(const KeyCounts& other) {
  posts += other.posts;
  negative += other.negative;
  new_authors += other.new_authors;
  new_texts += other.new_texts;
  bare_reposts += other.bare_reposts;
  new_author_negative += other.new_author_negative;
  new_author_bare += other.new_author_bare;
  coordinated += other.coordinated;
  coordinated_negative += other.coordinated_negative;
  for (std::size_t i = 0; i < emotions.size(); ++i) emotions[i] += other.emotions[i];
  return *this;
}

std::string to_string(const KeyName& key) {
  switch (key.kind) {
    case KeyKind::kHashtag:
      return "#" + key.term + "#";
    case KeyKind::kKeyword:
      return "kw:" + key.term;
    case KeyKind::kRule:
      return "rule:" + key.term;
    case KeyKind::kTextGroup:
      return "copy:" + key.term;
    case KeyKind::kEmergentTopic:
      return "emergent:" + key.term;
    case KeyKind::kTopicRegion:
      break;
  }
  return key.topic + "@" + key.region;
}

std::optional<KeyName> parse_key(std::string_view text) {
  if (text.starts_with('#')) {
    if (text.size() < 3 || !text.ends_with('#')) return std::nullopt;
    return KeyName{KeyKind::kHashtag, "", "", std::string{text.substr(1, text.size() - 2)}};
  }
  static constexpr std::pair<std::string_view, KeyKind> kPrefixes[] = {
      {"kw:", KeyKind::kKeyword},
      {"rule:", KeyKind::kRule},
      {"copy:", KeyKind::kTextGroup},
      {"emergent:", KeyKind::kEmergentTopic}};
  for (const auto& [prefix, kind] : kPrefixes) {
    if (!text.starts_with(prefix)) continue;
    if (text.size() == prefix.size()) return std::nullopt;
    return KeyName{kind, "", "", std::string{text.substr(prefix.size())}};
  }
  const std::size_t at = text.find('@');  // a topic never holds one, a region may
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size()) return std::nullopt;
  return KeyName{KeyKind::kTopicRegion, std::string{text.substr(0, at)},
                 std::string{text.substr(at + 1)}, ""};
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidewatch {

// Only this much of a text is searched for terms.
inline constexpr std::size_t kTermScanBytes = 8'192;

// Cuts valid UTF-8 to at most `bytes_max` bytes without splitting a character.
std::string_view cut_at_character(std::string_view text, std::size_t bytes_max);

// Lower-cases ASCII letters in place.
void lower_ascii(std::string& text);

// Finds `#…#` in valid UTF-8 (＃ too), as Weibo writes hashtags: in pairs, so a lone `#` opens the
// next. A tag is 1 to kHashtagCodePointsMax code points once spaces at its ends are trimmed, on one
// line; ASCII is lower-cased. Replaces `tags` by the first kHashtagsPerPostMax distinct ones.
void find_hashtags(std::string_view text, std::vector<std::string>& tags);

// Finds followed keywords in texts without regard to ASCII case, in one pass: a bitmap of the
// keywords' first two bytes rules out nearly every place, the few candidates left are compared.
// Immutable once made; thread-safe.
class KeywordMatcher {
 public:
  // Leaves out empty, too long and repeated keywords, and those past kKeywordsMax.
  explicit KeywordMatcher(const std::vector<std::string>& keywords);

  const std::vector<std::string>& keywords() const { return keywords_; }  // lower-cased

  // Replaces `found` by the indices of the first kKeywordsPerPostMax distinct keywords in `text`.
  void find(std::string_view text, std::vector<std::uint32_t>& found) const;

 private:
  struct Candidate {
    std::uint16_t head;
    std::uint32_t keyword;
  };

  std::vector<std::string> keywords_;
  std::vector<Candidate> candidates_;  // by head, then by keyword
  std::bitset<65'536> heads_;
};

}  // namespace tidewatch

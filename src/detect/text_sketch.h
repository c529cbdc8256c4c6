// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "query/folded_text.h"

namespace tidewatch {

// MinHash of a text (A. Z. Broder, "On the resemblance and containment of documents", SEQUENCES
// 1997) over pairs of neighbouring units (Chinese characters, words of letters): the share of equal
// minima of two texts estimates the share of pairs that they have in common.
//
// What copies change without changing the message is left out: @names, addresses, [emoticons],
// emoji, punctuation, case and width, and all from "//@" on (what a repost quotes).
//
// Texts of fewer than kSketchUnitsMin units are alike by chance: they are equal or not, and only to
// texts that pass on the same post.
inline constexpr std::size_t kMinima = 12;
inline constexpr std::size_t kSketchUnitsMin = 10;
using TextSketch = std::array<std::uint32_t, kMinima>;

// Replaces `out` by the first 2 KiB of the text without that, but with emoji and punctuation.
void clean_text(std::string_view text, std::string& out);

// Makes sketches; reused from text to text to spare allocations. Not thread-safe.
class TextSketcher {
 public:
  // Nothing for a text without a unit. `repost_of`: the post that it passes on, empty: an original.
  // Linear; looks at the first 2 KiB.
  std::optional<TextSketch> sketch(std::string_view text, std::string_view repost_of = {});

  // Of the last text.
  std::size_t units() const { return units_; }

  // The units of the last text, one after another: without punctuation and emoji.
  std::string folded() const;

  // What the last text was without what is left out: for people.
  const std::string& cleaned() const { return cleaned_; }

 private:
  std::string cleaned_;
  FoldedText folded_;
  std::size_t units_ = 0;
};

// How many minima are equal, of kMinima.
std::size_t equal_minima(const TextSketch& a, const TextSketch& b);

}  // namespace tidewatch

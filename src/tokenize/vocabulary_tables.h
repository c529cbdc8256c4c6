// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokenize/tokenizer.h"
#include "tokenize/word_trie.h"

namespace tidewatch {

// What encode() does on reading a code point, in 32 bits: an action and its argument.
class Step {
 public:
  enum Action : std::uint32_t {
    kRemove,     // nothing
    kBarrier,    // nothing, but combining characters are not reordered across it
    kSpace,      // ends the word
    kSingle,     // ends the word, then is one: argument is its token id
    kLetter,     // joins the word as it is
    kReplaced,   // joins the word as another text: argument is its place in `replacements`
    kCombining,  // joins the word, in canonical order: argument is its rank
    kHangul,     // joins the word as its jamo
  };

  constexpr Step() = default;
  constexpr Step(Action action, std::uint32_t argument) : bits_(argument << 3 | action) {}
  constexpr Action action() const { return static_cast<Action>(bits_ & 7U); }
  constexpr std::uint32_t argument() const { return bits_ >> 3; }

 private:
  std::uint32_t bits_ = kLetter;
};

// A replacement as it is appended to a word.
struct ReplacementText {
  std::array<char, 12> bytes{};
  std::uint8_t num_bytes = 0;
  std::uint8_t num_characters = 0;
};

struct Vocabulary::Tables {
  // Takes the tokens in the order of their ids; they are distinct and hold the special ones.
  explicit Tables(std::vector<std::string> tokens_in_order);

  Step step(std::uint32_t code_point) const noexcept {
    if (code_point < steps_bmp.size()) return steps_bmp[code_point];
    const std::uint32_t page = pages[(code_point - steps_bmp.size()) >> kPageBits];
    return steps_page[page << kPageBits | (code_point & (kPageSize - 1))];
  }
  std::int32_t find(std::string_view token) const noexcept {
    const auto found = ids.find(token);
    return found == ids.end() ? -1 : found->second;
  }

  static constexpr std::uint32_t kPageBits = 8;
  static constexpr std::uint32_t kPageSize = 1U << kPageBits;

  std::vector<std::string> tokens;
  std::unordered_map<std::string_view, std::int32_t> ids;  // views into `tokens`
  std::int32_t pad = -1;
  std::int32_t unknown = -1;
  std::int32_t cls = -1;
  std::int32_t sep = -1;
  // The special tokens that raw text may spell, each with its id.
  std::vector<std::pair<std::string_view, std::int32_t>> specials;

  std::array<Step, 0x10000> steps_bmp;  // the Basic Multilingual Plane, directly: 256 KiB
  std::vector<std::uint16_t> pages;     // the other planes, by pages of which most are the same
  std::vector<Step> steps_page;
  std::vector<ReplacementText> replacements;
  WordTrie trie;

 private:
  void find_specials();
  void build_steps();
  void build_trie();
};

}  // namespace tidewatch

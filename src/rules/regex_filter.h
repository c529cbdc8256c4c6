// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <re2/filtered_re2.h>

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace tidewatch {

// Runs many regular expressions over a text, each only when the text holds the fixed pieces that
// the expression needs (RE2's FilteredRE2). Pieces are found in one pass: a bitmap of the hashes of
// their first three bytes rules out nearly every place, the few candidates left are compared.
// Use: add() expressions, then build() once, then find() from any thread.
class RegexFilter {
 public:
  // The same expression gets the same id; ids count from 0. Precondition: it compiles.
  std::uint32_t add(const std::string& expression);
  void build();

  std::size_t size() const { return expressions_.size(); }
  // Whether the expression has a piece of fixed text, so that it need not run on every text.
  static bool has_piece(const std::string& expression);

  // Appends the ids of the expressions that are found in the normalised text (normalise_text()).
  void find(const std::string& text, std::vector<int>& pieces, std::vector<int>& found) const;

 private:
  struct Piece {
    std::uint16_t head;
    std::uint32_t piece;
  };
  static std::uint16_t head_of(const char* text);

  std::vector<std::string> expressions_;
  re2::FilteredRE2 filter_{3};  // bytes of a piece at least
  std::vector<std::string> pieces_;
  std::vector<Piece> by_head_;
  std::bitset<65'536> heads_;
};

}  // namespace tidewatch

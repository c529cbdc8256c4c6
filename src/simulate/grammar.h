// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/result.h"
#include "simulate/random.h"

namespace tidewatch {

// What a grammar cannot know by itself; the simulator fills these in for each post.
enum class Slot : std::uint8_t { kCity, kDaypart, kUser, kUrl, kSubject, kDetail, kTag };
inline constexpr std::size_t kNumSlots = 7;

// A weighted template grammar: symbols, each with alternatives of literal text and references.
//
//   # a comment
//   = drink!                      a symbol; "!" keeps its first expansion for the whole post
//   奶茶 | 咖啡 | 可乐             alternatives, one a line or split by " | "
//   = life.happy
//   3* {drink}真好喝              weight 3; {symbol} is expanded
//   今天喝了{#2-4}杯{drink}        a number
//   {open?40}{@city}下雨了         {symbol?40}: in 40 of 100 cases; {@slot}: filled by the caller
//
// compile() refuses unknown and empty symbols and cycles, so that an expansion always ends.
// Immutable afterwards: safe to share between threads; the state of a post lives in Expansion.
class Grammar {
 public:
  using SymbolId = std::uint32_t;
  static constexpr SymbolId kNone = 0xFFFFFFFF;

  // The sources are joined in order; a symbol may be defined only once. Errors (kInvalidArgument)
  // name the source, the line and what is wrong.
  struct Source {
    std::string_view name;
    std::string_view text;
  };
  static Result<Grammar> compile(const std::vector<Source>& sources);

  // Returns kNone for an unknown name.
  SymbolId find(std::string_view name) const;
  std::size_t num_symbols() const { return symbols_.size(); }
  std::uint32_t num_alternatives(SymbolId symbol) const { return symbols_[symbol].count; }

 private:
  friend class Expansion;
  enum class Kind : std::uint8_t { kLiteral, kSymbol, kNumber, kSlot };
  struct Piece {
    Kind kind = Kind::kLiteral;
    std::uint8_t percent = 100;  // how often it is there at all
    std::uint32_t a = 0;         // literal: offset; symbol: id; number: least; slot: Slot
    std::uint32_t b = 0;         // literal: bytes; number: most
  };
  struct Alternative {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint32_t weight_until = 0;  // cumulative, this one included
  };
  struct Symbol {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t weight_total = 0;
    bool sticky = false;
    bool uniform = true;  // every weight is one
  };
  class Compiler;

  std::string literals_;
  std::vector<Piece> pieces_;
  std::vector<Alternative> alternatives_;
  std::vector<Symbol> symbols_;
  std::unordered_map<std::string, SymbolId> ids_;
};

// Writes expansions of one grammar, one post after the other. Remembers within a post what sticky
// symbols said and which alternatives were used by append_fresh. The grammar must outlive it.
// Not thread-safe. Allocates only while its buffers grow.
class Expansion {
 public:
  Expansion(const Grammar& grammar, Random& random);

  // Forgets the last post. Slots keep their values.
  void begin_post();

  // Fills a slot. The text must stay alive while it is used.
  void set_slot(Slot slot, std::string_view text) { slots_[static_cast<std::size_t>(slot)] = text; }

  // Appends an expansion of the symbol to `out`. Precondition: symbol != Grammar::kNone.
  void append(Grammar::SymbolId symbol, std::string& out);

  // As append, but avoids an alternative of this symbol already used by append_fresh in this post.
  // Returns false, with `out` unchanged, when it finds none in a few tries.
  bool append_fresh(Grammar::SymbolId symbol, std::string& out);

 private:
  struct Kept {
    std::uint32_t epoch = 0;
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
  };
  std::uint32_t choose(const Grammar::Symbol& symbol);
  void append_alternative(std::uint32_t alternative, std::string& out);

  const Grammar& grammar_;
  Random& random_;
  std::array<std::string_view, kNumSlots> slots_;
  std::vector<Kept> kept_;  // by symbol
  std::string kept_text_;
  std::vector<std::uint32_t> used_epoch_;  // by alternative
  std::uint32_t epoch_ = 1;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "simulate/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <optional>
#include <utility>

namespace tidewatch {
namespace {

constexpr std::array<std::string_view, kNumSlots> kSlotNames = {"city",    "daypart", "user", "url",
                                                                "subject", "detail",  "tag"};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

// Reads the sources into the tables of one grammar; then checks them.
class Grammar::Compiler {
 public:
  Status add(const Source& source) {
    std::uint32_t line_number = 0;
    std::string_view rest = source.text;
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      const std::string_view line = trim(rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      where_ = fmt::format("{}:{}", source.name, ++line_number);
      if (line.empty() || line.front() == '#') continue;
      if (line.front() == '=') {
        TRY(begin_symbol(trim(line.substr(1))));
      } else {
        TRY(add_line(line));
      }
    }
    return {};
  }

  Result<Grammar> finish() && {
    // Alternatives were read in the order of the file; now that every symbol is complete, lay them
    // out one symbol after the other.
    Grammar& g = grammar_;
    for (SymbolId id = 0; id < g.symbols_.size(); ++id) {
      Symbol& symbol = g.symbols_[id];
      if (by_symbol_[id].empty()) {
        return fail(first_use_[id], fmt::format("symbol '{}' is used but has no text", names_[id]));
      }
      symbol.first = static_cast<std::uint32_t>(g.alternatives_.size());
      symbol.count = static_cast<std::uint32_t>(by_symbol_[id].size());
      for (Alternative alternative : by_symbol_[id]) {
        symbol.uniform = symbol.uniform && alternative.weight_until == 1;
        symbol.weight_total += alternative.weight_until;
        alternative.weight_until = symbol.weight_total;
        g.alternatives_.push_back(alternative);
      }
    }
    std::vector<char> state(g.symbols_.size(), 0);
    for (SymbolId id = 0; id < g.symbols_.size(); ++id) TRY(check_ends(id, state));
    return std::move(grammar_);
  }

 private:
  static Error fail(const std::string& where, const std::string& what) {
    return Error{Code::kInvalidArgument, fmt::format("{}: {}", where, what)};
  }

  SymbolId intern(std::string_view name) {
    const auto [found, fresh] =
        grammar_.ids_.try_emplace(std::string(name), static_cast<SymbolId>(names_.size()));
    if (fresh) {
      names_.emplace_back(name);
      first_use_.push_back(where_);
      by_symbol_.emplace_back();
      grammar_.symbols_.emplace_back();
    }
    return found->second;
  }

  Status begin_symbol(std::string_view name) {
    const bool sticky = name.ends_with('!');
    if (sticky) name.remove_suffix(1);
    if (name.empty()) return fail(where_, "a symbol needs a name after '='");
    current_ = intern(name);
    if (!by_symbol_[current_].empty()) {
      return fail(where_, fmt::format("symbol '{}' is defined twice", name));
    }
    grammar_.symbols_[current_].sticky = sticky;
    return {};
  }

  Status add_line(std::string_view line) {
    if (current_ == kNone) return fail(where_, "text before the first '= symbol'");
    while (true) {
      const auto bar = line.find(" | ");
      TRY(add_alternative(trim(line.substr(0, bar))));
      if (bar == std::string_view::npos) return {};
      line.remove_prefix(bar + 3);
    }
  }

  Status add_alternative(std::string_view text) {
    Alternative alternative;
    alternative.weight_until = 1;  // the weight itself until finish() adds them up
    if (const auto star = text.find("* "); star != std::string_view::npos) {
      if (const auto weight = parse_number(text.substr(0, star)); weight && *weight > 0) {
        alternative.weight_until = *weight;
        text.remove_prefix(star + 2);
      }
    }
    if (text.empty()) return fail(where_, "an alternative is empty");
    if (text.find('|') != std::string_view::npos) return fail(where_, "write ' | ' with spaces");
    alternative.first = static_cast<std::uint32_t>(grammar_.pieces_.size());
    while (!text.empty()) {
      const auto brace = text.find('{');
      if (brace != 0) add_literal(text.substr(0, brace));
      if (brace == std::string_view::npos) break;
      const auto end = text.find('}', brace);
      if (end == std::string_view::npos) return fail(where_, "'{' without '}'");
      TRY(add_reference(text.substr(brace + 1, end - brace - 1)));
      text.remove_prefix(end + 1);
    }
    alternative.last = static_cast<std::uint32_t>(grammar_.pieces_.size());
    by_symbol_[current_].push_back(alternative);
    return {};
  }

  void add_literal(std::string_view text) {
    grammar_.pieces_.push_back({Kind::kLiteral, 100,
                                static_cast<std::uint32_t>(grammar_.literals_.size()),
                                static_cast<std::uint32_t>(text.size())});
    grammar_.literals_ += text;
  }

  Status add_reference(std::string_view text) {
    Piece piece;
    if (const auto mark = text.find('?'); mark != std::string_view::npos) {
      const auto percent = parse_number(text.substr(mark + 1));
      if (!percent || *percent > 100) return fail(where_, "after '?' comes a number up to 100");
      piece.percent = static_cast<std::uint8_t>(*percent);
      text = text.substr(0, mark);
    }
    if (text.starts_with('#')) {
      const auto dash = text.find('-');
      if (dash == std::string_view::npos) return fail(where_, "a number is {#least-most}");
      const auto least = parse_number(text.substr(1, dash - 1));
      const auto most = parse_number(text.substr(dash + 1));
      if (!least || !most || *least > *most) return fail(where_, "a number is {#least-most}");
      piece.kind = Kind::kNumber;
      piece.a = *least;
      piece.b = *most;
    } else if (text.starts_with('@')) {
      const auto* found = std::find(kSlotNames.begin(), kSlotNames.end(), text.substr(1));
      if (found == kSlotNames.end()) return fail(where_, fmt::format("no slot '{}'", text));
      piece.kind = Kind::kSlot;
      piece.a = static_cast<std::uint32_t>(found - kSlotNames.begin());
    } else {
      if (text.empty()) return fail(where_, "'{}' names no symbol");
      piece.kind = Kind::kSymbol;
      piece.a = intern(text);
    }
    grammar_.pieces_.push_back(piece);
    return {};
  }

  // Depth-first search for a cycle. State: 0 unseen, 1 on the way, 2 known to end.
  Status check_ends(SymbolId id, std::vector<char>& state) {
    if (state[id] == 2) return {};
    if (state[id] == 1) {
      return fail(first_use_[id], fmt::format("symbol '{}' contains itself", names_[id]));
    }
    state[id] = 1;
    const Symbol& symbol = grammar_.symbols_[id];
    for (std::uint32_t i = 0; i < symbol.count; ++i) {
      const Alternative& alternative = grammar_.alternatives_[symbol.first + i];
      for (std::uint32_t p = alternative.first; p < alternative.last; ++p) {
        const Piece& piece = grammar_.pieces_[p];
        if (piece.kind == Kind::kSymbol) TRY(check_ends(piece.a, state));
      }
    }
    state[id] = 2;
    return {};
  }

  Grammar grammar_;
  std::string where_;
  SymbolId current_ = kNone;
  std::vector<std::string> names_;                   // by symbol
  std::vector<std::string> first_use_;               // by symbol: "file:line"
  std::vector<std::vector<Alternative>> by_symbol_;  // weight_until holds the weight itself
};

Result<Grammar> Grammar::compile(const std::vector<Source>& sources) {
  Compiler compiler;
  for (const Source& source : sources) TRY(compiler.add(source));
  return std::move(compiler).finish();
}

Grammar::SymbolId Grammar::find(std::string_view name) const {
  const auto found = ids_.find(std::string(name));
  return found == ids_.end() ? kNone : found->second;
}

Expansion::Expansion(const Grammar& grammar, Random& random)
    : grammar_(grammar),
      random_(random),
      kept_(grammar.symbols_.size()),
      used_epoch_(grammar.alternatives_.size(), 0) {}

void Expansion::begin_post() {
  kept_text_.clear();
  if (++epoch_ == 0) {  // wrapped: forget the marks of four thousand million posts ago
    epoch_ = 1;
    std::fill(used_epoch_.begin(), used_epoch_.end(), 0);
    std::fill(kept_.begin(), kept_.end(), Kept{});
  }
}

std::uint32_t Expansion::choose(const Grammar::Symbol& symbol) {
  const std::uint32_t dice = random_.below(symbol.weight_total);
  if (symbol.uniform) return symbol.first + dice;
  std::uint32_t alternative = symbol.first;
  while (grammar_.alternatives_[alternative].weight_until <= dice) ++alternative;
  return alternative;
}

void Expansion::append(Grammar::SymbolId id, std::string& out) {
  assert(id < grammar_.symbols_.size());
  const Grammar::Symbol& symbol = grammar_.symbols_[id];
  if (!symbol.sticky) {
    append_alternative(choose(symbol), out);
    return;
  }
  Kept& kept = kept_[id];
  if (kept.epoch == epoch_) {
    out.append(kept_text_, kept.offset, kept.bytes);
    return;
  }
  const std::size_t start = out.size();
  append_alternative(choose(symbol), out);
  kept.epoch = epoch_;
  kept.offset = static_cast<std::uint32_t>(kept_text_.size());
  kept.bytes = static_cast<std::uint32_t>(out.size() - start);
  kept_text_.append(out, start, kept.bytes);
}

bool Expansion::append_fresh(Grammar::SymbolId id, std::string& out) {
  constexpr int kTries = 4;
  const Grammar::Symbol& symbol = grammar_.symbols_[id];
  for (int i = 0; i < kTries; ++i) {
    const std::uint32_t alternative = choose(symbol);
    if (used_epoch_[alternative] == epoch_) continue;
    used_epoch_[alternative] = epoch_;
    append_alternative(alternative, out);
    return true;
  }
  return false;
}

void Expansion::append_alternative(std::uint32_t index, std::string& out) {
  const Grammar::Alternative alternative = grammar_.alternatives_[index];
  for (std::uint32_t p = alternative.first; p < alternative.last; ++p) {
    const Grammar::Piece& piece = grammar_.pieces_[p];
    if (piece.percent < 100 && random_.below(100) >= piece.percent) continue;
    switch (piece.kind) {
      case Grammar::Kind::kLiteral:
        out.append(grammar_.literals_, piece.a, piece.b);
        break;
      case Grammar::Kind::kSymbol:
        append(piece.a, out);
        break;
      case Grammar::Kind::kNumber: {
        char digits[12];
        const auto end = std::to_chars(digits, digits + sizeof digits,
                                       piece.a + random_.below(piece.b - piece.a + 1));
        out.append(digits, static_cast<std::size_t>(end.ptr - digits));
        break;
      }
      case Grammar::Kind::kSlot:
        out += slots_[piece.a];
        break;
    }
  }
}

}  // namespace tidewatch

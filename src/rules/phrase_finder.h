// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "query/folded_text.h"

namespace tidewatch {

// Finds any of many phrases in a folded text in one pass over its units: an Aho-Corasick automaton
// (A. V. Aho and M. J. Corasick, "Efficient string matching", Comm. ACM 18, 1975) whose alphabet
// is the units that the phrases are made of, not bytes: a text of 100 characters is 100 steps, and
// no step can begin or end within a word. See docs/adr/0011-rule-matching.md.
//
// Use: add() phrases, then build() once, then find() from any thread.
// Bounds: 320 KiB, and about 60 bytes a unit of all phrases.
class PhraseFinder {
 public:
  using PhraseId = std::uint32_t;

  // The same phrase gets the same id; ids count from 0. Precondition: it has a unit.
  PhraseId add(const FoldedText& phrase);
  void build();

  std::size_t size() const { return phrases_.size(); }
  const FoldedText& phrase(PhraseId id) const { return phrases_[id]; }

  std::size_t memory_bytes() const {
    return states_.capacity() * sizeof(State) + edges_.capacity() * sizeof(Edge) +
           units_.capacity() * sizeof(Unit) + unit_bytes_.capacity() +
           phrases_.size() * (sizeof(FoldedText) + 64);
  }

  // Calls found(PhraseId, place of its first unit) for every occurrence, tags checked.
  template <typename Found>
  void find(const FoldedText& text, Found&& found) const {
    std::uint32_t state = 0;
    for (std::size_t i = 0; i < text.units.size(); ++i) {
      const std::uint32_t unit = unit_id(text.unit(i));
      state = unit == kNoUnit ? 0 : step(state, unit);
      for (std::uint32_t at = ends_here(state); at != 0; at = states_[states_[at].fail].end) {
        for (PhraseId id = states_[at].first_phrase; id != kNoPhrase; id = next_phrase_[id]) {
          const std::size_t begin = i + 1 - phrases_[id].units.size();
          if (fits(phrases_[id], text, begin)) found(id, begin);
        }
      }
    }
  }

 private:
  static constexpr std::uint32_t kNoUnit = 0xFFFFFFFF;
  static constexpr PhraseId kNoPhrase = 0xFFFFFFFF;

  struct State {
    std::uint32_t fail = 0;
    std::uint32_t end = 0;  // this state or the nearest on its fail links where a phrase ends
    PhraseId first_phrase = kNoPhrase;
    std::uint32_t parent = 0;
    std::uint32_t unit = kNoUnit;
  };
  struct Edge {
    std::uint64_t key = 0;  // (state << 32 | unit) + 1; 0: empty
    std::uint32_t to = 0;
  };
  struct Unit {
    std::uint64_t hash = 0;  // 0: empty
    std::uint32_t begin = 0;
    std::uint16_t size = 0;
    std::uint32_t id = 0;
  };

  std::uint32_t ends_here(std::uint32_t state) const { return states_[state].end; }
  static bool fits(const FoldedText& phrase, const FoldedText& text, std::size_t begin);
  static std::uint64_t hash_unit(std::string_view unit);
  // Places in by_ideograph_ of a unit that is one character of three bytes; else kNoUnit.
  static std::uint32_t ideograph(std::string_view unit) {
    if (unit.size() != 3) return kNoUnit;
    const auto byte = [unit](std::size_t i) { return static_cast<unsigned char>(unit[i]); };
    if (byte(0) < 0xE0) return kNoUnit;
    return (byte(0) & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
  }
  std::uint32_t unit_id(std::string_view unit) const {
    const std::uint32_t at = ideograph(unit);
    return at != kNoUnit ? by_ideograph_[at] : find_unit(unit);
  }
  std::uint32_t find_unit(std::string_view unit) const;
  std::uint32_t add_unit(std::string_view unit);
  // The state that `unit` leads to along the trie; 0: none.
  std::uint32_t child(std::uint32_t state, std::uint32_t unit) const {
    if (state == 0) return unit < from_root_.size() ? from_root_[unit] : 0;
    const std::uint64_t hash = hash_edge(state, unit);
    if (!edge_marks_.test(hash & (edge_marks_.size() - 1))) return 0;
    return find_edge(state, unit, hash);
  }
  static std::uint64_t hash_edge(std::uint32_t state, std::uint32_t unit) {
    return ((std::uint64_t{state} << 32 | unit) + 1) * 0x9E3779B97F4A7C15 >> 20;
  }
  std::uint32_t find_edge(std::uint32_t state, std::uint32_t unit, std::uint64_t hash) const;
  std::uint32_t add_child(std::uint32_t state, std::uint32_t unit);
  std::uint32_t step(std::uint32_t state, std::uint32_t unit) const {
    while (true) {
      const std::uint32_t next = child(state, unit);
      if (next != 0 || state == 0) return next;
      state = states_[state].fail;
    }
  }

  std::vector<FoldedText> phrases_;
  std::vector<PhraseId> next_phrase_;  // that ends in the same state
  std::vector<State> states_{State{}};
  std::vector<Edge> edges_{Edge{}};  // open addressing, a power of two
  std::size_t num_edges_ = 0;
  std::bitset<std::size_t{1} << 19> edge_marks_;  // by hash: nearly every step leads nowhere
  std::vector<std::uint32_t> from_root_;          // by unit
  std::vector<Unit> units_{Unit{}};               // open addressing, a power of two
  std::vector<std::uint32_t> by_ideograph_ = std::vector<std::uint32_t>(65'536, kNoUnit);
  std::size_t num_units_ = 0;
  std::string unit_bytes_;
};

}  // namespace tidewatch

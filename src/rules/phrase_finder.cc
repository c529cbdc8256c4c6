// SPDX-License-Identifier: Apache-2.0
#include "rules/phrase_finder.h"

#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "query/match_query.h"

namespace tidewatch {
namespace {

constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15;

std::size_t place(std::uint64_t key, std::size_t table_size) {
  return static_cast<std::size_t>((key * kMultiplier) >> 20) & (table_size - 1);
}

bool same(const FoldedText& a, const FoldedText& b) {
  if (a.bytes != b.bytes || a.tag_bytes != b.tag_bytes || a.units.size() != b.units.size() ||
      a.tags.size() != b.tags.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.units.size(); ++i) {
    if (a.units[i].size != b.units[i].size || a.units[i].joined != b.units[i].joined) return false;
  }
  return true;
}

}  // namespace

bool PhraseFinder::fits(const FoldedText& phrase, const FoldedText& text, std::size_t begin) {
  for (std::size_t i = 1; i < phrase.units.size(); ++i) {
    if (phrase.units[i].joined && !text.units[begin + i].joined) return false;
  }
  return has_tags(phrase, text);
}

std::uint64_t PhraseFinder::hash_unit(std::string_view unit) {
  std::uint64_t hash = 0;
  if (unit.size() <= 4) {  // nearly always: an ideograph
    std::uint32_t packed = 0;
    std::memcpy(&packed, unit.data(), unit.size());
    hash = (std::uint64_t{packed} | std::uint64_t{unit.size()} << 32) * 0xFF51AFD7ED558CCD;
    hash ^= hash >> 29;
  } else {
    hash = XXH3_64bits(unit.data(), unit.size());
  }
  return hash == 0 ? 1 : hash;
}

std::uint32_t PhraseFinder::find_unit(std::string_view unit) const {
  const std::uint64_t hash = hash_unit(unit);
  for (std::size_t at = place(hash, units_.size());; at = (at + 1) & (units_.size() - 1)) {
    const Unit& entry = units_[at];
    if (entry.hash == 0) return kNoUnit;
    if (entry.hash == hash &&
        std::string_view{unit_bytes_}.substr(entry.begin, entry.size) == unit) {
      return entry.id;
    }
  }
}

std::uint32_t PhraseFinder::add_unit(std::string_view unit) {
  if (const std::uint32_t known = unit_id(unit); known != kNoUnit) return known;
  const auto put = [this](const Unit& entry) {
    std::size_t at = place(entry.hash, units_.size());
    while (units_[at].hash != 0) at = (at + 1) & (units_.size() - 1);
    units_[at] = entry;
  };
  if ((num_units_ + 1) * 3 > units_.size()) {
    std::vector<Unit> old(std::max<std::size_t>(units_.size() * 2, 64));
    old.swap(units_);
    for (const Unit& entry : old) {
      if (entry.hash != 0) put(entry);
    }
  }
  const auto id = static_cast<std::uint32_t>(num_units_++);
  if (const std::uint32_t at = ideograph(unit); at != kNoUnit) by_ideograph_[at] = id;
  put({hash_unit(unit), static_cast<std::uint32_t>(unit_bytes_.size()),
       static_cast<std::uint16_t>(unit.size()), id});
  unit_bytes_ += unit;
  return id;
}

std::uint32_t PhraseFinder::find_edge(std::uint32_t state, std::uint32_t unit,
                                      std::uint64_t hash) const {
  const std::uint64_t key = (std::uint64_t{state} << 32 | unit) + 1;
  for (std::size_t at = hash & (edges_.size() - 1);; at = (at + 1) & (edges_.size() - 1)) {
    if (edges_[at].key == key) return edges_[at].to;
    if (edges_[at].key == 0) return 0;
  }
}

std::uint32_t PhraseFinder::add_child(std::uint32_t state, std::uint32_t unit) {
  if (const std::uint32_t known = child(state, unit); known != 0) return known;
  const auto to = static_cast<std::uint32_t>(states_.size());
  states_.push_back(
      {.fail = 0, .end = 0, .first_phrase = kNoPhrase, .parent = state, .unit = unit});
  if (state == 0) {
    if (unit >= from_root_.size()) from_root_.resize(std::size_t{unit} + 1, 0);
    from_root_[unit] = to;
    return to;
  }
  const auto put = [this](const Edge& edge) {
    const auto from = static_cast<std::uint32_t>((edge.key - 1) >> 32);
    const auto by = static_cast<std::uint32_t>(edge.key - 1);
    std::size_t at = hash_edge(from, by) & (edges_.size() - 1);
    while (edges_[at].key != 0) at = (at + 1) & (edges_.size() - 1);
    edges_[at] = edge;
  };
  if ((num_edges_ + 1) * 2 > edges_.size()) {
    std::vector<Edge> old(std::max<std::size_t>(edges_.size() * 2, 64));
    old.swap(edges_);
    for (const Edge& edge : old) {
      if (edge.key != 0) put(edge);
    }
  }
  ++num_edges_;
  edge_marks_.set(hash_edge(state, unit) & (edge_marks_.size() - 1));
  put({(std::uint64_t{state} << 32 | unit) + 1, to});
  return to;
}

PhraseFinder::PhraseId PhraseFinder::add(const FoldedText& phrase) {
  assert(!phrase.units.empty());
  std::uint32_t state = 0;
  for (std::size_t i = 0; i < phrase.units.size(); ++i) {
    state = add_child(state, add_unit(phrase.unit(i)));
  }
  for (PhraseId id = states_[state].first_phrase; id != kNoPhrase; id = next_phrase_[id]) {
    if (same(phrases_[id], phrase)) return id;
  }
  const auto id = static_cast<PhraseId>(phrases_.size());
  phrases_.push_back(phrase);
  next_phrase_.push_back(states_[state].first_phrase);
  states_[state].first_phrase = id;
  return id;
}

void PhraseFinder::build() {
  // By depth: a state's fail link is shallower than the state.
  std::vector<std::uint32_t> depth(states_.size(), 0);
  std::vector<std::uint32_t> order(states_.size());
  for (std::uint32_t i = 0; i < states_.size(); ++i) {
    if (i > 0) depth[i] = depth[states_[i].parent] + 1;  // parents are made before children
    order[i] = i;
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return depth[a] < depth[b]; });
  for (const std::uint32_t at : order) {
    State& state = states_[at];
    if (depth[at] > 1) state.fail = step(states_[state.parent].fail, state.unit);
    state.end = state.first_phrase != kNoPhrase ? at : states_[state.fail].end;
  }
}

}  // namespace tidewatch

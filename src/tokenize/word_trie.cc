// SPDX-License-Identifier: Apache-2.0
#include "tokenize/word_trie.h"

#include <algorithm>
#include <cassert>
#include <span>

namespace tidewatch {

struct WordTrie::Builder {
  using Key = std::pair<std::string, std::int32_t>;

  std::vector<Node>& nodes;
  std::size_t first_free = 1;  // node 0 is the parent of both roots

  // Places the children of `state`, whose keys are `keys` (sorted) without their first `depth`
  // bytes. Recursion is as deep as the longest key, which the vocabulary's loader bounds.
  void add(State state, std::span<const Key> keys, std::size_t depth) {
    if (!keys.empty() && keys.front().first.size() == depth) {
      nodes[state].id = keys.front().second;
      keys = keys.subspan(1);
    }
    if (keys.empty()) return;
    std::vector<std::span<const Key>> groups;
    for (std::size_t begin = 0; begin < keys.size();) {
      std::size_t end = begin + 1;
      while (end < keys.size() && keys[end].first[depth] == keys[begin].first[depth]) ++end;
      groups.push_back(keys.subspan(begin, end - begin));
      begin = end;
    }
    const auto byte = [depth](std::span<const Key> group) {
      return static_cast<unsigned char>(group.front().first[depth]);
    };
    const std::uint32_t base = find_base(groups, byte);
    nodes[state].base = base;
    for (const auto& group : groups) nodes[base + byte(group)].parent = state;
    for (const auto& group : groups) add(base + byte(group), group, depth + 1);
  }

  template <typename Byte>
  std::uint32_t find_base(const std::vector<std::span<const Key>>& groups, Byte byte) {
    while (first_free < nodes.size() && nodes[first_free].parent != kUnused) ++first_free;
    const std::size_t lowest = byte(groups.front());
    for (std::size_t at = std::max(first_free, lowest);; ++at) {
      const std::size_t base = at - lowest;
      if (nodes.size() < base + 512) nodes.resize(base + 512);
      const bool fits = std::all_of(groups.begin(), groups.end(), [&](const auto& group) {
        const std::size_t node = base + byte(group);
        return node != 0 && nodes[node].parent == kUnused;
      });
      if (fits) return static_cast<std::uint32_t>(base);
    }
  }
};

WordTrie::WordTrie(std::vector<std::pair<std::string, std::int32_t>> starts,
                   std::vector<std::pair<std::string, std::int32_t>> continuations) {
  nodes_.resize(512);
  Builder builder{nodes_};
  start_root_ = 1;
  continuation_root_ = 2;
  nodes_[start_root_].parent = 0;
  nodes_[continuation_root_].parent = 0;
  const std::pair<State, std::vector<Builder::Key>*> tries[] = {
      {start_root_, &starts}, {continuation_root_, &continuations}};
  for (const auto& [root, keys] : tries) {
    std::sort(keys->begin(), keys->end());
    builder.add(root, *keys, 0);
  }
  nodes_.shrink_to_fit();
}

}  // namespace tidewatch

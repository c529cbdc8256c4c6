// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tidewatch {

// A double-array trie over bytes for WordPiece: finds the longest token that begins a stretch of a
// word, in one pass. Two tries in one array: tokens that start a word and tokens that continue one.
// Threads: immutable once built. Bounds: 12 bytes a node; as many steps as bytes in the match, plus
// one.
class WordTrie {
 public:
  using State = std::uint32_t;
  static constexpr std::int32_t kNone = -1;

  struct Match {
    std::int32_t id = kNone;  // kNone when no token begins here
    std::size_t length = 0;   // in bytes
  };

  WordTrie() : WordTrie({}, {}) {}

  // Takes distinct, non-empty keys with ids >= 0, continuations without their "##".
  WordTrie(std::vector<std::pair<std::string, std::int32_t>> starts,
           std::vector<std::pair<std::string, std::int32_t>> continuations);

  State start_root() const noexcept { return start_root_; }
  State continuation_root() const noexcept { return continuation_root_; }

  // Moves `state` along `byte`; false, with `state` untouched, when no token goes on that way.
  bool step(State& state, unsigned char byte) const noexcept {
    const State next = nodes_[state].base + byte;
    if (nodes_[next].parent != state) return false;
    state = next;
    return true;
  }

  // The token that ends at `state`, or kNone.
  std::int32_t id(State state) const noexcept { return nodes_[state].id; }

  Match longest(State root, const char* begin, const char* end) const noexcept {
    Match match;
    State state = root;
    for (const char* at = begin; at != end && step(state, static_cast<unsigned char>(*at));) {
      ++at;
      if (const std::int32_t token = id(state); token != kNone) {
        match = {token, static_cast<std::size_t>(at - begin)};
      }
    }
    return match;
  }

  std::size_t bytes() const noexcept { return nodes_.size() * sizeof(Node); }

 private:
  struct Node {
    std::uint32_t base = 0;
    State parent = kUnused;
    std::int32_t id = kNone;
  };
  struct Builder;
  static constexpr State kUnused = 0xFFFFFFFF;

  std::vector<Node> nodes_;  // 256 spare nodes at the end, so that step() needs no bounds check
  State start_root_ = 0;
  State continuation_root_ = 0;
};

}  // namespace tidewatch

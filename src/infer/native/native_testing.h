// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "infer/backend.h"

namespace tidewatch::native {

// Texts one after another, as a backend takes them; for tests.
struct RaggedTexts {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets{0};

  void add(std::span<const std::int32_t> text) {
    ids.insert(ids.end(), text.begin(), text.end());
    offsets.push_back(static_cast<std::uint32_t>(ids.size()));
  }
  std::size_t size() const { return offsets.size() - 1; }
  std::span<const std::int32_t> text(std::size_t i) const {
    return std::span{ids}.subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
  RaggedBatch batch() const { return {ids, offsets}; }
};

// [CLS], ids of ordinary tokens, [SEP], cut to `tokens`.
inline std::vector<std::int32_t> random_text(std::mt19937& random, std::size_t tokens) {
  std::vector<std::int32_t> text{101};
  while (text.size() + 1 < tokens) {
    text.push_back(106 + static_cast<std::int32_t>(random() % 21'000));
  }
  text.push_back(102);
  text.resize(tokens);
  return text;
}

}  // namespace tidewatch::native

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"

namespace tidewatch {

inline constexpr std::size_t kEmotionsMax = 8;
inline constexpr std::size_t kTopicsMax = 32;
inline constexpr std::uint8_t kNoLabel = 0xFF;

// The labels of a model, in the order of its outputs, as its manifest lists them.
// Immutable once loaded. All models served at once share one schema.
struct LabelSchema {
  std::vector<std::string> emotions;  // at most kEmotionsMax
  std::vector<bool> negative;         // by emotion: angry, fear and sad in the bundled models
  std::vector<std::string> topics;    // at most kTopicsMax
  std::uint8_t neutral = kNoLabel;    // index of "neutral": what an empty text gets

  // Names an index; kNoLabel is "unknown".
  std::string_view emotion_name(std::uint8_t index) const {
    return index < emotions.size() ? std::string_view{emotions[index]} : "unknown";
  }
  std::string_view topic_name(std::uint8_t index) const {
    return index < topics.size() ? std::string_view{topics[index]} : "unknown";
  }
  bool is_negative(std::uint8_t emotion) const {
    return emotion < negative.size() && negative[emotion];
  }
  bool operator==(const LabelSchema&) const = default;
};

// What a model says of one text: a probability for each label (each task sums to 1) and the best
// label of each task. Entries past the schema's sizes are 0.
struct Scores {
  ModelVersion model;               // 0: not classified (an empty text)
  std::uint8_t emotion = kNoLabel;  // index of the most probable
  std::uint8_t topic = kNoLabel;    // kNoLabel: not classified
  std::array<float, kEmotionsMax> emotion_prob{};
  std::array<float, kTopicsMax> topic_prob{};
};

}  // namespace tidewatch

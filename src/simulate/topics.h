// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace tidewatch {

// The 14 news topics, and everyday life, which belongs to none of them.
inline constexpr std::array<std::string_view, 15> kSimulatedTopics = {
    "agriculture", "car",    "culture", "edu",  "entertainment", "finance", "game", "house",
    "military",    "sports", "story",   "tech", "travel",        "world",   "life"};
inline constexpr std::size_t kNumNewsTopics = 14;
inline constexpr std::size_t kLife = 14;

enum class Emotion : std::size_t { kAngry, kFear, kHappy, kNeutral, kSad, kSurprise };
inline constexpr std::array<std::string_view, 6> kSimulatedEmotions = {
    "angry", "fear", "happy", "neutral", "sad", "surprise"};

constexpr bool is_negative(Emotion emotion) {
  return emotion == Emotion::kAngry || emotion == Emotion::kFear || emotion == Emotion::kSad;
}

// Returns the index of the name, or the array's size when it is not there.
template <std::size_t kSize>
constexpr std::size_t index_of(const std::array<std::string_view, kSize>& names,
                               std::string_view name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

}  // namespace tidewatch

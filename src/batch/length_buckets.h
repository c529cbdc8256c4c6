// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tidewatch {

// Length buckets: a text goes to the first whose bound is at least its number of token ids; a
// longer one than the last bound goes to the last.
inline constexpr std::array<std::uint32_t, 5> kBucketTokens{32, 64, 128, 256, 512};
inline constexpr std::size_t kBuckets = kBucketTokens.size();

constexpr std::size_t bucket_for(std::size_t tokens) noexcept {
  std::size_t bucket = 0;
  while (bucket + 1 < kBuckets && tokens > kBucketTokens[bucket]) ++bucket;
  return bucket;
}

}  // namespace tidewatch

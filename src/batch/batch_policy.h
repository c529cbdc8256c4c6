// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/clock.h"

namespace tidewatch {

// Length buckets: a text goes to the first whose bound is at least its number of token ids.
inline constexpr std::array<std::uint32_t, 5> kBucketTokens{32, 64, 128, 256, 512};
inline constexpr std::size_t kBuckets = kBucketTokens.size();

// Index of the bucket for a text of `tokens` ids; longer than the last bound goes to the last.
std::size_t bucket_for(std::size_t tokens) noexcept;

struct BatchPolicyOptions {
  std::size_t batch_max = 32;  // texts in a batch, at least 1: reached, it is flushed at once
  std::size_t batch_min = 1;   // fewer than this wait past the window, until `fallback`
  std::chrono::microseconds window{10'000};    // how long the oldest text may wait; at most 50 ms
  std::chrono::microseconds fallback{20'000};  // after which even one text is flushed
};
inline constexpr std::chrono::microseconds kWindowMax{50'000};

struct BucketView {
  std::size_t depth = 0;
  SteadyTime oldest{};  // when the first in line was enqueued; meaningless when depth is 0
};
using QueueView = std::array<BucketView, kBuckets>;

struct BatchDecision {
  enum class Kind : std::uint8_t { kFlush, kWait };
  Kind kind = Kind::kWait;
  std::size_t bucket = 0;  // kFlush: which
  std::size_t count = 0;   // kFlush: how many, from the front
  bool has_wake = false;   // kWait: false when every bucket is empty (wait for a text)
  SteadyTime wake{};       // kWait: look again then
};

// Decides what a free worker does: a pure function, called with the queue locked.
// A bucket is due when it holds batch_max texts, when its oldest text has waited `window` and it
// holds batch_min, or when its oldest text has waited `fallback`. Of the due buckets the one whose
// oldest text has waited longest is flushed, so no bucket starves; ties go to the shorter bucket.
// The serving deadline will enter here: as an input of the view, not as another thread.
BatchDecision decide_batch(const BatchPolicyOptions& options, const QueueView& view,
                           SteadyTime now) noexcept;

}  // namespace tidewatch

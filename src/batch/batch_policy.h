// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "batch/length_buckets.h"
#include "core/clock.h"

namespace tidewatch {

struct BatchPolicyOptions {
  std::size_t batch_max = 32;  // texts in a batch, at least 1: reached, it is flushed at once
  std::size_t batch_min = 1;   // fewer than this wait past the window, until `fallback`
  std::chrono::microseconds window{10'000};    // how long the oldest text may wait; at most 50 ms
  std::chrono::microseconds fallback{20'000};  // after which even one text is flushed
  // A batch is due when the run that its most urgent text needs must begin so long from now.
  std::chrono::microseconds safety{2'000};
  // The backend runs texts of any lengths together as they are (ragged). Then a batch is filled
  // across the buckets, most urgent first, until its predicted run time reaches `run_time_max`: by
  // tokens, not by count.
  bool mixes_lengths = false;
  std::chrono::microseconds run_time_max{1'000};
  // Not 0: a mixed batch is filled to so many ids instead, whatever that takes, and the queue is
  // not shared out among the workers: what a GPU wants.
  std::size_t tokens_max = 0;
  // Runs at once, at most; 0: as many as there are workers. Fewer where a run more would only wait
  // for the others and hold its texts back from their batches.
  std::size_t runs_max = 0;
};
inline constexpr std::chrono::microseconds kWindowMax{50'000};

struct BucketView {
  std::size_t depth = 0;
  SteadyTime oldest{};  // when the most urgent was enqueued; meaningless when depth is 0
  // When a run of what would be flushed now must begin at the latest, so that the most urgent text
  // meets its deadline; max() without one.
  SteadyTime start_by = SteadyTime::max();
  std::int64_t urgency = 0;  // of the most urgent (batch/urgency.h): smaller goes first
};
using QueueView = std::array<BucketView, kBuckets>;

struct BatchDecision {
  enum class Kind : std::uint8_t { kFlush, kWait };
  Kind kind = Kind::kWait;
  std::size_t bucket = 0;  // kFlush: which (when lengths are mixed: where to begin)
  std::size_t count = 0;   // kFlush: how many, most urgent first (mixed: of all buckets, at most)
  bool has_wake = false;   // kWait: false when every bucket is empty (wait for a text)
  SteadyTime wake{};       // kWait: look again then
};

// Decides what a free worker does: a pure function, called with the queue locked.
// A bucket is due when it holds batch_max texts, when its most urgent text has waited `window` and
// the bucket holds batch_min, when it has waited `fallback`, or when it is `safety` before the
// latest safe start. Of the due buckets the one with the most urgent text is flushed: urgency grows
// with waiting, so no bucket starves; ties go to the shorter bucket.
BatchDecision decide_batch(const BatchPolicyOptions& options, const QueueView& view,
                           SteadyTime now) noexcept;

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "batch/length_buckets.h"

namespace tidewatch {

// How long a model's runs take, by length of the texts and size of the batch: the time of one token
// id for each length bucket and batch size in steps of two, so that runs of mixed lengths are
// predicted as sums. Filled in by measuring at load and kept current by every run since.
//
// Threads: every member may be called concurrently; observe() is a few relaxed stores, and two at
// once may lose one another's small correction, which the next run brings again.
// Units: nanoseconds. Errors: none. What was never measured nor seen is predicted to take no time,
// and so nothing is refused for it.
class LatencyProfile {
 public:
  static constexpr std::size_t kSteps = 9;  // batches of 1, 2, 4, … 256 texts

  // Texts of a run, by length bucket.
  struct Shape {
    std::array<std::uint32_t, kBuckets> texts{};
    std::array<std::uint32_t, kBuckets> tokens{};

    void add(std::size_t token_count) noexcept {
      const std::size_t bucket = bucket_for(token_count);
      ++texts[bucket];
      tokens[bucket] += static_cast<std::uint32_t>(token_count);
    }
    std::uint32_t count() const noexcept;
  };

  // Takes one measured run of `count` texts of `tokens` ids each as it is. Neighbouring cells that
  // were never measured take its rate.
  void measured(std::size_t tokens, std::size_t count, std::chrono::nanoseconds took) noexcept;

  // Moves the cells that took part by a twentieth of the way to what was seen (a factor of four at
  // the most, so that one stall of the machine does not look like a slower model).
  void observe(const Shape& shape, std::chrono::nanoseconds took) noexcept;

  std::chrono::nanoseconds predict(const Shape& shape) const noexcept;
  // One text's share of a run of `count` like it.
  std::chrono::nanoseconds share(std::size_t tokens, std::size_t count) const noexcept;
  // The same by the lowest rates ever seen: what is possible, whatever the machine does now.
  std::chrono::nanoseconds share_at_best(std::size_t tokens, std::size_t count) const noexcept;

 private:
  using Cells = std::array<std::array<std::atomic<double>, kSteps>, kBuckets>;  // ns a token id
  static std::size_t step_of(std::size_t count) noexcept;
  void set(std::size_t bucket, std::size_t step, double rate) noexcept;

  Cells now_{};  // 0: not known
  Cells best_{};
};

}  // namespace tidewatch

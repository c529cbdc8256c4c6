// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/clock.h"

namespace tidewatch {

// Milliseconds; all zero when count is. Each is within 1 % of the true sample, max is exact, and
// p50 <= p95 <= p99 <= p999 <= max. The p-th percentile is the smallest sample that at least
// p % of the samples do not exceed (nearest rank).
struct Percentiles {
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;
  double p999 = 0;
  double max = 0;
  std::uint64_t count = 0;
};

// The bucket arithmetic of the histograms below: 64 linear steps in every power of two of
// nanoseconds from 1 us to 100 s, so that a bucket's middle is within 0.8 % of all it holds.
// What is shorter counts as under 1 us (error below 1 us), what is longer than 100 s as 100 s
// (max stays exact).
class LatencyBuckets {
 public:
  static constexpr std::size_t kCount = 1698;
  static std::size_t index(std::uint64_t nanoseconds) noexcept;
  static double middle_ms(std::size_t index) noexcept;
  // Percentiles of `counts` (kCount of them).
  static Percentiles percentiles(const std::uint64_t* counts, std::uint64_t max_ns) noexcept;
};

// Latencies since the start or the last reset().
// Threads: every member may be called concurrently; record() is lock-free (two relaxed atomic
// additions, and a third write while the maximum grows). percentiles() beside record() sees
// every sample that was recorded before it began. Samples recorded beside reset() may be lost.
// Bound: 14 KiB, for ever. Negative durations count as zero.
class LatencyHistogram {
 public:
  void record(std::chrono::nanoseconds latency) noexcept { record(latency, 1); }
  // As if record(latency) were called `times` times.
  void record(std::chrono::nanoseconds latency, std::uint64_t times) noexcept;
  Percentiles percentiles() const;
  void reset();

 private:
  std::array<std::atomic<std::uint64_t>, LatencyBuckets::kCount> counts_{};
  std::atomic<std::uint64_t> max_ns_{0};
};

// Latencies of the last 55 to 60 seconds, for the dashboard: twelve slots of five seconds in
// rotation. Time comes from the caller; it may step back by a slot between threads.
// Threads: as LatencyHistogram. Around the turn of a slot a sample may count in the slot before.
// Bound: 83 KiB.
class RecentLatency {
 public:
  static constexpr std::chrono::seconds kSlot{5};
  static constexpr std::size_t kSlots = 12;

  void record(SteadyTime now, std::chrono::nanoseconds latency) noexcept;
  Percentiles percentiles(SteadyTime now) const;
  // Samples a second over the slots that are whole (and the running one).
  double per_second(SteadyTime now) const;

 private:
  struct Slot {
    // Number of the slot since the clock's epoch; -1 never used, -2 being emptied.
    std::atomic<std::int64_t> number{-1};
    std::atomic<std::uint64_t> max_ns{0};
    std::array<std::atomic<std::uint32_t>, LatencyBuckets::kCount> counts{};
  };
  static std::int64_t number_at(SteadyTime now) noexcept;
  Slot& slot_for(std::int64_t number) noexcept;

  std::array<Slot, kSlots> slots_{};
};

}  // namespace tidewatch

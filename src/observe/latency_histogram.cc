// SPDX-License-Identifier: Apache-2.0
#include "observe/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <thread>

namespace tidewatch {
namespace {

constexpr std::uint64_t kStepsLog2 = 6;
constexpr std::uint64_t kSteps = 1 << kStepsLog2;
constexpr std::uint64_t kShortestNs = 1'000;
constexpr std::uint64_t kLongestNs = 100'000'000'000;

// Position on the log-linear scale: the exponent and the kStepsLog2 bits below the leading one.
constexpr std::uint64_t position(std::uint64_t ns) {
  const auto exponent = static_cast<std::uint64_t>(std::bit_width(ns)) - 1;
  return exponent * kSteps + ((ns >> (exponent - kStepsLog2)) - kSteps);
}
constexpr std::uint64_t kFirstPosition = position(kShortestNs);
static_assert(position(kLongestNs) - kFirstPosition + 2 == LatencyBuckets::kCount);

std::uint64_t to_ns(std::chrono::nanoseconds latency) noexcept {
  return latency.count() > 0 ? static_cast<std::uint64_t>(latency.count()) : 0;
}

void raise_to(std::atomic<std::uint64_t>& max, std::uint64_t value) noexcept {
  std::uint64_t seen = max.load(std::memory_order_relaxed);
  while (seen < value && !max.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

std::size_t LatencyBuckets::index(std::uint64_t nanoseconds) noexcept {
  if (nanoseconds < kShortestNs) return 0;
  return position(std::min(nanoseconds, kLongestNs)) - kFirstPosition + 1;
}

double LatencyBuckets::middle_ms(std::size_t index) noexcept {
  if (index == 0) return static_cast<double>(kShortestNs) / 2e6;
  const std::uint64_t at = index - 1 + kFirstPosition;
  const std::uint64_t shift = at / kSteps - kStepsLog2;
  const std::uint64_t low = (at % kSteps + kSteps) << shift;
  return (static_cast<double>(low) + std::ldexp(0.5, static_cast<int>(shift))) / 1e6;
}

Percentiles LatencyBuckets::percentiles(const std::uint64_t* counts,
                                        std::uint64_t max_ns) noexcept {
  Percentiles result;
  for (std::size_t i = 0; i < kCount; ++i) result.count += counts[i];
  if (result.count == 0) return result;
  result.max = static_cast<double>(max_ns) / 1e6;

  // Ranks in per mille, so that they are exact: the smallest whole number >= p * count.
  struct Wanted {
    std::uint64_t per_mille;
    double* value;
  };
  const Wanted wanted[] = {
      {500, &result.p50}, {950, &result.p95}, {990, &result.p99}, {999, &result.p999}};
  std::size_t bucket = 0;
  std::uint64_t below = counts[0];
  for (const Wanted& w : wanted) {
    const std::uint64_t rank =
        result.count / 1000 * w.per_mille + (result.count % 1000 * w.per_mille + 999) / 1000;
    while (below < rank && bucket + 1 < kCount) below += counts[++bucket];
    *w.value = std::min(middle_ms(bucket), result.max);
  }
  return result;
}

void LatencyHistogram::record(std::chrono::nanoseconds latency, std::uint64_t times) noexcept {
  const std::uint64_t ns = to_ns(latency);
  // The maximum first, so that a reader that sees the count also sees a maximum that covers it.
  raise_to(max_ns_, ns);
  counts_[LatencyBuckets::index(ns)].fetch_add(times, std::memory_order_release);
}

Percentiles LatencyHistogram::percentiles() const {
  std::array<std::uint64_t, LatencyBuckets::kCount> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = counts_[i].load(std::memory_order_acquire);
  }
  return LatencyBuckets::percentiles(counts.data(), max_ns_.load(std::memory_order_relaxed));
}

void LatencyHistogram::reset() {
  for (auto& count : counts_) count.store(0, std::memory_order_relaxed);
  max_ns_.store(0, std::memory_order_relaxed);
}

std::int64_t RecentLatency::number_at(SteadyTime now) noexcept {
  return std::max<std::int64_t>(0, now.time_since_epoch() / kSlot);
}

RecentLatency::Slot& RecentLatency::slot_for(std::int64_t number) noexcept {
  constexpr std::int64_t kEmptying = -2;
  Slot& slot = slots_[static_cast<std::size_t>(number) % kSlots];
  std::int64_t holds = slot.number.load(std::memory_order_acquire);
  if (holds >= number) return slot;
  if (holds != kEmptying &&
      slot.number.compare_exchange_strong(holds, kEmptying, std::memory_order_acquire)) {
    for (auto& count : slot.counts) count.store(0, std::memory_order_relaxed);
    slot.max_ns.store(0, std::memory_order_relaxed);
    slot.number.store(number, std::memory_order_release);
    return slot;
  }
  // Another thread is emptying it. The slot before is as good, and nobody waits; after a silence
  // there is none, and the few microseconds until it is done are waited for.
  Slot& before =
      slots_[static_cast<std::size_t>(number + static_cast<std::int64_t>(kSlots) - 1) % kSlots];
  while (slot.number.load(std::memory_order_acquire) < number) {
    if (before.number.load(std::memory_order_acquire) == number - 1) return before;
    std::this_thread::yield();
  }
  return slot;
}

void RecentLatency::record(SteadyTime now, std::chrono::nanoseconds latency) noexcept {
  Slot& slot = slot_for(number_at(now));
  const std::uint64_t ns = to_ns(latency);
  raise_to(slot.max_ns, ns);
  slot.counts[LatencyBuckets::index(ns)].fetch_add(1, std::memory_order_release);
}

Percentiles RecentLatency::percentiles(SteadyTime now) const {
  const std::int64_t current = number_at(now);
  std::array<std::uint64_t, LatencyBuckets::kCount> counts{};
  std::uint64_t max_ns = 0;
  for (const Slot& slot : slots_) {
    const std::int64_t number = slot.number.load(std::memory_order_acquire);
    if (number < 0 || number + static_cast<std::int64_t>(kSlots) <= current) continue;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      counts[i] += slot.counts[i].load(std::memory_order_acquire);
    }
    max_ns = std::max(max_ns, slot.max_ns.load(std::memory_order_relaxed));
  }
  return LatencyBuckets::percentiles(counts.data(), max_ns);
}

double RecentLatency::per_second(SteadyTime now) const {
  const std::int64_t current = number_at(now);
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
  std::uint64_t count = 0;
  for (const Slot& slot : slots_) {
    const std::int64_t number = slot.number.load(std::memory_order_acquire);
    if (number < 0 || number + static_cast<std::int64_t>(kSlots) <= current) continue;
    oldest = std::min(oldest, number);
    for (const auto& c : slot.counts) count += c.load(std::memory_order_relaxed);
  }
  if (count == 0) return 0;
  const std::chrono::duration<double> span = now.time_since_epoch() - oldest * kSlot;
  return static_cast<double>(count) / std::max(span.count(), 1.0);
}

}  // namespace tidewatch

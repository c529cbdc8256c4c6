// SPDX-License-Identifier: Apache-2.0
#include "batch/latency_profile.h"

#include <algorithm>
#include <bit>

namespace tidewatch {
namespace {

constexpr double kCorrection = 0.05;
constexpr double kFactorMax = 4.0;

std::chrono::nanoseconds nanoseconds(double value) noexcept {
  return std::chrono::nanoseconds{static_cast<std::int64_t>(value)};
}

}  // namespace

std::uint32_t LatencyProfile::Shape::count() const noexcept {
  std::uint32_t sum = 0;
  for (const std::uint32_t n : texts) sum += n;
  return sum;
}

std::size_t LatencyProfile::step_of(std::size_t count) noexcept {
  const auto step = static_cast<std::size_t>(std::bit_width(std::max<std::size_t>(count, 1)) - 1);
  return std::min(step, kSteps - 1);
}

void LatencyProfile::set(std::size_t bucket, std::size_t step, double rate) noexcept {
  now_[bucket][step].store(rate, std::memory_order_relaxed);
  std::atomic<double>& best = best_[bucket][step];
  const double before = best.load(std::memory_order_relaxed);
  if (before == 0.0 || rate < before) best.store(rate, std::memory_order_relaxed);
}

void LatencyProfile::measured(std::size_t tokens, std::size_t count,
                              std::chrono::nanoseconds took) noexcept {
  if (tokens == 0 || count == 0 || took.count() <= 0) return;
  const std::size_t bucket = bucket_for(tokens);
  const std::size_t step = step_of(count);
  const double rate = static_cast<double>(took.count()) / static_cast<double>(tokens * count);
  set(bucket, step, rate);
  // Larger batches and longer texts are measured later, if at all: until then they are like this.
  for (std::size_t b = bucket; b < kBuckets; ++b) {
    for (std::size_t s = b == bucket ? step + 1 : 0; s < kSteps; ++s) {
      const double nearest = now_[bucket][std::min(s, step)].load(std::memory_order_relaxed);
      set(b, s, nearest > 0.0 ? nearest : rate);
    }
  }
}

void LatencyProfile::observe(const Shape& shape, std::chrono::nanoseconds took) noexcept {
  if (took.count() <= 0) return;
  const std::uint32_t count = shape.count();
  for (std::size_t b = 0; b < kBuckets; ++b) {
    if (shape.texts[b] == 0 || now_[b][step_of(count)].load(std::memory_order_relaxed) > 0.0) {
      continue;
    }
    // The first of its kind: as if all tokens of the run took the same.
    double tokens = 0.0;
    for (const std::uint32_t n : shape.tokens) tokens += n;
    const double own = static_cast<double>(shape.tokens[b]) / tokens;
    measured(shape.tokens[b] / shape.texts[b], count,
             std::chrono::nanoseconds{static_cast<std::int64_t>(static_cast<double>(took.count()) *
                                                                own * count / shape.texts[b])});
  }
  const auto predicted = static_cast<double>(predict(shape).count());
  if (predicted <= 0.0) return;
  const double factor =
      std::clamp(static_cast<double>(took.count()) / predicted, 1.0 / kFactorMax, kFactorMax);
  const std::size_t step = step_of(shape.count());
  for (std::size_t b = 0; b < kBuckets; ++b) {
    if (shape.tokens[b] == 0) continue;
    const double rate = now_[b][step].load(std::memory_order_relaxed);
    const double part = rate * static_cast<double>(shape.tokens[b]) / predicted;
    set(b, step, rate * (1.0 + kCorrection * part * (factor - 1.0)));
  }
}

std::chrono::nanoseconds LatencyProfile::predict(const Shape& shape) const noexcept {
  const std::size_t step = step_of(shape.count());
  double sum = 0.0;
  for (std::size_t b = 0; b < kBuckets; ++b) {
    sum += now_[b][step].load(std::memory_order_relaxed) * static_cast<double>(shape.tokens[b]);
  }
  return nanoseconds(sum);
}

std::chrono::nanoseconds LatencyProfile::share(std::size_t tokens,
                                               std::size_t count) const noexcept {
  const double rate = now_[bucket_for(tokens)][step_of(count)].load(std::memory_order_relaxed);
  return nanoseconds(rate * static_cast<double>(tokens));
}

std::chrono::nanoseconds LatencyProfile::share_at_best(std::size_t tokens,
                                                       std::size_t count) const noexcept {
  const double rate = best_[bucket_for(tokens)][step_of(count)].load(std::memory_order_relaxed);
  return nanoseconds(rate * static_cast<double>(tokens));
}

}  // namespace tidewatch

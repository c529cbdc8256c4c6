// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tidewatch {

// The numbers that Metrics hands out. prometheus-cpp's own histogram takes a mutex for every
// observation and its counters add with a compare-and-swap loop on doubles; these are single
// relaxed additions and are turned into prometheus-cpp's families only when somebody scrapes.
// Threads: every member may be called concurrently and is lock-free. A scrape that runs beside a
// write may see a histogram's count without its sum.

class Counter {
 public:
  void add(std::uint64_t by = 1) noexcept { value_.fetch_add(by, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(double by) noexcept { value_.fetch_add(by, std::memory_order_relaxed); }
  double value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0.0};
};

// Observations in at most kBucketsMax buckets, `value <= bound` as Prometheus has it, and one
// more for what passes the last bound.
class Histogram {
 public:
  static constexpr std::size_t kBucketsMax = 20;

  // `upper_bounds` ascend and must outlive the histogram (they are constants).
  explicit Histogram(std::span<const double> upper_bounds) noexcept : bounds_(upper_bounds) {}

  void observe(double value) noexcept { observe(value, 1); }
  void observe(double value, std::uint64_t times) noexcept;

  std::span<const double> upper_bounds() const noexcept { return bounds_; }
  // Observations in bucket `i` alone; i == upper_bounds().size() is the last, open one.
  std::uint64_t bucket_count(std::size_t i) const noexcept {
    return counts_[i].load(std::memory_order_relaxed);
  }
  double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  std::span<const double> bounds_;
  std::array<std::atomic<std::uint64_t>, kBucketsMax + 1> counts_{};
  std::atomic<double> sum_{0.0};
};

}  // namespace tidewatch

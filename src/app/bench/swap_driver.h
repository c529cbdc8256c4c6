// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "observe/latency_histogram.h"

namespace tidewatch {

// Swaps the model of a running engine now and then, between two engine files, and marks the time
// around each swap: from kBefore before the call until kAfter after its answer.
// Threads: one of its own from construction to stop().
class SwapDriver {
 public:
  static constexpr std::chrono::milliseconds kBefore{100};
  static constexpr std::chrono::milliseconds kAfter{500};
  struct Options {
    std::string host;
    std::uint16_t port = 0;
    std::string model;  // empty: left out of the request
    std::vector<std::string> engines;
    std::uint64_t swaps = 1;
    std::chrono::nanoseconds first{};  // from now to the first swap
    std::chrono::nanoseconds every{};
    std::function<void(bool)> mark;
  };
  explicit SwapDriver(Options options);
  ~SwapDriver() { stop(); }
  void stop();  // after the swap that is under way

  std::uint64_t swaps() const { return swaps_; }
  std::uint64_t refused() const { return refused_; }
  const std::string& refusal() const { return refusal_; }  // the first; after stop()
  Percentiles took() const { return took_.percentiles(); }
  Percentiles first_answer() const { return first_answer_.percentiles(); }  // from the switch on
  // Free bytes of the GPU after each swap that was made; empty without one. After stop().
  const std::vector<std::uint64_t>& gpu_free_bytes() const { return gpu_free_bytes_; }

 private:
  void run();
  void note(const std::string& answer);

  const Options options_;
  LatencyHistogram took_;
  LatencyHistogram first_answer_;
  std::vector<std::uint64_t> gpu_free_bytes_;
  std::atomic<std::uint64_t> swaps_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::string refusal_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/clock.h"
#include "observe/latency_histogram.h"
#include "observe/metrics.h"

namespace tidewatch {

// How long posts take in each stage: into the Prometheus histograms, and into finer ones for
// percentiles (`replay --json`, GET /v1/stats).
// Ownership: `metrics` must outlive it. Threads: every member may be called concurrently.
class StageTimes {
 public:
  explicit StageTimes(Metrics& metrics) : metrics_(metrics) {}

  void record(Stage stage, std::chrono::nanoseconds took, std::uint64_t posts = 1) noexcept {
    metrics_.observe(stage, took, posts);
    stages_[static_cast<std::size_t>(stage)].record(took, posts);
  }
  // A post was answered at `now` after `took`: the stage `total`.
  void answered(SteadyTime now, std::chrono::nanoseconds took) noexcept {
    record(Stage::kTotal, took);
    recent_.record(now, took);
  }
  Percentiles percentiles(Stage stage) const {
    return stages_[static_cast<std::size_t>(stage)].percentiles();
  }
  const RecentLatency& recent() const { return recent_; }

 private:
  Metrics& metrics_;
  std::array<LatencyHistogram, kStages> stages_;
  RecentLatency recent_;
};

}  // namespace tidewatch

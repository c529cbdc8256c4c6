// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench_serve/arrivals.h"
#include "core/clock.h"
#include "observe/latency_histogram.h"

namespace tidewatch {

// What the server said of one post.
enum class PostOutcome : std::uint8_t {
  kAccepted,  // done: acknowledged on disk, or classified
  kRefused,   // no room: send it again later
  kExpired,   // its deadline passed at the server or on the way
  kFailed,    // anything else
};

// One part of a run, with figures of its own. A post belongs to the phase in which it was due.
struct LoadPhase {
  std::string name;
  RatePhase rate;
  bool measured = true;  // false: warming up; counted in nothing but its own line
};

// How many posts became what. offered = good + late + expired + refused + failed + lost.
struct PostCounts {
  std::uint64_t offered = 0;
  std::uint64_t good = 0;     // accepted within the deadline
  std::uint64_t late = 0;     // accepted after it
  std::uint64_t expired = 0;  // given up because of it
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;
  std::uint64_t lost = 0;  // never answered
  std::uint64_t accepted() const noexcept { return good + late; }
  // All that a client did not get in time.
  std::uint64_t missed() const noexcept { return offered - good; }
};

struct PhaseFigures {
  std::string name;
  bool measured = true;
  double rate = 0;  // as planned
  double seconds = 0;
  PostCounts counts;
  Percentiles latency;  // of the accepted, from when each was due
  Percentiles refusal;  // of the refused, from when their message was sent
  // From the phase's begin to the due time of its last post that missed; 0 when none did.
  double normal_after_s = 0;
};

// A second of the run (more in long ones), by when posts were due.
struct TimelineFigures {
  double at_s = 0;
  PostCounts counts;
  double p99_ms = 0;
  double max_ms = 0;
};

// Gathers the outcomes of one run.
//
// Threads: start() first; then offered() from the sending thread, answered() from any, the rest
// from any (figures beside answered() may miss the newest).
// Bound: 14 KiB a phase and a timeline step; at most kTimelineSteps of those.
class Tally {
 public:
  static constexpr std::size_t kTimelineSteps = 600;

  Tally(std::vector<LoadPhase> phases, std::chrono::nanoseconds deadline);

  // The moment that due times count from.
  void start(SteadyTime at) noexcept { start_.store(at, std::memory_order_relaxed); }
  SteadyTime started_at() const noexcept { return start_.load(std::memory_order_relaxed); }

  void offered(SteadyTime due) noexcept;
  // `marked`: the post was sent within a window of interest (a swap).
  void answered(SteadyTime due, SteadyTime sent, SteadyTime now, PostOutcome outcome,
                bool marked) noexcept;
  // The sender woke so much later than it meant to.
  void sender_lag(std::chrono::nanoseconds lag, std::uint64_t posts) noexcept {
    lag_.record(lag, posts);
  }

  std::uint64_t outstanding() const noexcept {
    return offered_.load(std::memory_order_acquire) - answered_.load(std::memory_order_acquire);
  }
  std::uint64_t accepted() const noexcept { return accepted_.load(std::memory_order_relaxed); }
  // Index of the phase that runs at a time from the start; the last one afterwards.
  std::size_t phase_at(std::chrono::nanoseconds from_start) const noexcept;

  std::size_t num_phases() const noexcept { return phases_.size(); }
  const LoadPhase& phase(std::size_t i) const { return phases_[i]->plan; }
  std::chrono::nanoseconds deadline() const noexcept { return deadline_; }

  // Posts that are not answered yet count as lost: call when waiting has ended.
  PhaseFigures figures(std::size_t phase) const;
  PhaseFigures total() const;  // of the measured phases
  std::vector<TimelineFigures> timeline() const;
  Percentiles lag() const { return lag_.percentiles(); }
  Percentiles marked() const { return marked_.percentiles(); }
  Percentiles unmarked() const { return unmarked_.percentiles(); }
  std::uint64_t marked_failed() const noexcept { return marked_failed_.load(); }

 private:
  struct Counts {
    std::atomic<std::uint64_t> offered{0}, good{0}, late{0}, expired{0}, refused{0}, failed{0};
    void add(PostOutcome outcome, bool in_time) noexcept;
    PostCounts read() const noexcept;
  };
  struct Phase {
    LoadPhase plan;
    std::chrono::nanoseconds begin{};
    Counts counts;
    LatencyHistogram latency;
    LatencyHistogram refusal;
    std::atomic<std::int64_t> last_miss_ns{-1};  // due time of it, from the start
  };
  struct Step {
    Counts counts;
    LatencyHistogram latency;
  };
  Step& step_at(std::chrono::nanoseconds from_start) noexcept;

  const std::chrono::nanoseconds deadline_;
  std::vector<std::unique_ptr<Phase>> phases_;
  std::chrono::nanoseconds step_{};
  std::vector<Step> steps_;
  std::atomic<SteadyTime> start_{SteadyTime{}};
  LatencyHistogram all_;          // of the measured phases
  LatencyHistogram all_refusal_;  // likewise
  LatencyHistogram lag_;
  LatencyHistogram marked_;
  LatencyHistogram unmarked_;
  std::atomic<std::uint64_t> marked_failed_{0};
  std::atomic<std::uint64_t> offered_{0};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<std::uint64_t> accepted_{0};
};

}  // namespace tidewatch

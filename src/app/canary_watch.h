// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/model_slot.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "infer/canary_rules.h"
#include "infer/golden_set.h"
#include "observe/latency_histogram.h"
#include "observe/metrics.h"

namespace tidewatch {

// A labelled text, tokenised.
struct ProbeText {
  GoldenText golden;
  std::vector<std::int32_t> token_ids;
};

// Holds a candidate against the live model: asks the other of the two about texts that one has
// answered, runs the labelled probe set over both now and then, and tells what decide_canary says.
//
// Bounds: `queue_texts_max` texts wait; beyond, and while `busy` says that live texts wait, they
// are dropped and counted. Threads: one of its own; every member may be called concurrently, but
// stop() not from `decided`. Ownership: clock, metrics and probes must outlive it; both models are
// let go when its thread ends.
// Life cycle: start() once; ends by a decision (`decided` is the thread's last act, told at most
// once) or by stop().
class CanaryWatch final : public CanaryObserver {
 public:
  struct Options {
    CanaryLimits limits;
    std::chrono::milliseconds probe_every{60'000};
    std::size_t queue_texts_max = 256;
  };
  using Decided = std::function<void(const CanaryDecision&)>;

  CanaryWatch(const Options& options, std::shared_ptr<LiveModel> live,
              std::shared_ptr<LiveModel> candidate, const std::vector<ProbeText>& probes,
              const Clock& clock, Metrics& metrics, std::function<bool()> busy, Decided decided);
  ~CanaryWatch() override;  // stops

  void start();
  void stop() EXCLUDES(mu_, stop_mu_);
  CanaryFigures figures() const EXCLUDES(mu_);

  void ran(CanarySideName side, std::chrono::nanoseconds took, std::size_t texts,
           bool failed) noexcept override;
  void answered(CanarySideName side, std::span<const std::int32_t> token_ids,
                const Scores& scores) noexcept override EXCLUDES(mu_);

 private:
  struct Waiting {
    std::vector<std::int32_t> token_ids;
    Scores scores;
    CanarySideName side = CanarySideName::kLive;  // who gave them
  };
  // What is counted without a lock, of one side.
  struct Side {
    std::atomic<std::uint64_t> runs{0};
    std::atomic<std::uint64_t> errors{0};
    LatencyHistogram latency;
  };
  void watch() EXCLUDES(mu_);
  // Asks the other model about a text that one has answered.
  void compare(const Waiting& text) EXCLUDES(mu_);
  // Runs the probe set over both; false when told to stop meanwhile.
  bool probe() EXCLUDES(mu_);
  CanaryDecision review() EXCLUDES(mu_);
  bool stopping() const EXCLUDES(mu_);
  Side& side(CanarySideName name) {
    return name == CanarySideName::kLive ? live_side_ : candidate_side_;
  }

  const Options options_;
  const std::vector<ProbeText>& probes_;
  const Clock& clock_;
  Metrics& metrics_;
  const std::function<bool()> busy_;
  const Decided decided_;
  const std::string model_;
  const std::string live_version_;
  const std::string candidate_version_;
  std::shared_ptr<LiveModel> live_;  // the thread's own once started, as is the next
  std::shared_ptr<LiveModel> candidate_;
  Side live_side_;
  Side candidate_side_;
  std::atomic<std::uint64_t> shed_{0};
  mutable Mutex mu_;
  CondVar changed_;
  std::deque<Waiting> queue_ GUARDED_BY(mu_);
  bool stopping_ GUARDED_BY(mu_) = false;
  CanaryFigures compared_ GUARDED_BY(mu_);  // what the atomics do not hold
  Mutex stop_mu_;                           // one stop() at a time
  std::jthread thread_;
};

}  // namespace tidewatch

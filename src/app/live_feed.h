// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "alert/alert_manager.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "infer/scores.h"
#include "serve/engine.h"
#include "store/store_writer.h"

namespace tidewatch {

// Turns what the engine does into events of GET /v1/live (every alert, and a sample of at most
// kPostsPerSecond posts) and of gRPC Watch (every alert). Says nothing while it is not connected.
// Ownership: clock must outlive it; what it is connected to must until connect(nullptr, nullptr).
// Threads: every member may be called concurrently; none blocks.
class LiveFeed {
 public:
  static constexpr std::uint32_t kPostsPerSecond = 5;

  explicit LiveFeed(const Clock& clock) : clock_(clock) {}

  void set_labels(LabelSchema labels) EXCLUDES(mu_);
  // `alerts` may be null: nothing but GET /v1/live is served.
  void connect(LiveEvents* live, AlertEvents* alerts) EXCLUDES(mu_);
  void alert(const AlertUpdate& update) EXCLUDES(mu_);
  void stored(std::span<const CommittedPost> posts) EXCLUDES(mu_);

 private:
  const Clock& clock_;
  Mutex mu_;
  LiveEvents* live_ GUARDED_BY(mu_) = nullptr;
  AlertEvents* alerts_ GUARDED_BY(mu_) = nullptr;
  LabelSchema labels_ GUARDED_BY(mu_);
  SteadyTime second_start_ GUARDED_BY(mu_){};
  std::uint32_t sampled_ GUARDED_BY(mu_) = 0;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "core/clock.h"
#include "simulate/random.h"

namespace tidewatch {

// So many posts a second on average, for so long.
struct RatePhase {
  double per_second = 0;
  std::chrono::nanoseconds length{};
};

// When the posts of an open-loop load are due: a Poisson process whose rate is that of the phase
// which runs, whatever became of the posts before. The same seed gives the same times.
class PoissonArrivals {
 public:
  PoissonArrivals(std::vector<RatePhase> phases, std::uint64_t seed);

  // Time from the start to the next post; never decreases. Nothing once the last phase is over.
  std::optional<std::chrono::nanoseconds> next();

 private:
  const std::vector<RatePhase> phases_;
  Random random_;
  std::size_t phase_ = 0;
  double phase_begin_s_ = 0;
  double now_s_ = 0;
};

// When the sender wakes and how much goes into one message: what is due by then, but no message
// earlier than `window` after the one before. So a lone post leaves at once and a stream leaves in
// bundles, each post waiting at most the window.
class Bundling {
 public:
  explicit Bundling(std::chrono::nanoseconds window) : window_(window) {}

  // When to send a message whose first post is due at `first_due`.
  SteadyTime wake_at(SteadyTime first_due) const noexcept {
    return std::max(first_due, last_sent_ + window_);
  }
  void sent(SteadyTime now) noexcept { last_sent_ = now; }

 private:
  const std::chrono::nanoseconds window_;
  SteadyTime last_sent_{};
};

}  // namespace tidewatch

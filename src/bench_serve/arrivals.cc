// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/arrivals.h"

#include <utility>

namespace tidewatch {

PoissonArrivals::PoissonArrivals(std::vector<RatePhase> phases, std::uint64_t seed)
    : phases_(std::move(phases)), random_(seed) {}

std::optional<std::chrono::nanoseconds> PoissonArrivals::next() {
  // One unit of expected posts to go: each phase uses up its rate times the time spent in it.
  double left = random_.exponential();
  while (phase_ < phases_.size()) {
    const RatePhase& phase = phases_[phase_];
    const double end_s = phase_begin_s_ + std::chrono::duration<double>(phase.length).count();
    const double expected = phase.per_second * (end_s - now_s_);
    if (left < expected) {
      now_s_ += left / phase.per_second;
      return std::chrono::duration_cast<std::chrono::nanoseconds>(
          std::chrono::duration<double>(now_s_));
    }
    left -= expected;
    now_s_ = phase_begin_s_ = end_s;
    ++phase_;
  }
  return std::nullopt;
}

}  // namespace tidewatch

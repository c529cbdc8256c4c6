// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace tidewatch {

// How long to wait before the next attempt: doubles from `first` to `longest`, of which half is
// drawn, so that many clients of one server do not come back at once. Plain value.
class Backoff {
 public:
  struct Options {
    std::chrono::milliseconds first{1'000};
    std::chrono::milliseconds longest{300'000};
  };
  Backoff(Options options, std::uint64_t seed) : options_(options), random_(seed) {}

  // `asked`: what the server asked for (Retry-After), which is never undercut, up to a day.
  std::chrono::milliseconds next(std::chrono::milliseconds asked = {}) {
    const std::int64_t doubled = options_.first.count() * (1LL << std::min(failures_, 20));
    const std::int64_t half = std::min<std::int64_t>(options_.longest.count(), doubled) / 2;
    ++failures_;
    const std::chrono::milliseconds drawn{
        half + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(half + 1))};
    return std::max(drawn, std::min<std::chrono::milliseconds>(asked, std::chrono::hours{24}));
  }
  void reset() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  Options options_;
  int failures_ = 0;
  std::mt19937_64 random_;
};

}  // namespace tidewatch

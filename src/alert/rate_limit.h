// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "core/clock.h"

namespace tidewatch {

// At most `count` sends in any span of `window`. Receivers count so, and some punish (DingTalk
// shuts a robot out for ten minutes), hence no token bucket, whose bursts may pass twice the count.
struct RateLimit {
  std::size_t count = 0;  // at most 10,000
  std::chrono::milliseconds window{60'000};
};

// Keeps one channel within all its limits. Pure: the caller says what time it is, never going back.
// Bound: remembers as many sends as the largest count. Not thread-safe.
class RateLimiter {
 public:
  explicit RateLimiter(std::vector<RateLimit> limits = {}) : limits_(std::move(limits)) {
    for (const RateLimit& limit : limits_) kept_max_ = std::max(kept_max_, limit.count);
  }

  // How many may be sent at `now`, at most `wanted`.
  std::size_t room(EventTime now, std::size_t wanted) const {
    for (const RateLimit& limit : limits_) {
      std::size_t used = 0;
      for (auto sent = sent_.rbegin(); sent != sent_.rend() && now - *sent < limit.window; ++sent) {
        ++used;
      }
      wanted = std::min(wanted, limit.count - std::min(used, limit.count));
    }
    return wanted;
  }
  void sent(EventTime at) {
    if (kept_max_ == 0) return;
    if (sent_.size() == kept_max_) sent_.pop_front();
    sent_.push_back(at);
  }

 private:
  std::vector<RateLimit> limits_;
  std::size_t kept_max_ = 0;
  std::deque<EventTime> sent_;
};

}  // namespace tidewatch

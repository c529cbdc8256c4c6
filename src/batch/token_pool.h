// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/mutex.h"

namespace tidewatch {

// Buffers of token ids that go round: taken where a text is tokenized, given back when it has its
// scores, so that the steady state allocates none.
// Threads: every member may be called concurrently. Bound: `buffers_max` are kept; a buffer given
// back beyond that is freed.
class TokenPool {
 public:
  // `tokens_max`: room of each buffer, so that none grows later.
  TokenPool(std::size_t buffers_max, std::size_t tokens_max)
      : buffers_max_(buffers_max), tokens_max_(tokens_max) {
    free_.reserve(buffers_max);
  }

  // An empty buffer with room for tokens_max ids; made only while the pool fills.
  std::vector<std::int32_t> take() {
    std::vector<std::int32_t> buffer;
    {
      MutexLock lock(mu_);
      if (!free_.empty()) {
        buffer = std::move(free_.back());
        free_.pop_back();
      }
    }
    buffer.reserve(tokens_max_);
    return buffer;
  }
  void give_back(std::vector<std::int32_t>&& buffer) {
    buffer.clear();
    MutexLock lock(mu_);
    if (free_.size() < buffers_max_) free_.push_back(std::move(buffer));
  }

 private:
  const std::size_t buffers_max_;
  const std::size_t tokens_max_;
  Mutex mu_;
  std::vector<std::vector<std::int32_t>> free_ GUARDED_BY(mu_);
};

}  // namespace tidewatch

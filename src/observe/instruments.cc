// SPDX-License-Identifier: Apache-2.0
#include "observe/instruments.h"

#include <algorithm>
#include <cassert>

namespace tidewatch {

void Histogram::observe(double value, std::uint64_t times) noexcept {
  assert(bounds_.size() <= kBucketsMax);
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  counts_[static_cast<std::size_t>(at - bounds_.begin())].fetch_add(times,
                                                                    std::memory_order_relaxed);
  sum_.fetch_add(value * static_cast<double>(times), std::memory_order_relaxed);
}

}  // namespace tidewatch

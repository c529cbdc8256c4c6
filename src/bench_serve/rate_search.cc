// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/rate_search.h"

#include <algorithm>
#include <cmath>

namespace tidewatch {

std::optional<double> RateSearch::next() const {
  if (tries_ == 0) return options_.first;
  if (tries_ >= options_.tries_max) return std::nullopt;
  if (failed_ == 0) {
    if (kept_ >= options_.most) return std::nullopt;
    return std::min(kept_ * 2, options_.most);
  }
  if (kept_ == 0) {
    if (failed_ <= options_.least) return std::nullopt;
    return std::max(failed_ / 2, options_.least);
  }
  if (failed_ / kept_ <= 1 + options_.precision) return std::nullopt;
  return std::sqrt(failed_ * kept_);
}

void RateSearch::tried(double rate, bool kept) {
  ++tries_;
  if (kept) {
    kept_ = std::max(kept_, rate);
  } else if (failed_ == 0 || rate < failed_) {
    failed_ = rate;
  }
}

}  // namespace tidewatch

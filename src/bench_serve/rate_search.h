// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

namespace tidewatch {

// Looks for the highest rate that still keeps a promise: doubles while it is kept, halves while it
// is not, then bisects between the two (geometrically) until they are close.
//
//   while (const auto rate = search.next()) search.tried(*rate, try_it(*rate));
class RateSearch {
 public:
  struct Options {
    double first = 8'000;
    double least = 50;  // when not even this is kept, the search ends with best() == 0
    double most = 1'000'000;
    double precision = 0.03;  // ends when the failing rate is at most so much above the best
    int tries_max = 24;
  };
  explicit RateSearch(Options options) : options_(options) {}

  // The rate to try; nothing when the search is over.
  std::optional<double> next() const;
  void tried(double rate, bool kept);
  double best() const noexcept { return kept_; }  // 0: none yet

 private:
  const Options options_;
  double kept_ = 0;    // highest
  double failed_ = 0;  // lowest; 0: none
  int tries_ = 0;
};

}  // namespace tidewatch

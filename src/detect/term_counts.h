// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidewatch {

struct TermCountOptions {
  std::size_t buckets = std::size_t{1} << 17;  // in each of two rows, 24 bytes each; a power of two
  double memory_slices = 120;  // time constant of the baseline: an hour of 30 s slices
  double significance = 10;    // standard deviations above the baseline
  std::uint32_t count_min = 12;
  std::uint32_t warm_up_slices = 20;  // nothing is significant before
};

// Finds terms that are suddenly frequent, without keeping the terms: SigniTrend (E. Schubert, M.
// Weiler, H.-P. Kriegel, "SigniTrend: scalable detection of emerging topics in textual streams by
// hashed significance thresholds", KDD 2014). Posts are counted by hashed term in slices of event
// time; each bucket keeps the exponentially weighted mean and variance of its counts, from which
// the next slice's threshold is made beforehand. A term is significant as soon as its count passes
// the threshold in both rows: a collision can hide an emerging term but not invent one, unless it
// happens in both. The variance is never taken to be less than the mean (Poisson), and thresholds
// grow with the volume of the whole stream, so that a busy evening makes no term emerge.
//
// Buckets are brought up to date when they are next looked at, so that the end of a slice, and
// silence of any length, cost nothing. Fixed memory; deterministic; not thread-safe.
class TermCounts {
 public:
  explicit TermCounts(TermCountOptions options);

  // Fetches the buckets of a term into the cache, for an add() to come.
  void prefetch(std::uint64_t term) const {
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      __builtin_prefetch(&rows_[row][place(row, term)], 1);
    }
  }

  // Begins the next post; every term counts once a post.
  void begin_post();
  // Counts a term of the post. True: it is significant now.
  bool add(std::uint64_t term);
  // Ends a slice, and `empty_after` more without any post.
  void end_slice(std::uint64_t empty_after = 0);

  // Posts a slice to be expected of the term, and by how many standard deviations its count in
  // this slice is above that.
  double expected(std::uint64_t term) const;
  double significance(std::uint64_t term) const;

  std::size_t memory_bytes() const { return 2 * rows_[0].size() * sizeof(Bucket); }

 private:
  struct Bucket {
    std::uint32_t count = 0;  // in `slice`
    std::uint32_t threshold = UINT32_MAX;
    std::uint32_t last_post = 0;
    std::uint32_t slice = 0;
    float mean = 0, square = 0;  // of the counts of slices before `slice`, and of their squares
  };

  std::size_t place(std::size_t row, std::uint64_t term) const {
    return (row == 0 ? term : term >> 32) & (rows_[0].size() - 1);
  }
  double kept(std::uint64_t slices) const;
  // Of all that was learnt: 1 in the long run. Means are divided by it.
  double weight() const { return weight_; }
  double scale() const;
  double deviation(const Bucket& bucket) const;
  void settle(Bucket& bucket) const;

  const TermCountOptions options_;
  const double keep_;                 // of the past, from slice to slice
  std::array<double, 1'024> kept_{};  // powers of keep_
  std::array<std::vector<Bucket>, 2> rows_;
  std::uint32_t post_ = 0;   // serial of the current one
  std::uint32_t posts_ = 0;  // in this slice
  double posts_mean_ = 0;
  double weight_ = 1e-9;
  std::uint64_t slices_ = 0;
};

}  // namespace tidewatch

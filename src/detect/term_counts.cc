// SPDX-License-Identifier: Apache-2.0
#include "detect/term_counts.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tidewatch {

TermCounts::TermCounts(TermCountOptions options)
    : options_(options), keep_(1 - 1 / options.memory_slices) {
  const std::size_t buckets = std::bit_ceil(std::max<std::size_t>(options.buckets, 64));
  for (std::vector<Bucket>& row : rows_) row.resize(buckets);
  double power = 1;
  for (double& kept : kept_) {
    kept = power;
    power *= keep_;
  }
}

double TermCounts::kept(std::uint64_t slices) const {
  if (slices < kept_.size()) return kept_[slices];
  return std::pow(keep_, static_cast<double>(slices));
}

void TermCounts::begin_post() {
  ++post_;
  ++posts_;
}

// A stream busier than usual is allowed to have more of everything.
double TermCounts::scale() const {
  const double expected = slices_ == 0 ? 0 : posts_mean_ / weight();
  return expected > 0 ? std::max(1.0, posts_ / expected) : 1;
}

// Brings a bucket up to the present slice: its last count is learnt, and the slices without it
// since, however many.
void TermCounts::settle(Bucket& bucket) const {
  if (bucket.slice == slices_) return;
  const double x = bucket.count;
  const double since = kept(slices_ - bucket.slice - 1);
  bucket.mean = static_cast<float>((bucket.mean * keep_ + x * (1 - keep_)) * since);
  bucket.square = static_cast<float>((bucket.square * keep_ + x * x * (1 - keep_)) * since);
  bucket.count = 0;
  bucket.slice = static_cast<std::uint32_t>(slices_);
  const double threshold = bucket.mean / weight() + options_.significance * deviation(bucket);
  bucket.threshold = std::max(options_.count_min, static_cast<std::uint32_t>(std::ceil(threshold)));
}

bool TermCounts::add(std::uint64_t term) {
  bool significant = slices_ >= options_.warm_up_slices;
  const double volume = scale();
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    Bucket& bucket = rows_[row][place(row, term)];
    settle(bucket);
    if (bucket.last_post != post_) {
      bucket.last_post = post_;
      ++bucket.count;
    }
    significant = significant && bucket.count >= bucket.threshold &&
                  bucket.count >= bucket.threshold * volume;
  }
  return significant;
}

double TermCounts::deviation(const Bucket& bucket) const {
  const double mean = bucket.mean / weight();
  return std::sqrt(std::max({bucket.square / weight() - mean * mean, mean, 1.0}));
}

void TermCounts::end_slice(std::uint64_t empty_after) {
  posts_mean_ = (posts_mean_ * keep_ + posts_ * (1 - keep_)) * kept(empty_after);
  posts_ = 0;
  slices_ += 1 + empty_after;
  weight_ = std::max(1 - kept(slices_), 1e-9);
}

double TermCounts::expected(std::uint64_t term) const {
  if (slices_ == 0) return 0;
  double least = HUGE_VAL;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    Bucket bucket = rows_[row][place(row, term)];
    settle(bucket);
    least = std::min(least, bucket.mean / weight());
  }
  return least;
}

double TermCounts::significance(std::uint64_t term) const {
  if (slices_ == 0) return 0;
  double least = HUGE_VAL;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    Bucket bucket = rows_[row][place(row, term)];
    settle(bucket);
    const double above = bucket.count - bucket.mean / weight() * scale();
    least = std::min(least, above / deviation(bucket));
  }
  return least;
}

}  // namespace tidewatch

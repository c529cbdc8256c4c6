// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"

namespace tidewatch {

// Magnitudes of a tensor's values, seen over many texts: 2,048 bins from 0 to a limit that doubles
// (neighbouring bins merged) when a value lies above it, so that one pass is enough. Exact zeros
// are counted apart: they are quantised without error, and after a Relu they are most values.
// A plain value. Bound: 16 KiB.
class MagnitudeHistogram {
 public:
  static constexpr std::size_t kBins = 2'048;

  void add(std::span<const float> values) noexcept;  // NaN and infinities are left out

  std::uint64_t count() const noexcept { return count_; }  // values that are not zero
  std::uint64_t zeros() const noexcept { return zeros_; }
  float max() const noexcept { return max_; }  // largest magnitude; exact
  double bin_width() const noexcept { return limit_ / static_cast<double>(kBins); }
  std::span<const std::uint64_t> bins() const noexcept { return bins_; }

 private:
  void grow(float magnitude) noexcept;

  std::array<std::uint64_t, kBins> bins_{};
  double limit_ = 0;  // a power of two; 0: nothing was added
  std::uint64_t count_ = 0;
  std::uint64_t zeros_ = 0;
  float max_ = 0;
};

// How the range of a tensor is chosen: values beyond it saturate.
struct RangeMethod {
  enum class Kind : std::uint8_t { kMinMax, kPercentile, kEntropy };
  Kind kind = Kind::kMinMax;
  double percentile = 100;  // kPercentile: of the magnitudes that are not zero
  bool operator==(const RangeMethod&) const = default;
};

std::string range_method_name(const RangeMethod& method);  // "minmax", "percentile-99.99", …
// kInvalidArgument lists what is allowed; percentiles from 50 to 100.
Result<RangeMethod> parse_range_method(std::string_view text);
// What `calibrate` tries when it is not told: min-max, four percentiles, entropy.
std::vector<RangeMethod> range_methods();

// The magnitude that becomes 127. Falls back to 1 when nothing but zeros was seen.
float estimate_range(const MagnitudeHistogram& histogram, const RangeMethod& method);

// Number of leading bins, `levels` to bins.size(), after which to saturate so that the Kullback-
// Leibler divergence of the quantised distribution from the observed one is least: S. Migacz,
// "8-bit inference with TensorRT", GTC 2017. The smallest such number on a tie.
// Precondition: 1 <= levels <= bins.size().
std::size_t entropy_bins(std::span<const std::uint64_t> bins, std::size_t levels);

// The divergence that entropy_bins compares, for `kept` bins: of the first `kept` bins, all that
// lies beyond added to the last of them, from the same spread over `levels` steps. Infinite when
// the steps say that something observed cannot be.
double saturation_divergence(std::span<const std::uint64_t> bins, std::size_t kept,
                             std::size_t levels);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/calibration/range_estimator.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

namespace tidewatch {
namespace {

constexpr std::string_view kPercentilePrefix = "percentile-";
constexpr std::size_t kLevels = 128;  // magnitudes that a signed byte tells apart

// The upper edge of the bin in which the percentile lies, or the maximum if that is less.
float percentile_range(const MagnitudeHistogram& histogram, double percentile) {
  const auto wanted = static_cast<std::uint64_t>(
      std::ceil(static_cast<double>(histogram.count()) * percentile / 100.0));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < MagnitudeHistogram::kBins; ++i) {
    seen += histogram.bins()[i];
    if (seen >= wanted) {
      const double edge = static_cast<double>(i + 1) * histogram.bin_width();
      return std::min(static_cast<float>(edge), histogram.max());
    }
  }
  return histogram.max();
}

}  // namespace

void MagnitudeHistogram::grow(float magnitude) noexcept {
  if (limit_ == 0) {
    int exponent = 0;
    std::frexp(magnitude, &exponent);  // magnitude < 2^exponent
    limit_ = std::ldexp(1.0, exponent);
    return;
  }
  while (static_cast<double>(magnitude) >= limit_) {
    for (std::size_t i = 0; i < kBins / 2; ++i) bins_[i] = bins_[2 * i] + bins_[2 * i + 1];
    std::fill(bins_.begin() + kBins / 2, bins_.end(), 0);
    limit_ *= 2;
  }
}

void MagnitudeHistogram::add(std::span<const float> values) noexcept {
  for (const float value : values) {
    const float magnitude = std::fabs(value);
    if (magnitude == 0) {
      ++zeros_;
      continue;
    }
    if (!std::isfinite(magnitude)) continue;
    if (static_cast<double>(magnitude) >= limit_) grow(magnitude);
    max_ = std::max(max_, magnitude);
    ++count_;
    ++bins_[static_cast<std::size_t>(static_cast<double>(magnitude) / limit_ *
                                     static_cast<double>(kBins))];
  }
}

std::string range_method_name(const RangeMethod& method) {
  switch (method.kind) {
    case RangeMethod::Kind::kPercentile:
      return fmt::format("{}{}", kPercentilePrefix, method.percentile);
    case RangeMethod::Kind::kEntropy:
      return "entropy";
    case RangeMethod::Kind::kMinMax:
      break;
  }
  return "minmax";
}

Result<RangeMethod> parse_range_method(std::string_view text) {
  if (text == "minmax") return RangeMethod{};
  if (text == "entropy") return RangeMethod{RangeMethod::Kind::kEntropy, 100};
  if (text.starts_with(kPercentilePrefix)) {
    const std::string_view number = text.substr(kPercentilePrefix.size());
    double percentile = 0;
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), percentile);
    if (error == std::errc{} && end == number.data() + number.size() && percentile >= 50 &&
        percentile <= 100) {
      return RangeMethod{RangeMethod::Kind::kPercentile, percentile};
    }
  }
  return Error{Code::kInvalidArgument,
               fmt::format("range method '{}': must be minmax, entropy or percentile-P with P from "
                           "50 to 100",
                           text)};
}

std::vector<RangeMethod> range_methods() {
  std::vector<RangeMethod> methods{{}, {RangeMethod::Kind::kEntropy, 100}};
  for (const double p : {99.9, 99.99, 99.999, 99.9999}) {
    methods.push_back({RangeMethod::Kind::kPercentile, p});
  }
  return methods;
}

float estimate_range(const MagnitudeHistogram& histogram, const RangeMethod& method) {
  if (histogram.count() == 0) return 1;
  switch (method.kind) {
    case RangeMethod::Kind::kPercentile:
      return percentile_range(histogram, method.percentile);
    case RangeMethod::Kind::kEntropy: {
      const double kept = static_cast<double>(entropy_bins(histogram.bins(), kLevels));
      return std::min(static_cast<float>(kept * histogram.bin_width()), histogram.max());
    }
    case RangeMethod::Kind::kMinMax:
      break;
  }
  return histogram.max();
}

double saturation_divergence(std::span<const std::uint64_t> bins, std::size_t kept,
                             std::size_t levels) {
  const auto total =
      static_cast<double>(std::accumulate(bins.begin(), bins.end(), std::uint64_t{0}));
  const std::uint64_t beyond = std::accumulate(bins.begin() + static_cast<std::ptrdiff_t>(kept),
                                               bins.end(), std::uint64_t{0});
  const auto inside = total - static_cast<double>(beyond);
  if (inside == 0) return std::numeric_limits<double>::infinity();
  double divergence = 0;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::size_t begin = level * kept / levels;
    const std::size_t end = (level + 1) * kept / levels;
    double sum = 0;
    double filled = 0;
    for (std::size_t i = begin; i < end; ++i) {
      sum += static_cast<double>(bins[i]);
      filled += bins[i] > 0 ? 1 : 0;
    }
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t observed = bins[i] + (i + 1 == kept ? beyond : 0);
      if (observed == 0) continue;
      if (bins[i] == 0) return std::numeric_limits<double>::infinity();
      const double p = static_cast<double>(observed) / total;
      const double q = sum / filled / inside;
      divergence += p * std::log(p / q);
    }
  }
  return divergence;
}

std::size_t entropy_bins(std::span<const std::uint64_t> bins, std::size_t levels) {
  std::size_t used = bins.size();  // beyond the last value nothing changes
  while (used > levels && bins[used - 1] == 0) --used;
  std::size_t best = used;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t kept = levels; kept <= used; ++kept) {
    const double divergence = saturation_divergence(bins, kept, levels);
    if (divergence < least) {
      least = divergence;
      best = kept;
    }
  }
  return best;
}

}  // namespace tidewatch

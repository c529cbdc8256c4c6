// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/text_lengths.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

namespace tidewatch {
namespace {

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

// The mean of a log-normal clipped to [low, high].
double clipped_mean(double mu, double sigma, double low, double high) {
  const double a = (std::log(low) - mu) / sigma;
  const double b = (std::log(high) - mu) / sigma;
  return low * normal_cdf(a) + high * (1 - normal_cdf(b)) +
         std::exp(mu + sigma * sigma / 2) * (normal_cdf(b - sigma) - normal_cdf(a - sigma));
}

}  // namespace

TextLengths::TextLengths(const TextLengthOptions& options) : options_(options) {
  if (options.tokens_min == options.tokens_max) {
    mu_ = std::log(options.tokens_mean);
    return;
  }
  assert(options.tokens_min < options.tokens_mean && options.tokens_mean < options.tokens_max);
  const double low_tokens = options.tokens_min;
  const double high_tokens = options.tokens_max;
  double low = std::log(low_tokens) - 4 * options.sigma;
  double high = std::log(high_tokens) + 4 * options.sigma;
  for (int i = 0; i < 100; ++i) {
    mu_ = (low + high) / 2;
    const double mean = clipped_mean(mu_, options.sigma, low_tokens, high_tokens);
    (mean < options.tokens_mean ? low : high) = mu_;
  }
}

std::uint32_t TextLengths::draw(Random& random) const noexcept {
  // Box and Muller; the other half of the pair is not worth keeping state for.
  const double radius = std::sqrt(-2 * std::log(1.0 - random.unit()));
  const double normal = radius * std::cos(2 * std::numbers::pi * random.unit());
  const double tokens = std::exp(mu_ + options_.sigma * normal) + 0.5;
  return static_cast<std::uint32_t>(std::clamp(tokens, static_cast<double>(options_.tokens_min),
                                               static_cast<double>(options_.tokens_max)));
}

}  // namespace tidewatch

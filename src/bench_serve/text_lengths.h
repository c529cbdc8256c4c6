// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "simulate/random.h"

namespace tidewatch {

struct TextLengthOptions {
  static TextLengthOptions all(std::uint32_t tokens) {
    return {tokens, tokens, static_cast<double>(tokens), 0};
  }

  std::uint32_t tokens_min = 15;  // [CLS] and [SEP] included, as are the others
  std::uint32_t tokens_max = 512;
  double tokens_mean = 96;  // after clipping
  double sigma = 0.75;      // of the logarithm
};

// How long the texts of a load are: log-normal, clipped to the bounds, with the scale chosen so
// that the mean after clipping is the one asked for. With the defaults: median 80, one text in
// a hundred has 400 tokens or more.
class TextLengths {
 public:
  // Precondition: tokens_min < tokens_mean < tokens_max, sigma > 0; or all three equal, and every
  // text has that length.
  explicit TextLengths(const TextLengthOptions& options);

  std::uint32_t draw(Random& random) const noexcept;

  const TextLengthOptions& options() const noexcept { return options_; }
  double mu() const noexcept { return mu_; }  // mean of the logarithm before clipping

 private:
  TextLengthOptions options_;
  double mu_ = 0;
};

}  // namespace tidewatch

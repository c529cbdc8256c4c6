// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace tidewatch {

// The upper tail of a sample, as peaks over a threshold: what exceeds `above` has a generalised
// Pareto distribution (J. Pickands, Annals of Statistics 3, 1975; S. Coles, "An Introduction to
// Statistical Modeling of Extreme Values", 2001, ch. 4), fitted by maximum likelihood in the
// one-parameter form of S. D. Grimshaw (Technometrics 35, 1993). For thresholds of detectors:
// A. Siffer et al., KDD 2017.
struct TailFit {
  double above = 0;           // the threshold of the fit
  double scale = 1;           // sigma
  double shape = 0;           // xi: 0 is an exponential tail, above 0 a heavy one
  double peaks_per_unit = 0;  // that exceed `above`, per unit of exposure
  std::size_t num_peaks = 0;  // that the fit rests on
  bool fitted = false;        // false: too few peaks; an exponential tail of the mean excess

  // Peaks per unit of exposure expected above `level`; `level` of at least `above`.
  double rate_above(double level) const;
  // The level that this many peaks per unit exceed; `above` when fewer exceed that already.
  double level_for(double rate) const;
};

// Fits the largest quarter of `peaks`, 20 to 200 of them (fewer than 10: see TailFit::fitted).
// `exposure` is what the peaks were gathered over, in any unit, such as days. Shapes are kept
// within 0 to 1: a negative one says that nothing larger can come, which days with the largest
// burst still ahead of them say too. Pure.
TailFit fit_tail(std::vector<double> peaks, double exposure);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "detect/tail_fit.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace tidewatch {
namespace {

constexpr std::size_t kPeaksMin = 10, kPeaksFew = 20, kPeaksMany = 200;
constexpr double kShapeMin = 0, kShapeMax = 1;
constexpr double kFlat = 1e-9;

struct Pareto {
  double scale = 1, shape = 0;
};

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Log-likelihood for the shape that is best given `tau` = shape / scale (Grimshaw's reduction),
// and that shape.
double profile(const std::vector<double>& excesses, double tau, Pareto& best) {
  double sum = 0;
  for (const double excess : excesses) sum += std::log1p(tau * excess);
  const double n = static_cast<double>(excesses.size());
  const double shape = std::clamp(sum / n, kShapeMin, kShapeMax);
  if (std::abs(shape) < kFlat) {
    best = {mean_of(excesses), 0};
    return -n * (std::log(best.scale) + 1);
  }
  best = {shape / tau, shape};
  return -n * std::log(best.scale) - (1 + 1 / shape) * sum;
}

Pareto fit_pareto(const std::vector<double>& excesses) {
  const double mean = mean_of(excesses);
  const double largest = *std::max_element(excesses.begin(), excesses.end());
  Pareto best{mean, 0};
  double likelihood = -static_cast<double>(excesses.size()) * (std::log(mean) + 1);
  const auto try_tau = [&](double tau) {
    if (std::abs(tau) < kFlat / mean) return;
    Pareto pareto;
    const double value = profile(excesses, tau, pareto);
    if (pareto.scale > 0 && std::isfinite(value) && value > likelihood) {
      likelihood = value;
      best = pareto;
    }
  };
  // tau > -1 / largest; a grid fine enough that a step changes a level by less than its error.
  for (int i = 1; i < 100; ++i) try_tau(-0.999 / largest * i / 100);
  for (int i = 0; i < 400; ++i) try_tau(1e-3 / mean * std::pow(10, i / 80.0));
  return best;
}

}  // namespace

double TailFit::rate_above(double level) const {
  const double excess = std::max(level - above, 0.0);
  if (std::abs(shape) < kFlat) return peaks_per_unit * std::exp(-excess / scale);
  const double base = 1 + shape * excess / scale;
  return base <= 0 ? 0 : peaks_per_unit * std::pow(base, -1 / shape);
}

double TailFit::level_for(double rate) const {
  if (peaks_per_unit <= rate) return above;
  const double ratio = peaks_per_unit / rate;
  if (std::abs(shape) < kFlat) return above + scale * std::log(ratio);
  return above + scale / shape * (std::pow(ratio, shape) - 1);
}

TailFit fit_tail(std::vector<double> peaks, double exposure) {
  TailFit fit;
  if (peaks.empty() || exposure <= 0) return fit;
  std::sort(peaks.begin(), peaks.end(), std::greater<>());
  const std::size_t wanted = std::clamp(peaks.size() / 4, kPeaksFew, kPeaksMany);
  const std::size_t used = std::min(wanted, peaks.size() - 1);
  fit.above = used == 0 ? peaks[0] : peaks[used];
  fit.num_peaks = used;
  fit.peaks_per_unit = static_cast<double>(std::max<std::size_t>(used, 1)) / exposure;
  std::vector<double> excesses;
  for (std::size_t i = 0; i < used; ++i) {
    if (peaks[i] > fit.above) excesses.push_back(peaks[i] - fit.above);
  }
  if (excesses.size() < kPeaksMin) {
    fit.scale = excesses.empty() ? 1 : std::max(mean_of(excesses), 1.0);
    return fit;
  }
  const Pareto pareto = fit_pareto(excesses);
  fit.scale = pareto.scale;
  fit.shape = pareto.shape;
  fit.fitted = true;
  return fit;
}

}  // namespace tidewatch

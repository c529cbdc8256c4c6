// SPDX-License-Identifier: Apache-2.0
#include "infer/classification_report.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <random>

namespace tidewatch {
namespace {

double ratio(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The value below which `share` of the sorted values lie, interpolated between neighbours.
double quantile(std::span<const double> sorted, double share) noexcept {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

Interval middle_95(std::vector<double>& values) noexcept {
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

}  // namespace

ConfusionMatrix confusion_matrix(std::span<const LabelPair> pairs, std::size_t num_labels) {
  ConfusionMatrix confusion(num_labels);
  for (const LabelPair pair : pairs) {
    assert(pair.truth < num_labels);
    confusion.add(pair);
  }
  return confusion;
}

ClassificationReport classification_report(const ConfusionMatrix& confusion) {
  const std::size_t labels = confusion.num_labels();
  ClassificationReport report;
  std::uint64_t right = 0;
  double f1_sum = 0;
  for (std::size_t label = 0; label < labels; ++label) {
    std::uint64_t support = confusion.unknown(label);
    std::uint64_t predicted = 0;
    for (std::size_t other = 0; other < labels; ++other) {
      support += confusion.at(label, other);
      predicted += confusion.at(other, label);
    }
    if (support == 0) continue;
    const std::uint64_t hits = confusion.at(label, label);
    report.n += support;
    right += hits;
    // 2PR/(P+R), written so that it is 0 and not 0/0 where nothing was hit.
    const double f1 = ratio(2 * hits, support + predicted);
    f1_sum += f1;
    report.per_label.push_back({static_cast<std::uint8_t>(label), ratio(hits, predicted),
                                ratio(hits, support), f1, support});
  }
  if (report.n == 0) return report;
  report.accuracy = ratio(right, report.n);
  report.macro_f1 = f1_sum / static_cast<double>(report.per_label.size());
  return report;
}

ReportIntervals bootstrap_intervals(std::span<const LabelPair> pairs, std::size_t num_labels,
                                    const BootstrapOptions& options) {
  assert(!pairs.empty() && pairs.size() <= UINT32_MAX && options.resamples > 0);
  // The engine is the same everywhere; the standard's distributions are not, hence the
  // multiplication, whose bias is below n / 2^32.
  std::mt19937_64 random(options.seed);
  const auto draw = [size = std::uint64_t{pairs.size()}](std::uint64_t bits) {
    return ((bits & UINT32_MAX) * size) >> 32;
  };
  std::vector<double> accuracies;
  std::vector<double> macro_f1s;
  ConfusionMatrix confusion(num_labels);
  for (std::uint32_t resample = 0; resample < options.resamples; ++resample) {
    confusion.clear();
    for (std::size_t i = 0; i < pairs.size(); i += 2) {
      const std::uint64_t bits = random();  // enough for two draws
      confusion.add(pairs[draw(bits)]);
      if (i + 1 < pairs.size()) confusion.add(pairs[draw(bits >> 32)]);
    }
    const ClassificationReport report = classification_report(confusion);
    accuracies.push_back(report.accuracy);
    macro_f1s.push_back(report.macro_f1);
  }
  return {middle_95(accuracies), middle_95(macro_f1s)};
}

}  // namespace tidewatch

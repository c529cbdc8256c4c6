// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tidewatch {

// How one text came out: indexes into the list of labels. `predicted` is kNoLabel (infer/scores.h)
// where nothing was predicted ("unknown"); that counts as a wrong prediction.
struct LabelPair {
  std::uint8_t truth = 0;
  std::uint8_t predicted = 0;
};

struct LabelReport {
  std::uint8_t label = 0;
  double precision = 0;  // 0 where the label was never predicted
  double recall = 0;
  double f1 = 0;
  std::uint64_t support = 0;  // texts whose true label it is, at least 1
};

// Counts of (truth, predicted). Rows are the truth; columns the prediction, with one more column
// than there are labels: the last is "unknown". A plain value.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::size_t num_labels)
      : num_labels_(num_labels), counts_(num_labels * (num_labels + 1)) {}

  // Precondition: truth < num_labels(); predicted < num_labels() or kNoLabel.
  void add(LabelPair pair) noexcept { ++counts_[index(pair)]; }
  std::uint64_t at(std::size_t truth, std::size_t predicted) const noexcept {
    return counts_[truth * (num_labels_ + 1) + predicted];
  }
  std::uint64_t unknown(std::size_t truth) const noexcept { return at(truth, num_labels_); }
  std::size_t num_labels() const noexcept { return num_labels_; }
  void clear() noexcept { counts_.assign(counts_.size(), 0); }

 private:
  std::size_t index(LabelPair pair) const noexcept {
    const std::size_t column = pair.predicted < num_labels_ ? pair.predicted : num_labels_;
    return pair.truth * (num_labels_ + 1) + column;
  }

  std::size_t num_labels_;
  std::vector<std::uint64_t> counts_;
};

// Accuracy and the usual figures of a classification. macro_f1 is the mean of F1 over the labels
// that occur as truth, which are those of `per_label`, in label order. Predicting a label that
// never occurs as truth lowers the recall of the true one and adds nothing to the mean.
struct ClassificationReport {
  std::uint64_t n = 0;
  double accuracy = 0;
  double macro_f1 = 0;
  std::vector<LabelReport> per_label;
};

// All zero for an empty matrix.
ClassificationReport classification_report(const ConfusionMatrix& confusion);
ConfusionMatrix confusion_matrix(std::span<const LabelPair> pairs, std::size_t num_labels);

struct Interval {
  double low = 0;
  double high = 0;
};

struct ReportIntervals {
  Interval accuracy;
  Interval macro_f1;
};

struct BootstrapOptions {
  std::uint32_t resamples = 1'000;
  std::uint64_t seed = 1;
};

// 95 % percentile bootstrap intervals: the figures of `resamples` draws of as many pairs, with
// replacement. A label that a draw happens to miss is left out of that draw's mean.
// The same pairs and options give the same intervals on every machine. Time is linear in
// resamples times pairs: 3 million draws take about 10 ms.
// Preconditions: 1 to 2^32 - 1 pairs; resamples >= 1.
ReportIntervals bootstrap_intervals(std::span<const LabelPair> pairs, std::size_t num_labels,
                                    const BootstrapOptions& options = {});

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/classification_report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "infer/scores.h"

namespace tidewatch {
namespace {

struct Expected {
  std::uint8_t label;
  double precision, recall, f1;
  std::uint64_t support;
};

struct Case {
  std::string name;
  std::size_t labels;
  std::vector<LabelPair> pairs;
  double accuracy;
  double macro_f1;
  std::vector<Expected> per_label;
};

// Worked out by hand.
const std::vector<Case> kCases{
    {"nothing", 3, {}, 0, 0, {}},
    {"all right", 2, {{0, 0}, {1, 1}, {1, 1}}, 1, 1, {{0, 1, 1, 1, 1}, {1, 1, 1, 1, 2}}},
    {"all wrong", 2, {{0, 1}, {1, 0}}, 0, 0, {{0, 0, 0, 0, 1}, {1, 0, 0, 0, 1}}},
    // label 0: 2 of 3 hit, 3 predicted; label 1: 1 of 2 hit, 2 predicted; label 2: 1 of 1, 1.
    {"mixed",
     3,
     {{0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 0}, {2, 2}},
     4.0 / 6,
     (2.0 / 3 + 0.5 + 1.0) / 3,
     {{0, 2.0 / 3, 2.0 / 3, 2.0 / 3, 3}, {1, 0.5, 0.5, 0.5, 2}, {2, 1, 1, 1, 1}}},
    // Precision and recall differ: label 0 hits 1 of 1 but is predicted 3 times.
    {"precision is not recall",
     2,
     {{0, 0}, {1, 0}, {1, 0}, {1, 1}},
     0.5,
     0.5,
     {{0, 1.0 / 3, 1, 0.5, 1}, {1, 1, 1.0 / 3, 0.5, 3}}},
    // Label 2 is never the truth: no row of its own, yet the two texts given to it are wrong.
    {"a label that is not in the file",
     3,
     {{0, 0}, {0, 2}, {1, 1}, {1, 2}},
     0.5,
     2.0 / 3,
     {{0, 1, 0.5, 2.0 / 3, 2}, {1, 1, 0.5, 2.0 / 3, 2}}},
    {"a label never predicted",
     2,
     {{0, 0}, {0, 0}, {0, 0}, {1, 0}},
     0.75,
     3.0 / 7,
     {{0, 0.75, 1, 6.0 / 7, 3}, {1, 0, 0, 0, 1}}},
    {"unknown is wrong",
     2,
     {{0, 0}, {0, kNoLabel}, {1, kNoLabel}},
     1.0 / 3,
     1.0 / 3,
     {{0, 1, 0.5, 2.0 / 3, 2}, {1, 0, 0, 0, 1}}},
};

TEST(ClassificationReportTest, FiguresWorkedOutByHand) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const ClassificationReport report = classification_report(confusion_matrix(c.pairs, c.labels));
    EXPECT_EQ(report.n, c.pairs.size());
    EXPECT_NEAR(report.accuracy, c.accuracy, 1e-12);
    EXPECT_NEAR(report.macro_f1, c.macro_f1, 1e-12);
    ASSERT_EQ(report.per_label.size(), c.per_label.size());
    for (std::size_t i = 0; i < c.per_label.size(); ++i) {
      SCOPED_TRACE(i);
      EXPECT_EQ(report.per_label[i].label, c.per_label[i].label);
      EXPECT_NEAR(report.per_label[i].precision, c.per_label[i].precision, 1e-12);
      EXPECT_NEAR(report.per_label[i].recall, c.per_label[i].recall, 1e-12);
      EXPECT_NEAR(report.per_label[i].f1, c.per_label[i].f1, 1e-12);
      EXPECT_EQ(report.per_label[i].support, c.per_label[i].support);
    }
  }
}

TEST(ClassificationReportTest, RowsAreTheTruth) {
  const std::vector<LabelPair> pairs{{0, 1}, {0, 1}, {1, 0}, {1, kNoLabel}};
  const ConfusionMatrix confusion = confusion_matrix(pairs, 2);
  EXPECT_EQ(confusion.at(0, 1), 2U);
  EXPECT_EQ(confusion.at(1, 0), 1U);
  EXPECT_EQ(confusion.at(0, 0), 0U);
  EXPECT_EQ(confusion.unknown(0), 0U);
  EXPECT_EQ(confusion.unknown(1), 1U);
}

std::vector<LabelPair> mostly_right(std::size_t n, std::size_t wrong_every) {
  std::vector<LabelPair> pairs;
  for (std::size_t i = 0; i < n; ++i) {
    const auto truth = static_cast<std::uint8_t>(i % 2);
    const bool wrong = i % wrong_every < 2;  // both labels alike
    pairs.push_back({truth, static_cast<std::uint8_t>(wrong ? 1 - truth : truth)});
  }
  return pairs;
}

TEST(BootstrapTest, MatchesTheBinomialOnBalancedLabels) {
  const std::vector<LabelPair> pairs = mostly_right(2'000, 10);  // accuracy 0.8
  const ReportIntervals intervals = bootstrap_intervals(pairs, 2);
  const double half = 1.96 * std::sqrt(0.8 * 0.2 / 2'000);  // 0.0175
  EXPECT_NEAR(intervals.accuracy.low, 0.8 - half, 0.002);
  EXPECT_NEAR(intervals.accuracy.high, 0.8 + half, 0.002);
  EXPECT_NEAR(intervals.macro_f1.low, 0.8 - half, 0.002);
  EXPECT_NEAR(intervals.macro_f1.high, 0.8 + half, 0.002);
}

TEST(BootstrapTest, SameSeedSameIntervals) {
  const std::vector<LabelPair> pairs = mostly_right(501, 10);  // odd: the last draw stands alone
  const ReportIntervals first = bootstrap_intervals(pairs, 2, {.resamples = 200, .seed = 7});
  const ReportIntervals again = bootstrap_intervals(pairs, 2, {.resamples = 200, .seed = 7});
  const ReportIntervals other = bootstrap_intervals(pairs, 2, {.resamples = 200, .seed = 8});
  EXPECT_EQ(first.macro_f1.low, again.macro_f1.low);
  EXPECT_EQ(first.macro_f1.high, again.macro_f1.high);
  EXPECT_NE(first.macro_f1.low, other.macro_f1.low);
}

TEST(BootstrapTest, AllRightHasNoSpread) {
  const std::vector<LabelPair> pairs{{0, 0}, {0, 0}, {1, 1}};
  const ReportIntervals intervals = bootstrap_intervals(pairs, 2);
  // A draw without label 1 leaves it out of the mean: macro-F1 stays 1.
  EXPECT_EQ(intervals.macro_f1.low, 1.0);
  EXPECT_EQ(intervals.macro_f1.high, 1.0);
  EXPECT_EQ(intervals.accuracy.low, 1.0);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "app/cascade_curve.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

Scores emotion(std::uint32_t version, float first, float second) {
  Scores scores;
  scores.model = ModelVersion{version};
  scores.emotion_prob[0] = first;
  scores.emotion_prob[1] = second;
  scores.emotion = first >= second ? 0 : 1;
  scores.topic = 0;
  scores.topic_prob[0] = 1;
  return scores;
}

TEST(CascadeCurveTest, RunsFromTheFirstModelToTheSecond) {
  // The first model is wrong, and in doubt, about the third text; wrong and sure about the fourth;
  // right and in doubt about the second, where the second model is wrong.
  const std::vector<Scores> first{emotion(1, 0.9F, 0.1F), emotion(1, 0.56F, 0.44F),
                                  emotion(1, 0.52F, 0.48F), emotion(1, 0.99F, 0.01F)};
  const std::vector<Scores> second{emotion(2, 0.9F, 0.1F), emotion(2, 0.2F, 0.8F),
                                   emotion(2, 0.3F, 0.7F), emotion(2, 0.1F, 0.9F)};
  const std::vector<std::uint8_t> truth{0, 0, 1, 1};
  const auto curve = cascade_curve(/*emotion=*/true, 0.5F, first, second, truth, 2);
  ASSERT_EQ(curve.size(), kCascadeCurvePoints);
  struct Case {
    std::size_t point;
    double margin, escalated, accuracy, agreement;
  };
  const std::vector<Case> cases{
      {0, 0.0, 0.0, 0.5, 0.25},    // the first alone
      {1, 0.05, 0.25, 0.75, 0.5},  // the third is repaired
      {3, 0.15, 0.5, 0.5, 0.75},   // the second is spoilt
      {20, 1.0, 1.0, 0.75, 1.0},   // the second alone
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.point);
    EXPECT_DOUBLE_EQ(curve[c.point].margin, c.margin);
    EXPECT_DOUBLE_EQ(curve[c.point].escalated, c.escalated);
    EXPECT_DOUBLE_EQ(curve[c.point].accuracy, c.accuracy);
    EXPECT_DOUBLE_EQ(curve[c.point].agreement, c.agreement);
  }
  // One of two labels predicted everywhere but for one text: F1 2/3 of label 0, 0 of label 1 …
  EXPECT_NEAR(curve[0].macro_f1, (4.0 / 6.0) / 2, 1e-12);
}

TEST(CascadeCurveTest, LeavesAloneWhatHasNoTokens) {
  const std::vector<Scores> texts{emotion(0, 0, 0)};
  const std::vector<std::uint8_t> truth{0};
  const auto curve = cascade_curve(true, 0.5F, texts, texts, truth, 2);
  EXPECT_EQ(curve.back().escalated, 0.0);
}

}  // namespace
}  // namespace tidewatch

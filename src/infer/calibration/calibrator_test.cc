// SPDX-License-Identifier: Apache-2.0
#include "infer/calibration/calibrator.h"

#include <gtest/gtest.h>

#include <cmath>

#include "infer/model_registry.h"

namespace tidewatch {
namespace {

// By hand. Truth (0.8, 0.2) and (0.5, 0.5), said 0 and 0: label 0 is right 1.3 times of 1.3
// expected and 2 said: F1 = 2.6 / 3.3; label 1 never: 0 of 0.7.
// Said 0 and 1: 0 is right 0.8 of 1.3 + 1: 1.6 / 2.3; 1 is right 0.5 of 0.7 + 1: 1 / 1.7.
TEST(ExpectedMacroF1Test, ByHand) {
  const std::vector<std::vector<double>> truth{{0.8, 0.2}, {0.5, 0.5}};
  const std::vector<std::uint8_t> same{0, 0};
  const std::vector<std::uint8_t> mixed{0, 1};
  const std::vector<std::uint8_t> unknown{kNoLabel, kNoLabel};
  EXPECT_NEAR(expected_macro_f1(truth, same, 2), 2.6 / 3.3 / 2, 1e-12);
  EXPECT_NEAR(expected_macro_f1(truth, mixed, 2), (1.6 / 2.3 + 1.0 / 1.7) / 2, 1e-12);
  EXPECT_EQ(expected_macro_f1(truth, unknown, 2), 0);
  EXPECT_EQ(expected_macro_f1({}, {}, 2), 0);
  // Certain and right: 1, also when a label never occurs.
  const std::vector<std::vector<double>> certain{{1, 0, 0}, {0, 1, 0}};
  EXPECT_EQ(expected_macro_f1(certain, mixed, 3), 1);
}

Scores scores_of(float first, std::uint8_t emotion) {
  Scores s;
  s.emotion = emotion;
  s.emotion_prob[0] = first;
  s.emotion_prob[1] = 1 - first;
  s.topic = 0;
  s.topic_prob[0] = 1;
  return s;
}

TEST(CompareScoresTest, CountsFlipsAndDivergence) {
  LabelSchema labels;
  labels.emotions = {"angry", "neutral"};
  labels.topics = {"car"};
  const std::vector<Scores> fp32{scores_of(0.5F, 0), scores_of(0.75F, 0)};
  const std::vector<Scores> int8{scores_of(0.25F, 1), scores_of(0.75F, 0)};
  const Comparison c = compare_scores(labels, fp32, int8);
  EXPECT_EQ(c.texts, 2U);
  EXPECT_DOUBLE_EQ(c.emotion.agreement, 0.5);
  EXPECT_DOUBLE_EQ(c.topic.agreement, 1);
  // Label 0: 1 of 1 said, 2 there: F1 2/3; label 1 never occurs as FP32's.
  EXPECT_NEAR(c.emotion.agreement_f1, 2.0 / 3, 1e-12);
  const double kl = 0.5 * std::log(0.5 / 0.25) + 0.5 * std::log(0.5 / 0.75);
  EXPECT_NEAR(c.divergence, kl / 4, 1e-6);  // of two texts and two tasks
  const Comparison same = compare_scores(labels, fp32, fp32);
  EXPECT_EQ(same.divergence, 0);
  EXPECT_EQ(same.emotion.expected_drop, 0);
  EXPECT_EQ(compare_scores(labels, {}, {}).emotion.agreement, 1);
}

// The real thing on the bundled model, small: the recipe fits its graph and runs in INT8.
TEST(CalibratorTest, MakesARecipeThatRuns) {
  const auto manifest = read_manifest(TIDEWATCH_SOURCE_DIR "/models/fast");
  ASSERT_TRUE(manifest.ok()) << manifest.error().message;
  std::vector<std::vector<std::int32_t>> texts;
  for (std::int32_t i = 0; i < 40; ++i) {
    std::vector<std::int32_t>& text = texts.emplace_back(1, 101);
    for (std::int32_t k = 0; k < 5 + i; ++k) text.push_back(671 + (i * 997 + k * 131) % 7'000);
    text.push_back(102);
  }
  const std::vector<TokenIds> ids(texts.begin(), texts.end());
  CalibratorOptions options;
  options.methods = {{}, {RangeMethod::Kind::kPercentile, 90}};
  options.layer_divergence_max = 1;
  options.instances = 1;
  const auto outcome =
      calibrate_model(*manifest, std::span{ids}.first(20), std::span{ids}.subspan(20), options);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->precision, "int8");
  EXPECT_EQ(outcome->trials.size(), 2U);
  EXPECT_EQ(outcome->recipe.activations[0].method, "minmax");  // cutting off a tenth is worse
  EXPECT_EQ(outcome->recipe.model_sha256, manifest->weights.sha256);
  EXPECT_EQ(outcome->int8.size(), 20U);
  for (const KeptLayer& kept : outcome->recipe.kept_fp32) EXPECT_EQ(kept.reason, "narrow");
  EXPECT_GT(outcome->comparison.divergence, 0);
  options.layer_divergence_max = 0;
  const auto none =
      calibrate_model(*manifest, std::span{ids}.first(20), std::span{ids}.subspan(20), options);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::kFailedPrecondition);
  EXPECT_FALSE(calibrate_model(*manifest, {}, ids, options).ok());
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/cascade.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace tidewatch {
namespace {

Scores scores_of(const std::vector<float>& emotion, const std::vector<float>& topic) {
  Scores scores;
  std::copy(emotion.begin(), emotion.end(), scores.emotion_prob.begin());
  std::copy(topic.begin(), topic.end(), scores.topic_prob.begin());
  return scores;
}

TEST(CascadeTest, MarginsByTable) {
  struct Case {
    const char* name;
    std::vector<float> probabilities;
    float floor;
    float margin;
  };
  const std::vector<Case> cases{
      {"clear", {0.75F, 0.25F}, 0, 0.5F},
      {"the best last", {0.125F, 0.25F, 0.625F}, 0, 0.375F},
      {"a tie", {0.5F, 0.5F}, 0, 0},
      {"one label", {1.0F}, 0, 1.0F},
      {"no label", {}, 0, 0},
      {"far above the floor", {0.875F, 0.125F}, 0.5F, 0.375F},
      {"just above the floor", {0.5625F, 0.25F}, 0.5F, 0.0625F},
      {"on the floor", {0.5F, 0.25F}, 0.5F, 0},
      {"just below the floor", {0.4375F, 0.25F}, 0.5F, 0.0625F},
      {"far below: surely unknown", {0.125F, 0.125F, 0.0625F}, 0.5F, 0.375F},
      {"below the floor the labels' order does not matter", {0.25F, 0.25F}, 0.5F, 0.25F},
      {"a low floor leaves it to the labels", {0.5F, 0.4375F}, 0.25F, 0.0625F},
  };
  for (const Case& c : cases) {
    EXPECT_FLOAT_EQ(outcome_margin(c.probabilities, c.floor), c.margin) << c.name;
  }
}

TEST(CascadeTest, DecidesByTable) {
  const std::vector<float> sure{0.9F, 0.1F};
  const std::vector<float> torn{0.52F, 0.48F};
  const std::vector<float> unknown{0.2F, 0.2F, 0.2F, 0.2F, 0.2F};
  const std::vector<float> at_floor{0.53F, 0.1F, 0.37F};
  struct Case {
    const char* name;
    CascadeMargins margins;
    std::vector<float> emotion;
    std::vector<float> topic;
    CascadeDoubt expected;
  };
  const CascadeMargins both{0.1F, 0.1F, 0.5F};
  const std::vector<Case> cases{
      {"sure of both", both, sure, sure, {false, false}},
      {"torn emotion", both, torn, sure, {true, false}},
      {"topic near the floor", both, sure, at_floor, {false, true}},
      {"torn and near", both, torn, at_floor, {true, true}},
      {"a topic that is unknown anyway is no doubt", both, sure, unknown, {false, false}},
      {"without a floor it is", {0.1F, 0.1F, 0}, sure, unknown, {false, true}},
      {"margin 0 is never in doubt", {0, 0, 0.5F}, {0.5F, 0.5F}, at_floor, {false, false}},
      {"margin over 1 always is", {1.01F, 1.01F, 0}, {1.0F}, {1.0F}, {true, true}},
      {"the margin itself is enough", {0.125F, 0, 0.5F}, {0.5625F, 0.4375F}, sure, {false, false}},
      {"the default looks at emotion only", {}, torn, at_floor, {true, false}},
  };
  for (const Case& c : cases) {
    const CascadeDoubt doubt = cascade_doubt(c.margins, scores_of(c.emotion, c.topic));
    EXPECT_EQ(doubt.emotion, c.expected.emotion) << c.name;
    EXPECT_EQ(doubt.topic, c.expected.topic) << c.name;
    EXPECT_EQ(doubt.any(), c.expected.emotion || c.expected.topic) << c.name;
  }
}

// A wider margin never takes back an escalation, and the order of the labels does not matter.
TEST(CascadeTest, IsMonotoneAndBlindToTheOrderOfLabels) {
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> any{0, 1};
    std::vector<float> p(6);
    float sum = 0;
    for (float& x : p) sum += x = any(random);
    for (float& x : p) x /= sum;
    const float floor = seed % 2 == 0 ? 0.0F : any(random);
    const float margin = outcome_margin(p, floor);
    std::vector<float> shuffled = p;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    EXPECT_EQ(outcome_margin(shuffled, floor), margin);
    EXPECT_GE(margin, 0.0F);
    bool before = false;
    for (const float threshold : {0.0F, 0.1F, 0.3F, 0.7F, 1.1F}) {
      const bool doubt = cascade_doubt({threshold, 0, 0}, scores_of(p, {1.0F})).emotion;
      EXPECT_TRUE(doubt || !before);
      before = doubt;
    }
  }
}

}  // namespace
}  // namespace tidewatch

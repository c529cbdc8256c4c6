// SPDX-License-Identifier: Apache-2.0
#include "infer/swap_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tidewatch {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Scores scores(std::uint8_t emotion, std::uint8_t topic, float topic_probability = 0.9F) {
  Scores s;
  s.emotion = emotion;
  s.topic = topic;
  s.topic_prob[topic] = topic_probability;
  return s;
}

struct Golden {
  std::vector<GoldenText> texts;
  GoldenAnswers before;
  GoldenAnswers after;
  // A text whose truth is emotion 0 and topic 1.
  void add(Scores was, Scores is, int was_ms = 1, int is_ms = 1) {
    texts.push_back({"x", 0, 1});
    before.scores.push_back(was);
    before.took.push_back(milliseconds{was_ms});
    after.scores.push_back(is);
    after.took.push_back(milliseconds{is_ms});
  }
  SwapFigures compare() const { return compare_golden(texts, before, after); }
};

TEST(SwapRules, TheSameModelPasses) {
  Golden golden;
  for (int i = 0; i < 10; ++i) golden.add(scores(0, 1), scores(0, 1));
  const SwapFigures figures = golden.compare();
  EXPECT_DOUBLE_EQ(figures.emotion.agreement, 1);
  EXPECT_DOUBLE_EQ(figures.topic.accuracy_new, 1);
  EXPECT_DOUBLE_EQ(figures.latency_ratio, 1);
  EXPECT_THAT(judge_swap(figures, {}), IsEmpty());
}

TEST(SwapRules, AtTheLimitItPassesAndBeyondItDoesNot) {
  Golden golden;
  for (int i = 0; i < 9; ++i) golden.add(scores(0, 1), scores(0, 1));
  golden.add(scores(2, 1), scores(1, 1));  // both wrong: only the agreement falls
  EXPECT_THAT(judge_swap(golden.compare(), {0.9, 1.5, 0.0}), IsEmpty());
  golden.add(scores(2, 1), scores(1, 1));
  EXPECT_THAT(judge_swap(golden.compare(), {0.9, 1.5, 0.0}),
              ElementsAre(HasSubstr("emotion labels agree on 81.8 %")));
}

TEST(SwapRules, ALowerAccuracyIsRefusedAndAHigherOneIsNot) {
  Golden golden;
  for (int i = 0; i < 18; ++i) golden.add(scores(0, 1), scores(0, 1));
  golden.add(scores(0, 1), scores(0, 2));
  golden.add(scores(0, 1), scores(0, 2));
  EXPECT_THAT(judge_swap(golden.compare(), {0, 0, 0.05}),
              ElementsAre(HasSubstr("topic accuracy falls from 100.0 to 90.0 %")));
  EXPECT_THAT(judge_swap(golden.compare(), {0, 0, 0.10}), IsEmpty());
  std::swap(golden.before, golden.after);
  EXPECT_THAT(judge_swap(golden.compare(), {0, 0, 0}), IsEmpty());
}

TEST(SwapRules, ASlowerModelIsRefusedButNotForAStall) {
  Golden golden;
  for (int i = 0; i < 9; ++i) golden.add(scores(0, 1), scores(0, 1), 2, 3);
  EXPECT_THAT(judge_swap(golden.compare(), {}), IsEmpty());
  Golden stalled = golden;
  stalled.add(scores(0, 1), scores(0, 1), 2, 500);
  EXPECT_THAT(judge_swap(stalled.compare(), {}), IsEmpty());
  for (int i = 0; i < 19; ++i) golden.add(scores(0, 1), scores(0, 1), 2, 7);
  EXPECT_THAT(judge_swap(golden.compare(), {}),
              ElementsAre(HasSubstr("7.000 ms instead of 2.000")));
  EXPECT_THAT(judge_swap(golden.compare(), {0.9, 0, 0.05}), IsEmpty());  // 0: any
}

TEST(SwapRules, TopicsThatTheOldModelGuessesAreNotCompared) {
  Golden golden;
  golden.add(scores(0, 1, 0.3F), scores(0, 2, 0.3F));
  EXPECT_EQ(golden.compare().topic.compared, 0U);
  EXPECT_DOUBLE_EQ(golden.compare().topic.agreement, 1);
}

TEST(SwapRules, WithoutATimeThatCanBeMeasuredLatencySaysNothing) {
  Golden golden;
  golden.add(scores(0, 1), scores(0, 1), 0, 5);
  EXPECT_DOUBLE_EQ(golden.compare().latency_ratio, 1);
}

TEST(GoldenSet, ReadsLabelsAndSaysWhatIsWrong) {
  LabelSchema labels;
  labels.emotions = {"angry", "happy"};
  labels.topics = {"car"};
  const auto golden = parse_golden_set(
      R"({"texts":[{"text":"a","emotion":"happy"},{"text":"b","topic":"car","emotion":"sad"}]})",
      labels, "g.json");
  ASSERT_TRUE(golden);
  EXPECT_EQ((*golden)[0].emotion, 1);
  EXPECT_EQ((*golden)[0].topic, kNoLabel);
  EXPECT_EQ((*golden)[1].emotion, kNoLabel);  // a label that these models lack
  EXPECT_EQ((*golden)[1].topic, 0);
  for (const char* bad :
       {"", "[]", R"({"texts":[]})", R"({"texts":[{}]})", R"({"texts":[{"text":""}]})"}) {
    const auto read = parse_golden_set(bad, labels, "g.json");
    ASSERT_FALSE(read) << bad;
    EXPECT_THAT(read.error().message, HasSubstr("g.json")) << bad;
  }
  LabelSchema bundled;
  bundled.emotions = {"angry", "fear", "happy", "neutral", "sad", "surprise"};
  bundled.topics = {"agriculture", "car",  "culture", "edu",      "entertainment",
                    "finance",     "game", "house",   "military", "sports",
                    "story",       "tech", "travel",  "world"};
  const auto own = parse_golden_set(bundled_golden_json(), bundled, "golden.json");
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_GE(own->size(), 150U);
}

}  // namespace
}  // namespace tidewatch

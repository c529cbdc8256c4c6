// SPDX-License-Identifier: Apache-2.0
#include "detect/key_score.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "detect/simulated_ticks.h"

namespace tidewatch {
namespace {

KeyCounts crowd(std::uint32_t posts, std::uint32_t negative = 0) {
  KeyCounts counts;
  counts.posts = counts.new_authors = posts;
  counts.negative = counts.new_author_negative = negative;
  return counts;
}

// A key after `seconds` at a mean rate.
KeyScore settled(const Scorer& scorer, double rate, int seconds, double dispersion = 1,
                 std::uint64_t seed = 1) {
  SimulatedTicks ticks(seed);
  KeyScore score;
  for (int second = 0; second < seconds; ++second) {
    Scorer::Learning learning;
    learning.stream_age = second + 1;
    learning.scoring = second > 120;
    const std::uint32_t posts = ticks.draw(rate, dispersion);
    scorer.take_second(score, second, crowd(posts, ticks.draw_share(posts, 0.3)), learning);
  }
  return score;
}

TEST(KeyScoreTest, StaysSmall) { EXPECT_LE(sizeof(KeyScore), 64u); }

TEST(KeyScoreTest, LearnsRateDispersionAndShare) {
  const Scorer scorer({});
  for (const double dispersion : {1.0, 1.5, 2.0, 4.0}) {
    for (const double rate : {0.2, 1.0, 10.0, 200.0}) {
      const KeyScore score = settled(scorer, rate, 20'000, dispersion);
      EXPECT_NEAR(score.baseline, rate, 0.1 * rate) << rate << " " << dispersion;
      EXPECT_NEAR(score.dispersion, dispersion, 0.4 * dispersion) << rate << " " << dispersion;
      EXPECT_NEAR(scorer.negative_share(score, 0.2), 0.3, 0.03) << rate << " " << dispersion;
      EXPECT_GE(scorer.expected_rate(score, 20'000), score.baseline);
    }
  }
}

TEST(KeyScoreTest, StatisticIsTheLogLikelihoodRatio) {
  DetectOptions options;
  options.volume_thresholds.fill(1'000);
  options.burst_thresholds.fill(1'000);
  options.ratio_low = 2.5;
  options.low_memory = std::chrono::seconds{600};
  const Scorer scorer(options);
  KeyScore score = settled(scorer, 10, 10'000);
  score.low = score.high = 0;
  score.second_dispersion = 1;
  Scorer::Learning learning;
  double low = 0;
  for (int second = 10'000; second < 10'010; ++second) {
    learning.stream_age = second + 1;
    const double expected = scorer.take_second(score, second, crowd(30), learning);
    // Two standard errors of a dispersion from the minutes seen and the five of its prior.
    const double error = 2 / std::sqrt(5 + second / 60.0);
    low = low * (1 - 1 / 600.0) +
          (30 * std::log(2.5) - 1.5 * expected) / ((1 + error) * score.dispersion);
  }
  EXPECT_NEAR(score.low, low, 0.01 * low);
  EXPECT_EQ(score.onset, 10'000);
}

// ln of the probability of a negative binomial count of this mean and dispersion.
double log_probability(double count, double mean, double dispersion) {
  const double shape = mean / (dispersion - 1);
  return std::lgamma(count + shape) - std::lgamma(shape) - std::lgamma(count + 1) -
         shape * std::log(dispersion) + count * std::log((dispersion - 1) / dispersion);
}

TEST(KeyScoreTest, SecondsThatVaryAreJudgedAsNegativeBinomial) {
  DetectOptions options;
  const Scorer scorer(options);
  for (const std::uint32_t posts : {0U, 1U, 3U, 8U, 9U, 40U}) {
    KeyScore score = settled(scorer, 1, 10'000);
    score.low = 100;
    score.dispersion = score.second_dispersion = 1.4F;
    Scorer::Learning learning;
    learning.stream_age = 10'001;
    learning.volume_wave = true;
    const double expected = scorer.take_second(score, 10'000, crowd(posts), learning);
    const double ratio = options.ratio_low;
    const double evidence =
        log_probability(posts, ratio * expected, 1.4) - log_probability(posts, expected, 1.4);
    const double error = 1 + 2 / std::sqrt(5 + 10'001 / 60.0);  // of the dispersion by minutes
    EXPECT_NEAR(score.low, 100 * (1 - 1 / 300.0) + evidence / error, 0.05) << posts;
  }
}

TEST(KeyScoreTest, LearnsWhatSecondsVaryBy) {
  const Scorer scorer({});
  for (const double dispersion : {1.0, 1.2, 1.5, 2.0}) {
    for (const double rate : {0.5, 1.0, 10.0, 100.0}) {
      const KeyScore score = settled(scorer, rate, 20'000, dispersion);
      // Read low when counts are wild: seconds of a key that is away teach nothing.
      EXPECT_NEAR(score.second_dispersion, dispersion, 0.2 * dispersion)
          << rate << " " << dispersion;
    }
  }
}

TEST(KeyScoreTest, AKeyIsAsBusyAsBeforeItsRun) {
  const Scorer scorer({});
  KeyScore score = settled(scorer, 0.001, 20'000);
  Scorer::Learning learning;
  for (int second = 20'000; second < 20'060; ++second) {
    learning.stream_age = second + 1;
    scorer.take_second(score, second, crowd(20), learning);
  }
  EXPECT_GT(score.baseline * 60, kBusyPerMinute[0]);
  EXPECT_EQ(Scorer::busy_class(score), 0u);
}

TEST(KeyScoreTest, SilenceInOneStepEqualsSilenceBySeconds) {
  const Scorer scorer({});
  for (const int silence : {1, 7, 100, 5'000, 100'000}) {
    for (const int age : {300, 20'000}) {
      KeyScore at_once = settled(scorer, 2, age);
      at_once.low = 40;
      at_once.high = 50;
      at_once.negative = 10;
      KeyScore by_seconds = at_once;
      Scorer::Learning learning;
      learning.volume_wave = true;  // so that the rate of learning does not change on the way
      learning.stream_age = age + silence;
      scorer.pass_silence(at_once, age + silence, learning);
      for (int second = age; second < age + silence; ++second) {
        learning.stream_age = second + 1;
        scorer.pass_silence(by_seconds, second + 1, learning);
      }
      const std::string name = std::to_string(silence) + " after " + std::to_string(age);
      EXPECT_NEAR(at_once.baseline, by_seconds.baseline, 0.01) << name;
      EXPECT_NEAR(at_once.low, by_seconds.low, 0.5) << name;
      EXPECT_NEAR(at_once.high, by_seconds.high, 1.5) << name;
      EXPECT_NEAR(at_once.fast, by_seconds.fast, 0.001) << name;
      EXPECT_NEAR(at_once.negative, by_seconds.negative, 0.01) << name;
      EXPECT_EQ(at_once.last, by_seconds.last) << name;
    }
  }
}

TEST(KeyScoreTest, AQuietKeyKeepsItsShareThroughYears) {
  const Scorer scorer({});
  KeyScore score = settled(scorer, 1, 20'000);
  Scorer::Learning learning;
  learning.stream_age = 400'000'000;
  scorer.pass_silence(score, 400'000'000, learning);
  EXPECT_NEAR(scorer.negative_share(score, 0.05), 0.3, 0.05);
  EXPECT_NEAR(score.baseline, 0, 1e-6);
  EXPECT_EQ(score.negative, 0);
}

TEST(KeyScoreTest, StatisticsAreBounded) {
  const Scorer scorer({});
  KeyScore score;
  for (int second = 0; second < 100; ++second) {
    Scorer::Learning learning;
    learning.stream_age = 10'000 + second;
    scorer.take_second(score, 10'000 + second, crowd(1'000'000, 1'000'000), learning);
  }
  EXPECT_LE(scorer.volume(score), 2'000 / 11.0 + 0.001);
  EXPECT_LE(scorer.negative(score), 2'000 / 14.0 + 0.001);
  EXPECT_TRUE(std::isfinite(score.baseline));
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/judge.h"

#include <gtest/gtest.h>

#include <map>

#include "bench_detect/baseline_alarms.h"
#include "bench_detect/event_curve.h"
#include "bench_detect/step_trial.h"
#include "bench_detect/trial_report.h"

namespace tidewatch {
namespace {

constexpr std::size_t kBins = 288;

std::vector<RateCurve> two_topics(double a = 50, double b = 5) {
  return {{"a", 1'600'000'200, std::vector<double>(kBins, a)},
          {"b", 1'600'000'200, std::vector<double>(kBins, b)}};
}

WorldOptions one_day(std::size_t hashtags = 0) {
  WorldOptions options;
  options.last_bin = kBins;
  options.hashtags = hashtags;
  return options;
}

KeyId key_named(const World& world, const std::string& text) {
  for (std::uint64_t i = 1; i <= world.num_keys(); ++i) {
    if (to_string(*world.name(KeyId{i})) == text) return KeyId{i};
  }
  return {};
}

std::map<std::string, KeyCounts> totals(World& world) {
  std::map<std::string, KeyCounts> sums;
  std::vector<Tick> ticks;
  std::int64_t last = 0;
  while (world.next_bin(ticks)) {
    for (const Tick& tick : ticks) {
      EXPECT_GT(tick.second, last);
      last = tick.second;
      for (const KeyTick& key : tick.keys) sums[to_string(*world.name(key.key))] += key.counts;
    }
  }
  return sums;
}

TEST(WorldTest, KeepsTheCountsOfItsCurvesAndAddsUp) {
  const std::vector<RateCurve> curves = two_topics();
  World world(one_day(), curves);
  const auto sums = totals(world);
  EXPECT_EQ(sums.at("a@*").posts, 50 * kBins);
  EXPECT_EQ(sums.at("b@*").posts, 5 * kBins);
  EXPECT_EQ(sums.at("*@*").posts, 55 * kBins);
  EXPECT_EQ(sums.at("*@广东").posts, sums.at("a@广东").posts + sums.at("b@广东").posts);
  EXPECT_EQ(sums.at("*@*").posts, sums.at("*@*").new_authors);
  EXPECT_NEAR(sums.at("*@*").bare_reposts, 0.4 * 55 * kBins, 0.03 * 55 * kBins);
}

TEST(WorldTest, TheSameSeedGivesTheSameTicks) {
  const std::vector<RateCurve> curves = two_topics();
  World first(one_day(20), curves), second(one_day(20), curves);
  std::vector<Tick> a, b;
  while (first.next_bin(a)) {
    ASSERT_TRUE(second.next_bin(b));
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i].second, b[i].second);
      ASSERT_EQ(a[i].keys.size(), b[i].keys.size());
      for (std::size_t k = 0; k < a[i].keys.size(); ++k) {
        ASSERT_EQ(a[i].keys[k].key, b[i].keys[k].key);
        ASSERT_EQ(a[i].keys[k].counts, b[i].keys[k].counts);
      }
    }
  }
}

TEST(WorldTest, ConfusionMovesPostsToOtherTopicsAndLosesNone) {
  const std::vector<RateCurve> curves = two_topics();
  WorldOptions options = one_day();
  options.confusion.topic_right = 0.8;
  World world(options, curves);
  const auto sums = totals(world);
  EXPECT_EQ(sums.at("*@*").posts, 55 * kBins);
  EXPECT_NEAR(sums.at("b@*").posts, (0.8 * 5 + 0.2 * 50) * kBins, 150);
}

TEST(WorldTest, AFloodHasManyPostsAndFewAuthors) {
  const std::vector<RateCurve> curves = two_topics();
  World world(one_day(), curves);
  Injection flood;
  flood.topic = 1;
  flood.regions = {0};
  flood.start = curves[0].start + 3'600;
  flood.per_second.assign(600, 10);
  flood.accounts = 15;
  world.inject(flood);
  const auto sums = totals(world);
  EXPECT_EQ(sums.at("b@*").posts, 5 * kBins + 6'000);
  EXPECT_LT(sums.at("b@*").new_authors, 5 * kBins + 60);
}

TEST(ResampleTest, GivesThePostsWithTheCurvesGrowth) {
  std::mt19937_64 random(1);
  const EventCurve curve{"slow start", {0, 100, 190, 195, 196, 197, 198, 199, 200}};
  const auto counts = resample_event(curve, 10'000, 1'000, random);
  std::uint32_t sum = 0, early = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    sum += counts[i];
    if (i < 400) early += counts[i];
  }
  EXPECT_EQ(sum, 10'000U);
  EXPECT_GT(counts[0], 0U);
  EXPECT_LT(early, 2'000U);
}

class JudgeTest : public testing::Test {
 protected:
  JudgeTest() : curves_(two_topics()), world_(one_day(5), curves_) {
    event_.topic = 0;
    event_.regions = {0};
    event_.start = 10'000;
    event_.end = 20'000;
  }
  Alarm alarm(std::int64_t at, const std::string& key,
              ChangeKind kind = ChangeKind::kVolume) const {
    return {at, key_named(world_, key), kind};
  }
  const std::vector<RateCurve> curves_;
  World world_;
  PlannedEvent event_;
};

TEST_F(JudgeTest, AnAlarmFitsAnEventOfItsTopicAndRegionInItsTime) {
  const DetectionVerdict verdict = judge(
      {alarm(10'012, "a@广东"), alarm(10'020, "a@*", ChangeKind::kNegative)}, {event_}, world_, 0);
  EXPECT_EQ(verdict.events[0].delay, 12);
  EXPECT_EQ(verdict.events[0].negative_delay, 20);
  EXPECT_TRUE(verdict.events[0].topic_right);
  EXPECT_TRUE(verdict.events[0].region_right);
  EXPECT_EQ(verdict.false_alarms, 0U);
}

TEST_F(JudgeTest, WhatDoesNotOverlapIsFalseAndWhatIsUnrelatedIsBeside) {
  const DetectionVerdict verdict =
      judge({alarm(9'999, "a@广东"), alarm(10'005, "b@广东"), alarm(10'006, "a@山东"),
             alarm(10'007, "#tag1#"), alarm(21'801, "a@广东")},
            {event_}, world_, 0);
  EXPECT_FALSE(verdict.events[0].delay.has_value());
  EXPECT_EQ(verdict.false_alarms, 2U);
  EXPECT_EQ(verdict.beside, 3U);
}

TEST_F(JudgeTest, FalseAlarmsOfRelativesWithinHalfAnHourAreOne) {
  const DetectionVerdict verdict =
      judge({alarm(100, "a@*"), alarm(200, "a@广东"), alarm(300, "*@*"), alarm(400, "#tag1#"),
             alarm(500, "#tag2#"), alarm(9'000, "a@*")},
            {}, world_, 0);
  EXPECT_EQ(verdict.false_alarms, 4U);
  EXPECT_EQ(judge({alarm(100, "a@*")}, {}, world_, 101).false_alarms, 0U);
}

TEST(CensoringTest, AMissIsLaterThanAnyDelay) {
  const std::vector<std::optional<double>> delays{5.0, std::nullopt, 1.0, 3.0};
  EXPECT_EQ(censored_quantile(delays, 0.5), 3);
  EXPECT_EQ(censored_quantile(delays, 0.75), 5);
  EXPECT_FALSE(censored_quantile(delays, 0.9).has_value());
  EXPECT_FALSE(censored_quantile({}, 0.5).has_value());
}

TEST(PoissonTest, UpperLimitsAreGarwoods) {
  EXPECT_NEAR(poisson_upper_limit(0), 2.996, 0.001);
  EXPECT_NEAR(poisson_upper_limit(1), 4.744, 0.001);
  EXPECT_NEAR(poisson_upper_limit(10), 16.962, 0.001);
  EXPECT_NEAR(poisson_upper_limit(400) / poisson_upper_limit(401), 1, 0.01);
}

TEST(BaselineAlarmsTest, EachRaisesOneAlarmForAJumpAndNoneBefore) {
  for (std::size_t kind = 0; kind < kBaselineKinds; ++kind) {
    BaselineAlarms source(static_cast<BaselineKind>(kind), 4, 1);
    constexpr std::int64_t kStart = 1'600'000'200, kJump = kStart + 2 * kDaySeconds;
    for (std::int64_t minute = kStart; minute < kJump + 3'600; minute += 60) {
      const auto posts = static_cast<std::uint32_t>(minute < kJump ? 2 + minute / 60 % 3 : 200);
      Tick tick;
      tick.second = minute + 30;
      tick.keys.push_back({KeyId{1}, {}});
      tick.keys.back().counts.posts = posts;
      source.observe(tick);
    }
    source.reach(kJump + 3'600);
    const std::size_t setting = 6;  // 7.2
    ASSERT_EQ(source.alarms(setting).size(), 1U) << source.name();
    EXPECT_GT(source.alarms(setting)[0].at, kJump) << source.name();
    EXPECT_LE(source.alarms(setting)[0].at, kJump + 1'260) << source.name();
  }
}

TEST(RateCurveTest, ReadsCountsFillsGapsAndNamesBadLines) {
  const auto curve = parse_rate_curve(
      "timestamp,value\n2015-02-26 21:42:53,4\n2015-02-26 21:47:53,6\n2015-02-26 22:02:53,1\n",
      "x");
  ASSERT_TRUE(curve.ok());
  EXPECT_EQ(curve->start, 1'424'986'973);
  EXPECT_EQ(curve->counts, (std::vector<double>{4, 6, 6, 6, 1}));
  const auto bad = parse_rate_curve("2015-02-26 21:42:53,4\n2015-02-26 21:40:53,6\n", "x");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().message.find("x, line 2"), std::string::npos);
  EXPECT_FALSE(parse_rate_curve("", "x").ok());
  EXPECT_FALSE(parse_rate_curve("2015-13-26 21:42:53,4\n", "x").ok());
}

TEST(StepTrialTest, AJumpIsSeenAndItsFalseAlarmsAreCounted) {
  StepOptions options;
  options.num_keys = 50;
  options.calibration_days = options.test_days = 0.02;
  options.runs = 20;
  const auto quiet = [](const std::string&) {};
  const StepResult result = run_steps(options, quiet);
  EXPECT_EQ(result.delays.size(), 20U);
  EXPECT_LE(censored_quantile(result.delays, 0.5).value_or(1e9), 40);
  EXPECT_EQ(result.false_alarms, 0U);
  EXPECT_EQ(run_steps(options, quiet).delays, result.delays);
  options.to = options.from;
  EXPECT_FALSE(censored_quantile(run_steps(options, quiet).delays, 0.5).has_value());
}

TEST(DetectTrialTest, ASmallOneRunsAndTheEngineFindsLargeEvents) {
  TrialOptions options;
  options.hashtags = 20;
  options.passes = 1;
  options.warm_days = 1;
  options.targets = {1, 10};
  const std::vector<RateCurve> curves = make_rate_curves(1, 6);
  const std::vector<EventCurve> events = make_event_curves(1, 20);
  const auto quiet = [](const std::string&) {};
  const Trial trial = run_trial(options, curves, events, quiet);
  ASSERT_EQ(trial.lines.size(), 2 * (1 + kBaselineKinds));
  EXPECT_GT(trial.events.size(), 10U);
  std::size_t large = 0, found = 0;
  for (std::size_t i = 0; i < trial.events.size(); ++i) {
    if (trial.events[i].kind != EventKind::kCrowd || trial.events[i].volume < 100'000) continue;
    ++large;
    found += trial.lines[1].verdicts[i].delay.value_or(1e9) <= 300;
  }
  ASSERT_GT(large, 0U);
  EXPECT_GE(found * 10, large * 8);
  const nlohmann::ordered_json json = trial_json(trial);
  EXPECT_EQ(json, trial_json(run_trial(options, curves, events, quiet)));
  EXPECT_NE(trial_picture(trial).find("</svg>"), std::string::npos);
  EXPECT_NE(trial_text(trial).find("tidewatch"), std::string::npos);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/canary_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>

namespace tidewatch {
namespace {

using testing::HasSubstr;

// Two healthy sides with all the evidence there is.
CanaryFigures healthy() {
  CanaryFigures figures;
  figures.compared = 1'000;
  for (CanarySide* side : {&figures.live, &figures.candidate}) {
    side->runs = 1'000;
    side->latency_p99_ms = 2;
    side->probe_rounds = 1;
    side->accuracy = {100, 100, 0.9, 0.8};
  }
  return figures;
}

TEST(CanaryRules, DecidesByTheFigures) {
  struct Case {
    const char* name;
    std::function<void(CanaryFigures&, CanaryLimits&)> change;
    CanaryVerdict verdict;
    const char* says;
  };
  const Case cases[] = {
      {"healthy", [](auto&, auto&) {}, CanaryVerdict::kGoOn, ""},
      {"a drop at the margin", [](auto& f, auto&) { f.candidate.accuracy.emotion = 0.88; },
       CanaryVerdict::kGoOn, ""},
      {"a drop beyond it", [](auto& f, auto&) { f.candidate.accuracy.emotion = 0.87; },
       CanaryVerdict::kRollBack, "emotion accuracy on 100 probe texts is 87.0 % against 90.0 %"},
      {"a drop of topics", [](auto& f, auto&) { f.candidate.accuracy.topic = 0.5; },
       CanaryVerdict::kRollBack, "topic accuracy"},
      {"too few probes", [](auto& f, auto&) { f.candidate.accuracy = {10, 10, 0.1, 0.1}; },
       CanaryVerdict::kGoOn, ""},
      {"probes not run yet",
       [](auto& f, auto&) {
         f.candidate.probe_rounds = 0;
         f.candidate.accuracy = {};
       },
       CanaryVerdict::kGoOn, ""},
      {"a better one", [](auto& f, auto&) { f.candidate.accuracy.emotion = 0.99; },
       CanaryVerdict::kGoOn, ""},
      {"errors", [](auto& f, auto&) { f.candidate.errors = 11; }, CanaryVerdict::kRollBack,
       "11 of 1000 runs failed"},
      {"errors at the limit", [](auto& f, auto&) { f.candidate.errors = 10; }, CanaryVerdict::kGoOn,
       ""},
      {"errors of too few runs",
       [](auto& f, auto&) {
         f.candidate.runs = 99;
         f.candidate.errors = 99;
       },
       CanaryVerdict::kGoOn, ""},
      {"slow", [](auto& f, auto&) { f.candidate.latency_p99_ms = 4.1; }, CanaryVerdict::kRollBack,
       "P99 of a run is 4.10 ms against 2.00"},
      {"slow in too few runs",
       [](auto& f, auto&) {
         f.candidate.latency_p99_ms = 9;
         f.live.runs = 499;
       },
       CanaryVerdict::kGoOn, ""},
      {"slow, whatever",
       [](auto& f, auto& l) {
         f.candidate.latency_p99_ms = 9;
         l.latency_ratio_max = 0;
       },
       CanaryVerdict::kGoOn, ""},
      {"long enough", [](auto&, auto& l) { l.promote_after = 1'000; }, CanaryVerdict::kPromote,
       "1000 texts"},
      {"not long enough", [](auto&, auto& l) { l.promote_after = 1'001; }, CanaryVerdict::kGoOn,
       ""},
      {"long enough, unproven",
       [](auto& f, auto& l) {
         l.promote_after = 10;
         f.candidate.probe_rounds = 0;
       },
       CanaryVerdict::kGoOn, ""},
      {"long enough and worse",
       [](auto& f, auto& l) {
         l.promote_after = 10;
         f.candidate.accuracy.emotion = 0;
       },
       CanaryVerdict::kRollBack, "accuracy"},
  };
  for (const Case& c : cases) {
    CanaryFigures figures = healthy();
    CanaryLimits limits;
    c.change(figures, limits);
    const CanaryDecision decision = decide_canary(figures, limits);
    EXPECT_EQ(decision.verdict, c.verdict) << c.name << ": " << decision.reason;
    EXPECT_THAT(decision.reason, HasSubstr(c.says)) << c.name;
    EXPECT_EQ(decision.reason.empty(), c.verdict == CanaryVerdict::kGoOn) << c.name;
  }
}

TEST(CanaryRules, DistributionsAreCompared) {
  using Counts = std::array<std::uint64_t, 3>;
  EXPECT_DOUBLE_EQ(total_variation(Counts{1, 1, 2}, Counts{10, 10, 20}), 0);
  EXPECT_DOUBLE_EQ(total_variation(Counts{5, 0, 0}, Counts{0, 5, 0}), 1);
  EXPECT_DOUBLE_EQ(total_variation(Counts{3, 1, 0}, Counts{1, 3, 0}), 0.5);
  EXPECT_DOUBLE_EQ(total_variation(Counts{}, Counts{1, 2, 3}), 0);
  EXPECT_DOUBLE_EQ(chi_square(Counts{10, 20, 0}, Counts{10, 20, 0}).statistic, 0);
  const ChiSquare chi = chi_square(Counts{30, 10, 0}, Counts{10, 30, 0});
  EXPECT_DOUBLE_EQ(chi.statistic, 20);  // 4 x (10^2 / 20)
  EXPECT_EQ(chi.freedom, 1U);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/tally.h"

#include <gtest/gtest.h>

#include "bench_serve/transport.h"

namespace tidewatch {
namespace {

using namespace std::chrono_literals;

class TallyTest : public testing::Test {
 protected:
  TallyTest() { tally_.start(start_); }
  // One post, due after `due`, answered `latency` later; sent 1 ms after it was due.
  void post(std::chrono::nanoseconds due, PostOutcome outcome, std::chrono::nanoseconds latency,
            bool marked = false) {
    tally_.offered(start_ + due);
    tally_.answered(start_ + due, start_ + due + 1ms, start_ + due + latency, outcome, marked);
  }
  const SteadyTime start_ = SteadyTime{} + 1h;
  Tally tally_{
      {{"warm-up", {100, 1s}, false}, {"load", {100, 2s}, true}, {"after", {50, 2s}, true}}, 50ms};
};

TEST_F(TallyTest, EveryPostIsInExactlyOneCount) {
  post(1'100ms, PostOutcome::kAccepted, 50ms);  // just in time
  post(1'200ms, PostOutcome::kAccepted, 51ms);
  post(1'300ms, PostOutcome::kRefused, 3ms);
  post(1'400ms, PostOutcome::kExpired, 50ms);
  post(1'500ms, PostOutcome::kFailed, 4ms);
  tally_.offered(start_ + 1'600ms);  // never answered
  const PostCounts counts = tally_.figures(1).counts;
  EXPECT_EQ(counts.offered, 6U);
  EXPECT_EQ(counts.good, 1U);
  EXPECT_EQ(counts.late, 1U);
  EXPECT_EQ(counts.refused, 1U);
  EXPECT_EQ(counts.expired, 1U);
  EXPECT_EQ(counts.failed, 1U);
  EXPECT_EQ(counts.lost, 1U);
  EXPECT_EQ(counts.accepted(), 2U);
  EXPECT_EQ(counts.missed(), 5U);
  EXPECT_EQ(tally_.outstanding(), 1U);
}

TEST_F(TallyTest, PhaseIsWhereAPostWasDueNotWhereItWasAnswered) {
  post(999ms, PostOutcome::kAccepted, 20ms);    // answered in the next phase
  post(2'999ms, PostOutcome::kAccepted, 20ms);  // likewise
  EXPECT_EQ(tally_.figures(0).counts.good, 1U);
  EXPECT_EQ(tally_.figures(1).counts.good, 1U);
  EXPECT_EQ(tally_.figures(2).counts.good, 0U);
}

TEST_F(TallyTest, TotalLeavesTheWarmUpOut) {
  post(500ms, PostOutcome::kAccepted, 900ms);
  post(1'500ms, PostOutcome::kAccepted, 10ms);
  post(3'500ms, PostOutcome::kAccepted, 30ms);
  const PhaseFigures total = tally_.total();
  EXPECT_EQ(total.counts.offered, 2U);
  EXPECT_DOUBLE_EQ(total.seconds, 4);
  EXPECT_DOUBLE_EQ(total.rate, 75);
  EXPECT_NEAR(total.latency.max, 30, 0.001);
  EXPECT_EQ(tally_.accepted(), 3U);
}

TEST_F(TallyTest, LatencyRunsFromWhenThePostWasDueAndRefusalFromItsMessage) {
  post(1'100ms, PostOutcome::kAccepted, 20ms);
  post(1'200ms, PostOutcome::kRefused, 4ms);
  EXPECT_NEAR(tally_.figures(1).latency.p50, 20, 0.2);
  EXPECT_NEAR(tally_.figures(1).refusal.p50, 3, 0.03);
}

TEST_F(TallyTest, NormalAgainWhenTheLastPostThatMissedWasDue) {
  post(3'000ms, PostOutcome::kAccepted, 500ms);
  post(3'700ms, PostOutcome::kRefused, 1ms);
  post(3'900ms, PostOutcome::kAccepted, 10ms);
  EXPECT_NEAR(tally_.figures(2).normal_after_s, 0.7, 1e-9);
  EXPECT_EQ(tally_.figures(1).normal_after_s, 0);
}

TEST_F(TallyTest, TimelineHasAStepASecond) {
  post(1'100ms, PostOutcome::kAccepted, 20ms);
  post(1'900ms, PostOutcome::kAccepted, 40ms);
  post(4'900ms, PostOutcome::kRefused, 40ms);
  const auto timeline = tally_.timeline();
  ASSERT_EQ(timeline.size(), 5U);
  EXPECT_EQ(timeline[1].counts.good, 2U);
  EXPECT_NEAR(timeline[1].max_ms, 40, 0.4);
  EXPECT_EQ(timeline[4].counts.refused, 1U);
}

TEST_F(TallyTest, MarkedPostsAreToldApart) {
  post(1'100ms, PostOutcome::kAccepted, 20ms, true);
  post(1'200ms, PostOutcome::kAccepted, 10ms, false);
  post(1'300ms, PostOutcome::kFailed, 10ms, true);
  EXPECT_EQ(tally_.marked().count, 1U);
  EXPECT_EQ(tally_.unmarked().count, 1U);
  EXPECT_EQ(tally_.marked_failed(), 1U);
}

TEST(Tally, TimelineOfALongRunIsBounded) {
  Tally tally({{"load", {1'400, 3'600s}, true}}, 50ms);
  tally.start(SteadyTime{} + 1h);
  EXPECT_LE(tally.timeline().size(), Tally::kTimelineSteps + 1);
}

TEST(Bundle, TellsWhatIsLeftOfTheDeadlineOfItsFirstPost) {
  Bundle bundle;
  bundle.tally = std::make_shared<Tally>(std::vector<LoadPhase>{{"load", {1, 1s}, true}}, 50ms);
  const SteadyTime due = SteadyTime{} + 1h;
  bundle.due = {due, due + 5ms};
  bundle.sent_at = due + 10ms;
  EXPECT_EQ(bundle.timeout_ms(), 40U);
  bundle.sent_at = due + 90ms;
  EXPECT_EQ(bundle.timeout_ms(), 1U);
}

TEST(Bundle, TextsStandOneAfterTheOther) {
  Bundle bundle;
  bundle.texts = "天地人";
  bundle.ends = {3, 3, 9};
  EXPECT_EQ(bundle.text(0), "天");
  EXPECT_EQ(bundle.text(1), "");
  EXPECT_EQ(bundle.text(2), "地人");
}

TEST(PostId, NamesSeedAndNumber) {
  std::string id = "old";
  write_post_id(18'446'744'073'709'551'615U, 42, id);
  EXPECT_EQ(id, "bench-18446744073709551615-42");
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "batch/latency_profile.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

TEST(LatencyProfileTest, PredictsNothingBeforeItKnows) {
  const LatencyProfile profile;
  EXPECT_EQ(profile.share(100, 1), nanoseconds{0});
  LatencyProfile::Shape shape;
  shape.add(100);
  EXPECT_EQ(profile.predict(shape), nanoseconds{0});
}

TEST(LatencyProfileTest, GivesBackWhatWasMeasured) {
  LatencyProfile profile;
  profile.measured(24, 1, microseconds{24});      // 1 us a token alone
  profile.measured(24, 8, microseconds{96});      // 0.5 us a token in eights
  profile.measured(384, 1, microseconds{1'536});  // 4 us a token when long
  EXPECT_EQ(profile.share(24, 1), microseconds{24});
  EXPECT_EQ(profile.share(24, 8), microseconds{12});
  EXPECT_EQ(profile.share(24, 9), microseconds{12}) << "steps of two";
  EXPECT_EQ(profile.share(384, 1), microseconds{1'536});
  EXPECT_EQ(profile.share(100, 1), microseconds{100}) << "not measured: like the shorter one";
  EXPECT_EQ(profile.share(24, 256), microseconds{12}) << "not measured: like the smaller batch";
}

TEST(LatencyProfileTest, ARunOfMixedLengthsIsASum) {
  LatencyProfile profile;
  profile.measured(24, 1, microseconds{24});
  profile.measured(384, 1, microseconds{1'536});
  LatencyProfile::Shape shape;
  shape.add(20);
  shape.add(30);
  shape.add(400);
  EXPECT_EQ(shape.count(), 3U);
  EXPECT_EQ(profile.predict(shape), microseconds{50 + 1'600});
}

TEST(LatencyProfileTest, FollowsASlowerMachineAndBackAgain) {
  LatencyProfile profile;
  profile.measured(96, 1, microseconds{100});
  LatencyProfile::Shape shape;
  shape.add(96);
  for (int i = 0; i < 200; ++i) profile.observe(shape, microseconds{300});
  EXPECT_NEAR(static_cast<double>(profile.share(96, 1).count()), 300e3, 3e3);
  EXPECT_EQ(profile.share_at_best(96, 1), microseconds{100}) << "what is possible is remembered";
  for (int i = 0; i < 400; ++i) profile.observe(shape, microseconds{100});
  EXPECT_NEAR(static_cast<double>(profile.share(96, 1).count()), 100e3, 2e3);
}

TEST(LatencyProfileTest, LearnsFromRunsAloneWhenNothingWasMeasured) {
  LatencyProfile profile;
  LatencyProfile::Shape shape;
  shape.add(30);
  shape.add(30);
  profile.observe(shape, microseconds{120});
  EXPECT_EQ(profile.share(30, 2), microseconds{60});
  EXPECT_EQ(profile.predict(shape), microseconds{120});
}

TEST(LatencyProfileTest, OneStallIsNotASlowerModel) {
  LatencyProfile profile;
  profile.measured(96, 1, microseconds{100});
  LatencyProfile::Shape shape;
  shape.add(96);
  profile.observe(shape, std::chrono::seconds{5});
  EXPECT_LE(profile.share(96, 1), microseconds{116});
}

TEST(LatencyProfileTest, ARunTeachesOnlyTheLengthsItHeld) {
  LatencyProfile profile;
  profile.measured(24, 1, microseconds{24});
  profile.measured(384, 1, microseconds{384});
  LatencyProfile::Shape shape;
  shape.add(24);
  for (int i = 0; i < 50; ++i) profile.observe(shape, microseconds{48});
  EXPECT_GT(profile.share(24, 1), microseconds{40});
  EXPECT_EQ(profile.share(384, 1), microseconds{384});
}

}  // namespace
}  // namespace tidewatch

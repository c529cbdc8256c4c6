// SPDX-License-Identifier: Apache-2.0
#include "infer/calibration/calibration_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace tidewatch {
namespace {

StratumSet bits(std::initializer_list<Stratum> strata) {
  StratumSet set = 0;
  for (const Stratum s : strata) set |= bit_of(s);
  return set;
}

TEST(CalibrationSetTest, TellsTheStrataOfATable) {
  const TermList slang = TermList::of({"蚌埠住了", "yyds", "emo了", "666"});
  const TermList dialect = TermList::of({"巴适", "嘅"});
  struct Case {
    const char* text;
    std::size_t tokens;
    StratumSet expected;
  };
  using enum Stratum;
  const std::vector<Case> cases{
      {"今天去看了一场电影", 9, bits({kShort})},
      {"今天", 2, bits({kVeryShort})},
      {"长文", 256, bits({kVeryLong})},
      {"长文", 255, bits({kLong})},
      {"中等", 95, bits({kMedium})},
      {"看到这里我真的蚌埠住了啊", 12, bits({kSlang})},
      {"这家店YYDS！下次还来", 10, bits({kSlang, kLatin})},
      {"yydsx 不是那个词", 10, bits({kLatin})},
      {"编号16667不算在内吧", 10, bits({kShort})},
      {"今天又emo了，好难过", 10, bits({kSlang})},
      {"成都的火锅确实巴适得很", 12, bits({kDialect})},
      {"好开心啊😂今天放假", 9, bits({kEmoji})},
      {"好开心啊[心]今天放假", 11, bits({kEmoji})},
      {"见文献[12]和附录[附件说明在此]", 14, bits({kShort})},
      {"今天好累(╯°□°)╯想睡", 14, bits({kEmoji})},
      {"看这里 http://t.cn/abcdefgh 挺好", 20, bits({kShort})},
      {"我买了iPhone手机", 9, bits({kLatin})},
      {"", 0, bits({kVeryShort})},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(strata_of(c.text, c.tokens, slang, dialect), c.expected) << c.text;
  }
}

TEST(CalibrationSetTest, ReadsTheBundledLists) {
  const auto slang = TermList::read(TIDEWATCH_SOURCE_DIR "/models/slang.txt");
  ASSERT_TRUE(slang.ok()) << slang.error().message;
  EXPECT_GE(slang->size(), 150U);
  for (const char* text : {"蚌埠住了", "yyds", "绝绝子", "破防", "今天emo了"}) {
    EXPECT_TRUE(slang->occurs_in(text)) << text;
  }
  EXPECT_FALSE(slang->occurs_in("国务院发布关于农业的通知"));
  EXPECT_TRUE(TermList::read(TIDEWATCH_SOURCE_DIR "/models/dialect.txt").ok());
  EXPECT_EQ(TermList::read("/nowhere/terms.txt").error().code, Code::kNotFound);
}

// Text i is [1, 100 + i, 2]: every token but the frame's is its own.
std::vector<std::int32_t> text_of(std::int32_t i) { return {1, 100 + i, 2}; }

CalibrationSample draw(const SampleOptions& options, std::int32_t ordinary, std::int32_t slang,
                       bool backwards = false) {
  CalibrationSampler sampler(options, 100'000);
  const auto add = [&](std::int32_t i) {
    const StratumSet strata = bit_of(i < slang ? Stratum::kSlang : Stratum::kShort);
    for (int twice = 0; twice < 4; ++twice) sampler.add(text_of(i), strata);
  };
  const std::int32_t all = slang + ordinary;
  for (std::int32_t i = 0; i < all; ++i) add(backwards ? all - 1 - i : i);
  return sampler.draw();
}

TEST(CalibrationSamplerTest, DrawsATextOnceInAnyOrder) {
  const SampleOptions options{100, 7, false};
  const CalibrationSample there = draw(options, 5'000, 300);
  const CalibrationSample back = draw(options, 5'000, 300, /*backwards=*/true);
  ASSERT_EQ(there.texts.size(), 100U);
  ASSERT_EQ(back.texts.size(), 100U);
  std::set<std::vector<std::int32_t>> distinct;
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(there.texts[i].ids, back.texts[i].ids);
    distinct.insert(there.texts[i].ids);
  }
  EXPECT_EQ(distinct.size(), 100U);
  const CalibrationSample other = draw({100, 8, false}, 5'000, 300);
  EXPECT_NE(other.texts[0].ids, there.texts[0].ids);
}

TEST(CalibrationSamplerTest, SmallStrataComeInFullAndTheRestIsShared) {
  // By weight slang gets 0.4 and short 0.333 of 0.733: 55 and 45 of 100.
  const CalibrationSample plenty = draw({100, 1, false}, 5'000, 300);
  EXPECT_EQ(plenty.coverage[0], (StratumCoverage{"slang", 1'200, 55}));
  EXPECT_EQ(plenty.coverage[7], (StratumCoverage{"short", 20'000, 45}));
  const CalibrationSample few = draw({100, 1, false}, 5'000, 10);
  EXPECT_EQ(few.coverage[0], (StratumCoverage{"slang", 40, 10}));
  EXPECT_EQ(few.coverage[7].drawn, 90U);
  const CalibrationSample scarce = draw({100, 1, false}, 20, 10);
  EXPECT_EQ(scarce.texts.size(), 30U);
  EXPECT_DOUBLE_EQ(scarce.vocabulary_share, 1);
  const CalibrationSample none = draw({100, 1, true}, 5'000, 300);
  EXPECT_EQ(none.coverage[0], (StratumCoverage{"slang", 1'200, 0}));
  EXPECT_EQ(none.texts.size(), 100U);
  EXPECT_TRUE(draw({100, 1, false}, 0, 0).texts.empty());
}

TEST(CalibrationSamplerTest, RareTokensAreAStratumOfTheirOwn) {
  CalibrationSampler sampler({10, 1, false}, 1'000);
  for (std::int32_t i = 0; i < 50; ++i) {
    for (int times = 0; times < 4; ++times) sampler.add(text_of(i), bit_of(Stratum::kShort));
  }
  // By weight 0.1 of 0.433: 2 of 10.
  for (std::int32_t i = 0; i < 3; ++i) sampler.add(text_of(500 + i), bit_of(Stratum::kShort));
  const CalibrationSample sample = sampler.draw();
  EXPECT_EQ(sample.coverage[2], (StratumCoverage{"rare tokens", 3, 2}));
  EXPECT_EQ(sample.texts.size(), 10U);
}

}  // namespace
}  // namespace tidewatch

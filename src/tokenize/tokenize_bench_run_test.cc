// SPDX-License-Identifier: Apache-2.0
#include "tokenize/tokenize_bench_run.h"

#include <gtest/gtest.h>

#include <set>

namespace tidewatch {
namespace {

using namespace std::chrono_literals;

// Moves on by a fixed step at each reading.
class SteppingClock final : public Clock {
 public:
  explicit SteppingClock(std::chrono::nanoseconds step) : step_(step) {}
  EventTime wall_now() const override { return EventTime{}; }
  SteadyTime steady_now() const override { return SteadyTime{step_ * ++readings_}; }

 private:
  const std::chrono::nanoseconds step_;
  mutable std::int64_t readings_ = 0;
};

class TokenizeBenchRun : public testing::Test {
 protected:
  void SetUp() override {
    auto vocabulary = Vocabulary::load(TIDEWATCH_SOURCE_DIR "/models/base/vocab.txt");
    ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message;
    tokenizer_.emplace(*std::move(vocabulary), TokenizerOptions{});
  }
  std::optional<Tokenizer> tokenizer_;
};

TEST_F(TokenizeBenchRun, CountsPassesTextsAndTokens) {
  const std::vector<std::string> texts = {"潮水", "a", ""};  // 4, 3 and 2 tokens
  const auto result =
      run_tokenize_bench(*tokenizer_, texts, SteppingClock(1ms), {.duration_min = 5ms});
  EXPECT_EQ(result.texts, 15U);
  EXPECT_EQ(result.tokens, 45U);
  EXPECT_EQ(result.elapsed, 5ms);
  EXPECT_DOUBLE_EQ(result.texts_per_second, 3000);
  EXPECT_DOUBLE_EQ(result.tokens_per_second, 9000);
  EXPECT_DOUBLE_EQ(result.tokens_mean, 3);
  EXPECT_EQ(result.p50, 1ms);
  EXPECT_EQ(result.p999, 1ms);
  EXPECT_EQ(result.max, 1ms);
}

TEST_F(TokenizeBenchRun, EndsThoughTheClockStandsStill) {
  const std::vector<std::string> texts = {"潮水"};
  const auto result = run_tokenize_bench(*tokenizer_, texts, ManualClock(), {.passes_max = 7});
  EXPECT_EQ(result.texts, 7U);
  EXPECT_EQ(result.texts_per_second, 0);
}

TEST_F(TokenizeBenchRun, NoTextsNoFigures) {
  EXPECT_EQ(run_tokenize_bench(*tokenizer_, {}, ManualClock()).texts, 0U);
}

TEST_F(TokenizeBenchRun, MadeTextsAreReproducibleVariedAndOfTheLengthAskedFor) {
  const auto texts = make_tokenize_bench_texts(*tokenizer_, {.seed = 3, .count = 2000});
  ASSERT_EQ(texts.size(), 2000U);
  EXPECT_EQ(texts, make_tokenize_bench_texts(*tokenizer_, {.seed = 3, .count = 2000}));
  EXPECT_GT(std::set<std::string>(texts.begin(), texts.end()).size(), 1900U);
  std::vector<std::int32_t> ids(512);
  std::size_t tokens = 0;
  for (const std::string& text : texts) tokens += tokenizer_->encode(text, ids);
  EXPECT_NEAR(static_cast<double>(tokens) / 2000, 96, 6);
}

}  // namespace
}  // namespace tidewatch

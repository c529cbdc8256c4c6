// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/text_maker.h"

#include <gtest/gtest.h>

#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace tidewatch {
namespace {

class TextMakerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto vocabulary = Vocabulary::load(TIDEWATCH_SOURCE_DIR "/models/fast/vocab.txt");
    ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message;
    tokenizer_.emplace(*std::move(vocabulary), TokenizerOptions{});
  }
  TextMaker make(DuplicateMix mix, std::uint64_t seed = 1) {
    TextMakerOptions options;
    options.duplicates = mix;
    options.seed = seed;
    Result<TextMaker> maker = TextMaker::create(*tokenizer_, options);
    EXPECT_TRUE(maker.ok());
    return *std::move(maker);
  }
  std::size_t tokens(const std::string& text) {
    std::vector<std::int32_t> ids(512);
    return tokenizer_->encode(text, ids);
  }
  std::optional<Tokenizer> tokenizer_;
};

TEST_F(TextMakerTest, LengthsAreWithinBoundsWithTheMeanAskedFor) {
  const TextMaker maker = make(DuplicateMix::none());
  double sum = 0;
  constexpr int kCount = 60'000;
  std::string text;
  for (int i = 0; i < kCount; ++i) {
    text.clear();
    const std::uint32_t said = maker.append(static_cast<std::uint64_t>(i), text);
    const std::size_t found = tokens(text);
    ASSERT_EQ(said, found) << text;
    ASSERT_GE(found, 15U);
    ASSERT_LE(found, 512U);
    sum += static_cast<double>(found);
  }
  EXPECT_NEAR(sum / kCount, 96, 0.96);
}

TEST_F(TextMakerTest, NoTwoTextsAreEqualWithoutDuplicates) {
  const TextMaker maker = make(DuplicateMix::none());
  std::unordered_set<std::string> seen;
  std::string text;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    text.clear();
    maker.append(i, text);
    ASSERT_TRUE(seen.insert(text).second) << i << ": " << text;
  }
}

TEST_F(TextMakerTest, SameSeedAndNumberSameText) {
  const TextMaker a = make(DuplicateMix::ced(), 5);
  const TextMaker b = make(DuplicateMix::ced(), 5);
  const TextMaker c = make(DuplicateMix::ced(), 6);
  int differ = 0;
  for (std::uint64_t i = 500; i-- > 0;) {  // in any order
    std::string x, y, z;
    a.append(i, x);
    b.append(i, y);
    c.append(i, z);
    EXPECT_EQ(x, y);
    differ += x == z ? 0 : 1;
  }
  EXPECT_GT(differ, 200);
}

TEST_F(TextMakerTest, RepeatsAsOftenAsRealPosts) {
  const TextMaker maker = make(DuplicateMix::ced());
  std::unordered_set<std::string> seen;
  int empty = 0;
  int bare = 0;
  int repeats = 0;
  constexpr int kCount = 200'000;
  std::string text;
  for (int i = 0; i < kCount; ++i) {
    text.clear();
    maker.append(static_cast<std::uint64_t>(i), text);
    if (text.empty()) {
      ++empty;
    } else if (text == "转发微博") {
      ++bare;
    } else if (!seen.insert(text).second) {
      ++repeats;
    }
  }
  EXPECT_NEAR(empty / double{kCount}, 0.400, 0.005);
  EXPECT_NEAR(bare / double{kCount}, 0.003, 0.001);
  // A little less: what is repeated may stand before the start of this run.
  EXPECT_NEAR(repeats / double{kCount}, 0.150, 0.006);
}

TEST_F(TextMakerTest, SendersAreManyAndComeFromEveryRegion) {
  const TextMaker maker = make(DuplicateMix::none());
  std::unordered_set<std::uint32_t> authors;
  std::unordered_set<std::string_view> found;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const MadePost post = maker.sender(i);
    ASSERT_LT(post.author, Population::kNumAuthors);
    authors.insert(post.author);
    found.insert(post.region);
  }
  EXPECT_GT(authors.size(), 5'000U);
  EXPECT_EQ(found.size(), regions().size());
}

TEST(TextLengths, AllOfOneLength) {
  const TextLengths lengths(TextLengthOptions::all(96));
  Random random(3);
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(lengths.draw(random), 96U);
}

TEST(TextLengths, MeanFollowsTheOptions) {
  for (const double mean : {40.0, 96.0, 200.0}) {
    TextLengthOptions options;
    options.tokens_mean = mean;
    const TextLengths lengths(options);
    Random random(3);
    double sum = 0;
    constexpr int kCount = 200'000;
    for (int i = 0; i < kCount; ++i) sum += lengths.draw(random);
    EXPECT_NEAR(sum / kCount, mean, mean / 100) << mean;
  }
}

}  // namespace
}  // namespace tidewatch

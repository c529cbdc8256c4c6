// SPDX-License-Identifier: Apache-2.0
#include "detect/term_counts.h"

#include <gtest/gtest.h>

#include <random>

namespace tidewatch {
namespace {

constexpr std::uint64_t kTerm = 0x1234567890ABCDEF;
const TermCountOptions kSmall{.buckets = std::size_t{1} << 12};

// `slices` of `posts` posts each, of which `with` have the term. True: it became significant.
bool run(TermCounts& counts, int slices, int posts, int with) {
  bool significant = false;
  for (int slice = 0; slice < slices; ++slice) {
    for (int i = 0; i < posts; ++i) {
      counts.begin_post();
      if (i < with) significant = counts.add(kTerm) || significant;
    }
    counts.end_slice();
  }
  return significant;
}

TEST(TermCountsTest, WhatIsAlwaysThereIsNeverSignificant) {
  TermCounts counts(kSmall);
  EXPECT_FALSE(run(counts, 300, 200, 50));
  EXPECT_NEAR(counts.expected(kTerm), 50, 1);
}

TEST(TermCountsTest, ANewTermIsSignificantWithinTheSlice) {
  TermCounts counts(kSmall);
  EXPECT_FALSE(run(counts, 30, 200, 0));
  int needed = 0;
  for (bool significant = false; !significant && needed < 200; ++needed) {
    counts.begin_post();
    significant = counts.add(kTerm);
  }
  EXPECT_EQ(needed, 12);  // count_min
  EXPECT_GE(counts.significance(kTerm), 10);
}

TEST(TermCountsTest, NothingIsBeforeTheWarmUp) {
  TermCounts counts(kSmall);
  EXPECT_FALSE(run(counts, 5, 200, 0));
  EXPECT_FALSE(run(counts, 1, 200, 200));
}

TEST(TermCountsTest, ATermCountsOnceAPost) {
  TermCounts counts(kSmall);
  run(counts, 30, 200, 0);
  counts.begin_post();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(counts.add(kTerm));
}

TEST(TermCountsTest, ABusyStreamMakesNoTermEmerge) {
  TermCounts counts(kSmall);
  run(counts, 100, 200, 20);
  // Everything is ten times as much, in the same proportion.
  bool significant = false;
  for (int i = 0; i < 2'000; ++i) {
    counts.begin_post();
    if (i % 10 == 0) significant = counts.add(kTerm) || significant;
  }
  EXPECT_FALSE(significant);
}

TEST(TermCountsTest, ALevelThatStaysIsNormalAfterSomeTime) {
  TermCounts counts(kSmall);
  run(counts, 100, 200, 0);
  EXPECT_TRUE(run(counts, 1, 200, 40));
  run(counts, 600, 200, 40);
  EXPECT_FALSE(run(counts, 10, 200, 40));
}

TEST(TermCountsTest, SilenceIsOneStep) {
  TermCounts stepped(kSmall), jumped(kSmall);
  run(stepped, 50, 200, 40);
  run(jumped, 50, 200, 40);
  run(stepped, 30, 0, 0);
  run(jumped, 1, 0, 0);
  jumped.end_slice(28);
  EXPECT_NEAR(stepped.expected(kTerm), jumped.expected(kTerm), 1e-3);
}

TEST(TermCountsTest, RandomTermsRarelySeemSignificant) {
  TermCounts counts({.buckets = std::size_t{1} << 16});
  std::mt19937_64 random(1);
  int significant = 0;
  for (int slice = 0; slice < 200; ++slice) {
    for (int i = 0; i < 300; ++i) {
      counts.begin_post();
      // Frequencies from one in a thousand posts to one in ten.
      for (std::uint64_t term = 1; term <= 100; ++term) {
        if (random() % (10 * term) == 0) significant += counts.add(term * 0x9E3779B97F4A7C15);
      }
    }
    counts.end_slice();
  }
  EXPECT_EQ(significant, 0);
}

}  // namespace
}  // namespace tidewatch

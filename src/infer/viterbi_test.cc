// SPDX-License-Identifier: Apache-2.0
#include "infer/viterbi.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace tidewatch {
namespace {

constexpr float kNo = -std::numeric_limits<float>::infinity();

struct Problem {
  std::size_t labels = 0;
  std::size_t tokens = 0;
  std::vector<float> emissions;
  std::vector<float> transitions;
  std::vector<float> start;
  std::vector<float> end;
  ViterbiScores scores() const { return {transitions, start, end}; }
};

struct Answer {
  float score = 0;
  std::vector<std::uint8_t> path;
};

float score_of(const Problem& p, const std::vector<std::uint8_t>& path) {
  if (path.empty()) return 0;
  float score = p.start[path[0]] + p.emissions[path[0]];
  for (std::size_t t = 1; t < path.size(); ++t) {
    score += p.transitions[path[t - 1] * p.labels + path[t]];
    score += p.emissions[t * p.labels + path[t]];
  }
  return score + p.end[path.back()];
}

// Every path, the last token's label varying slowest: the first of the best is the one that has
// the earlier label at the last token where they differ.
Answer brute_force(const Problem& p) {
  Answer best{kNo, std::vector<std::uint8_t>(p.tokens, 0)};
  std::vector<std::uint8_t> path(p.tokens, 0);
  if (p.tokens == 0) return {0, {}};
  while (true) {
    if (const float score = score_of(p, path); score > best.score) best = {score, path};
    std::size_t t = 0;
    while (t < p.tokens && ++path[t] == p.labels) path[t++] = 0;
    if (t == p.tokens) return best;
  }
}

Answer decode(const Problem& p, ViterbiScratch& scratch) {
  Answer answer;
  answer.path.assign(p.tokens, 99);
  answer.score = viterbi_decode(p.scores(), p.emissions, scratch, answer.path);
  return answer;
}

// `coarse` draws few distinct values, exact in FP32, so that ties are common and every order of
// summation gives the same sum; else the values are arbitrary.
Problem random_problem(std::mt19937& random, bool coarse, double forbidden) {
  Problem p;
  p.labels = std::uniform_int_distribution<std::size_t>{1, 5}(random);
  p.tokens = std::uniform_int_distribution<std::size_t>{0, 7}(random);
  std::uniform_int_distribution<int> steps{-2, 2};
  std::normal_distribution<float> any{0, 3};
  std::bernoulli_distribution is_forbidden{forbidden};
  const auto fill = [&](std::vector<float>& values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const float value = coarse ? 0.25F * static_cast<float>(steps(random)) : any(random);
      values.push_back(is_forbidden(random) ? kNo : value);
    }
  };
  fill(p.emissions, p.tokens * p.labels);
  fill(p.transitions, p.labels * p.labels);
  fill(p.start, p.labels);
  fill(p.end, p.labels);
  return p;
}

TEST(ViterbiTest, EqualsBruteForceOverAllPaths) {
  struct Case {
    const char* name;
    bool coarse;
    double forbidden;
  };
  const std::vector<Case> cases{
      {"ties everywhere", true, 0.0},
      {"ties and some forbidden", true, 0.2},
      {"mostly forbidden", true, 0.6},
      {"arbitrary scores", false, 0.0},
      {"arbitrary, some forbidden", false, 0.3},
  };
  ViterbiScratch scratch;  // shared: what a longer text left behind must not matter
  for (const Case& c : cases) {
    std::size_t impossible = 0;
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
      SCOPED_TRACE(std::string{c.name} + ", seed " + std::to_string(seed));
      std::mt19937 random(seed);
      const Problem p = random_problem(random, c.coarse, c.forbidden);
      const Answer expected = brute_force(p);
      const Answer got = decode(p, scratch);
      ASSERT_EQ(got.score, expected.score);
      // Arbitrary scores may round to a tie in the sum that was none on the way.
      if (c.coarse) {
        ASSERT_EQ(got.path, expected.path);
      } else if (expected.score != kNo) {
        ASSERT_EQ(score_of(p, got.path), expected.score);
      }
      impossible += expected.score == kNo;
    }
    if (c.forbidden > 0.5) {
      EXPECT_GT(impossible, 50U) << c.name << ": the case is meant to hold some";
    }
    if (c.forbidden == 0.0) {
      EXPECT_EQ(impossible, 0U);
    }
  }
}

TEST(ViterbiTest, TransitionsOverruleTheBestLabelOfAToken) {
  // O, B, I: an I must follow a B or an I.
  Problem p;
  p.labels = 3;
  p.tokens = 3;
  p.emissions = {2, 1, 0,   // O
                 0, 1, 3,   // I, but only after B
                 2, 0, 1};  // O
  p.transitions = {0, 0, kNo, 0, 0, 0, 0, 0, 0};
  p.start = {0, 0, kNo};
  p.end = {0, 0, 0};
  ViterbiScratch scratch;
  const Answer answer = decode(p, scratch);
  EXPECT_EQ(answer.path, (std::vector<std::uint8_t>{1, 2, 0}));
  EXPECT_EQ(answer.score, 6.0F);
  std::vector<std::uint8_t> alone(3);
  EXPECT_EQ(argmax_decode(3, p.emissions, alone), 7.0F);
  EXPECT_EQ(alone, (std::vector<std::uint8_t>{0, 2, 0}));
}

TEST(ViterbiTest, EndScoresCount) {
  Problem p;
  p.labels = 2;
  p.tokens = 1;
  p.emissions = {5, 1};
  p.transitions = {0, 0, 0, 0};
  p.start = {0, 0};
  p.end = {kNo, 0};
  ViterbiScratch scratch;
  EXPECT_EQ(decode(p, scratch).path, std::vector<std::uint8_t>{1});
  p.end = {0, 4};
  EXPECT_EQ(decode(p, scratch).path, std::vector<std::uint8_t>{0}) << "a tie: the earlier label";
}

TEST(ViterbiTest, NothingAllowedIsMinusInfinityAndZeros) {
  Problem p;
  p.labels = 2;
  p.tokens = 3;
  p.emissions = {0, 9, 0, 9, 0, 9};
  p.transitions = {kNo, kNo, kNo, kNo};
  p.start = {0, 0};
  p.end = {0, 0};
  ViterbiScratch scratch;
  const Answer answer = decode(p, scratch);
  EXPECT_EQ(answer.score, kNo);
  EXPECT_EQ(answer.path, (std::vector<std::uint8_t>{0, 0, 0}));
}

TEST(ViterbiTest, KeepsItsScratch) {
  std::mt19937 random(7);
  ViterbiScratch scratch;
  Problem p = random_problem(random, true, 0.0);
  p.tokens = 7;
  p.emissions.resize(p.tokens * p.labels, 0.0F);
  decode(p, scratch);
  const float* score = scratch.score.data();
  const std::uint8_t* came_from = scratch.came_from.data();
  p.tokens = 3;
  p.emissions.resize(p.tokens * p.labels);
  decode(p, scratch);
  EXPECT_EQ(scratch.score.data(), score);
  EXPECT_EQ(scratch.came_from.data(), came_from);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/rate_search.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidewatch {
namespace {

double search_for(double truth, RateSearch::Options options, int* tries = nullptr) {
  RateSearch search(options);
  int count = 0;
  while (const auto rate = search.next()) {
    search.tried(*rate, *rate <= truth);
    if (++count > 100) ADD_FAILURE() << "does not end";
  }
  if (tries != nullptr) *tries = count;
  return search.best();
}

TEST(RateSearch, FindsTheHighestRateFromBothSides) {
  for (const double truth : {70.0, 999.0, 8'000.0, 8'001.0, 12'345.0, 400'000.0}) {
    int tries = 0;
    const double best = search_for(truth, {}, &tries);
    EXPECT_LE(best, truth) << truth;
    EXPECT_GE(best * 1.03, truth) << truth;
    EXPECT_LE(tries, 20) << truth;
  }
}

TEST(RateSearch, GivesUpBelowTheLeastRate) {
  RateSearch::Options options;
  options.least = 100;
  EXPECT_EQ(search_for(20, options), 0);
}

TEST(RateSearch, StopsAtTheHighestRateAllowed) {
  RateSearch::Options options;
  options.most = 20'000;
  EXPECT_EQ(search_for(1e9, options), 20'000);
}

TEST(RateSearch, EndsWhenTriesAreContradictory) {
  RateSearch::Options options;
  options.tries_max = 10;
  RateSearch search(options);
  int tries = 0;
  while (const auto rate = search.next()) search.tried(*rate, ++tries % 2 == 0);
  EXPECT_LE(tries, 10);
}

}  // namespace
}  // namespace tidewatch

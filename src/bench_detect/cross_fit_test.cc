// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/cross_fit.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tidewatch {
namespace {

TEST(NominalRatesTest, GivesTheLooseRateThatKeptWhatWasWanted) {
  NominalRates rates;
  rates.nominal = {0.1, 1, 10};
  rates.achieved = {0.5, 2, 8};
  rates.days = 20;
  EXPECT_DOUBLE_EQ(rates.nominal_for(2), 1);
  EXPECT_NEAR(rates.nominal_for(1), std::sqrt(0.1), 1e-9);  // half-way by logarithm
  EXPECT_DOUBLE_EQ(rates.nominal_for(0.2), 0.1);            // none kept it: the smallest
  EXPECT_DOUBLE_EQ(rates.nominal_for(20), 10);
}

TEST(NominalRatesTest, IsNeverLooserThanWanted) {
  NominalRates rates;
  rates.nominal = {0.1, 1, 10};
  rates.achieved = {0, 0, 0.1};
  rates.days = 20;
  EXPECT_DOUBLE_EQ(rates.nominal_for(1), 1);
}

}  // namespace
}  // namespace tidewatch

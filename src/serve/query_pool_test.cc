// SPDX-License-Identifier: Apache-2.0
#include "serve/query_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace tidewatch {
namespace {

TEST(QueryPool, RefusesWhenFullAndRunsTheRest) {
  std::latch started(1);
  std::latch released(1);
  std::atomic<int> done{0};
  QueryPool pool(1, 2);
  ASSERT_TRUE(pool.try_run([&] {
    started.count_down();
    released.wait();
    ++done;
  }));
  started.wait();
  EXPECT_TRUE(pool.try_run([&] { ++done; }));
  EXPECT_TRUE(pool.try_run([&] { ++done; }));
  EXPECT_FALSE(pool.try_run([&] { ++done; }));
  EXPECT_EQ(pool.waiting(), 2u);
  released.count_down();
  pool.stop();
  EXPECT_EQ(done, 3);
  EXPECT_FALSE(pool.try_run([&] { ++done; }));
  pool.stop();
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace tidewatch

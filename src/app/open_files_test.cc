// SPDX-License-Identifier: Apache-2.0
#include "app/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "app/config.h"
#include "store/open_files.h"

namespace tidewatch {
namespace {

TEST(OpenFiles, RaisesTheSoftLimitToTheHardOne) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{.rlim_cur = 64, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(open_file_limit().now, 64U);
  const auto raised = raise_open_file_limit();
  ASSERT_TRUE(raised.ok()) << raised.error().message;
  EXPECT_EQ(raised->now, before.rlim_max);
  EXPECT_EQ(open_file_limit().now, before.rlim_max);
  EXPECT_TRUE(raise_open_file_limit().ok()) << "and again there is nothing to do";
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST(OpenFiles, CountsConnectionsAndTheStore) {
  Config config;
  const std::uint64_t wanted = open_files_wanted(config);
  EXPECT_GE(wanted, config.http.connections_max + store_files_max(config.store));
  config.http.connections_max += 1'000;
  EXPECT_EQ(open_files_wanted(config), wanted + 1'000);
  const std::uint64_t of_the_store = store_files_max(config.store);
  config.store.readers *= 2;
  EXPECT_GT(store_files_max(config.store), of_the_store + 300);
}

}  // namespace
}  // namespace tidewatch

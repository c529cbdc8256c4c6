// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tidewatch {

struct BenchNabOptions {
  std::string data;  // folder with realTweets/*.csv and windows.json
  bool json = false;
};
int run_bench_nab(const BenchNabOptions& options);

}  // namespace tidewatch

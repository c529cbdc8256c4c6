// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tidewatch {

struct BenchStoreOptions {
  std::uint64_t posts = 1'000'000;
  std::string data_dir;  // empty: a temporary folder, removed at the end
  double rate = 2'000;   // posts a second while searches run
  double searches = 10;  // a second, over all kinds in turn
  double seconds = 60;   // of ingest alone, and again of ingest with searches
  int rounds = 2;        // of both, in turn
  std::uint64_t seed = 1;
  bool control = false;  // each round also with arithmetic in place of the searches
  bool build_only = false;
  bool json = false;
};
int run_bench_store(const BenchStoreOptions& options);

}  // namespace tidewatch

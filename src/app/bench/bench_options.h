// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "bench_serve/text_maker.h"
#include "core/result.h"

namespace tidewatch {

// The command line of `tidewatch bench serve`; docs/bench.md explains each.
struct BenchServeOptions {
  CommonOptions common;
  double rate = 8'000;
  double seconds = 60;
  double warmup_seconds = 3;
  std::string duplicates = "real";
  std::uint32_t tokens = 0;  // ids of every text; 0: the mix of lengths
  std::uint32_t deadline_ms = 50;
  std::string via = "grpc";
  std::string path = "ingest";
  std::string target;
  std::int32_t pid = 0;  // of the target's server, to measure it too
  std::string trace_file;
  std::uint64_t seed = 1;
  std::size_t connections = 0;  // 0: as suits the way
  double bundle_ms = 1;
  std::size_t bundle_posts = 1'024;
  std::size_t kserve_batch = 1;
  bool sweep = false;
  double step_seconds = 8;
  std::vector<double> overload;  // multiples of the peak
  double recovery_seconds = 5;
  std::uint64_t swaps = 0;
  std::vector<std::string> swap_engines;
  std::string swap_url;
  bool no_cache = false;
  bool no_deadline = false;
  bool bare = false;
  bool verify = false;
  std::string samples_file;
  std::string data_dir;
  bool json = false;
};

struct BenchInferOptions {
  CommonOptions common;
  double seconds = 10;
  std::vector<std::size_t> batches;  // texts a run: of these the best; empty: of several
  std::size_t tokens = 0;            // ids of every text; 0: the mix of lengths
  bool padded = false;               // a text a row, as wide as the longest of its batch
  std::size_t lanes = 0;             // of a GPU; 0: as configured
  std::string with;                  // a second model, run beside the first; empty: none
  std::string plain;  // the file of a plan of plain TensorRT, made when absent; empty: not that
  std::uint64_t seed = 1;
  bool json = false;
};

// Where a load goes, from "grpc://host:port", "http://host:port" or "kserve://host:port/model".
struct BenchTarget {
  std::string via;  // "grpc", "http" or "kserve"
  std::string host;
  std::uint16_t port = 0;
  std::string model;  // of kserve
};
Result<BenchTarget> parse_bench_target(const std::string& url);

// "real", "0", a share such as "0.3" or a percentage such as "30%".
Result<DuplicateMix> parse_duplicates(const std::string& text);

// Whether the options go together; the message says which do not, and what to do.
Status check_options(const BenchServeOptions& options);

// Status: 0 well, 1 failed, 2 wrong usage.
int run_bench_serve(const BenchServeOptions& options);
int run_bench_infer(const BenchInferOptions& options);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench_serve/tally.h"
#include "bench_serve/transport.h"

namespace tidewatch {

// The figures of one run of `tidewatch bench serve`, for people and as JSON (docs/bench.md says
// what each means). What was not measured is 0 and left out where that would mislead.
struct LoadFigures {
  PhaseFigures total;
  std::vector<PhaseFigures> phases;
  std::vector<double> phase_resident_bytes;  // highest, by phase
  std::vector<TimelineFigures> timeline;
  Percentiles lag;  // of the sender: how late it woke

  double cpu_seconds = 0;  // user and system, of the whole process, in the measured phases
  double generator_cpu_seconds = 0;  // of its own threads, likewise; 0: not known
  double resident_peak_bytes = 0;
  double open_fds_first = 0;
  double open_fds_last = 0;
  double resident_first_bytes = 0;  // at the start of the measured phases, and at the end
  double resident_last_bytes = 0;
  std::uint64_t disk_bytes = 0;  // grown by, over the whole run
  TransportCounts transport;
  std::uint64_t accepted_all = 0;  // warm-up included; what disk and transport figures refer to

  bool engine_known = false;  // the engine ran in this process: the next are its own figures
  std::uint64_t cache_hits = 0;
  std::uint64_t cache_misses = 0;
  std::uint64_t index_lag_posts = 0;
};

struct SwapLoadFigures {
  std::uint64_t swaps = 0;
  std::uint64_t refused = 0;  // swaps that were not made
  Percentiles took;           // of the calls
  Percentiles first_answer;   // of the new engine, from the switch on
  // Free memory of the GPU after each swap, bytes; empty without a GPU.
  std::vector<std::uint64_t> gpu_free_bytes;
  Percentiles inside;  // latency of posts sent around a swap
  Percentiles outside;
  std::uint64_t failed_inside = 0;
};

nlohmann::ordered_json to_json(const PhaseFigures& figures);
nlohmann::ordered_json to_json(const LoadFigures& figures);
nlohmann::ordered_json to_json(const SwapLoadFigures& figures);
nlohmann::ordered_json percentiles_json(const Percentiles& percentiles);

// Several lines, each ended.
std::string to_text(const LoadFigures& figures, double deadline_ms);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench_serve/tally.h"
#include "core/mutex.h"
#include "core/result.h"

namespace tidewatch {

// What the kernel says of a process. What cannot be read is 0.
struct ProcessUsage {
  double cpu_seconds = 0;  // user and system
  double resident_bytes = 0;
  double open_fds = 0;
};
ProcessUsage read_process_usage(pid_t pid);

// Bytes on disk of all files under a folder, as blocks that are really taken.
std::uint64_t disk_bytes(const std::filesystem::path& folder);

// Samples a process while a load runs: CPU, memory, file handles, disk. For each phase of the load
// the highest memory is kept; with a file, every sample is a line of CSV.
// Threads: a thread of its own, between construction and stop().
class ProcessProbe {
 public:
  struct Options {
    pid_t pid = 0;                   // 0: this process
    std::filesystem::path data_dir;  // empty: no disk figures
    std::string csv_file;            // empty: none
    std::chrono::milliseconds every{1'000};
  };
  // kUnavailable when the CSV file cannot be written.
  static Result<std::unique_ptr<ProcessProbe>> start(Options options,
                                                     std::shared_ptr<const Tally> tally);
  ~ProcessProbe() { stop(); }
  void stop();  // takes a last sample

  double peak_resident_bytes(std::size_t phase) const { return peaks_[phase]; }  // after stop()
  double peak_resident_bytes() const;
  // Of the samples: at the first of the measured phases and at the end, to see what grows.
  const ProcessUsage& first() const { return first_; }
  const ProcessUsage& last() const { return last_; }

 private:
  ProcessProbe(Options options, std::shared_ptr<const Tally> tally);
  void run();
  void sample();

  const Options options_;
  const std::shared_ptr<const Tally> tally_;
  std::vector<double> peaks_;
  ProcessUsage first_;
  ProcessUsage last_;
  bool seen_first_ = false;
  std::FILE* csv_ = nullptr;
  Mutex mu_;
  CondVar wake_;
  bool stop_ GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace tidewatch

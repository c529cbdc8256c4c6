// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tidewatch {

// What the kernel says about this process. A number that could not be read is 0.
struct ProcessStats {
  double resident_bytes = 0;
  double resident_peak_bytes = 0;
  double virtual_bytes = 0;
  double cpu_seconds = 0;  // user and system
  double open_fds = 0;
  double fds_max = 0;
  double start_time_seconds = 0;  // since 1970
};

// Reads /proc. Threads: may be called concurrently; takes some tens of microseconds.
ProcessStats read_process_stats();

}  // namespace tidewatch

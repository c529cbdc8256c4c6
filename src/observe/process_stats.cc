// SPDX-License-Identifier: Apache-2.0
#include "observe/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace tidewatch {
namespace {

// Fields of /proc/self/stat from the third on: the second, the program's name, may hold blanks
// and brackets.
std::istringstream stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  return std::istringstream(name_end == std::string::npos ? "" : line.substr(name_end + 1));
}

double boot_time_seconds() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    if (word == "btime") {
      double seconds = 0;
      file >> seconds;
      return seconds;
    }
    std::getline(file, word);
  }
  return 0;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessStats read_process_stats() {
  ProcessStats stats;
  const auto page_bytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
  const auto ticks_a_second = static_cast<double>(::sysconf(_SC_CLK_TCK));

  // proc(5): field 22 is the start in ticks since boot, 23 virtual bytes, 24 resident pages.
  std::istringstream fields = stat_fields();
  std::string word;
  for (int field = 3; fields >> word && field <= 24; ++field) {
    if (field < 22) continue;
    const double value = std::strtod(word.c_str(), nullptr);
    if (field == 22) stats.start_time_seconds = boot_time_seconds() + value / ticks_a_second;
    if (field == 23) stats.virtual_bytes = value;
    if (field == 24) stats.resident_bytes = value * page_bytes;
  }

  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    stats.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    stats.resident_peak_bytes = static_cast<double>(usage.ru_maxrss) * 1024;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    stats.fds_max = static_cast<double>(limit.rlim_cur);
  }
  std::error_code ignored;
  std::filesystem::directory_iterator fds("/proc/self/fd", ignored);
  double open = 0;
  for (; fds != std::filesystem::directory_iterator(); fds.increment(ignored)) ++open;
  stats.open_fds = open > 0 ? open - 1 : 0;  // less the one that lists them
  return stats;
}

}  // namespace tidewatch

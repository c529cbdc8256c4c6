// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/process_probe.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

namespace tidewatch {

ProcessUsage read_process_usage(pid_t pid) {
  ProcessUsage usage;
  const std::string folder = pid == 0 ? "/proc/self" : fmt::format("/proc/{}", pid);
  std::ifstream file(folder + "/stat");
  std::string line;
  std::getline(file, line);
  // proc(5): the name, field 2, may hold blanks and brackets; 14 and 15 are user and system time
  // in ticks, 24 resident pages.
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return usage;
  std::istringstream fields(line.substr(name_end + 1));
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto page_bytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
  std::string word;
  for (int field = 3; fields >> word && field <= 24; ++field) {
    if (field == 14 || field == 15) usage.cpu_seconds += std::stod(word) / ticks;
    if (field == 24) usage.resident_bytes = std::stod(word) * page_bytes;
  }
  std::error_code ignored;
  std::filesystem::directory_iterator fds(folder + "/fd", ignored);
  for (; fds != std::filesystem::directory_iterator(); fds.increment(ignored)) ++usage.open_fds;
  if (pid == 0 && usage.open_fds > 0) --usage.open_fds;  // the one that lists them
  return usage;
}

std::uint64_t disk_bytes(const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(folder, error);
  while (!error && at != std::filesystem::recursive_directory_iterator()) {
    struct stat status{};
    if (::lstat(at->path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    at.increment(error);
  }
  return bytes;
}

Result<std::unique_ptr<ProcessProbe>> ProcessProbe::start(Options options,
                                                          std::shared_ptr<const Tally> tally) {
  std::unique_ptr<ProcessProbe> probe(new ProcessProbe(std::move(options), std::move(tally)));
  if (const std::string& path = probe->options_.csv_file; !path.empty()) {
    probe->csv_ = std::fopen(path.c_str(), "we");
    if (probe->csv_ == nullptr) {
      return Error{Code::kUnavailable,
                   fmt::format("{}: cannot be written: {}", path, std::strerror(errno))};
    }
    fmt::print(probe->csv_,
               "seconds,offered_unanswered,accepted,resident_bytes,open_fds,cpu_seconds,disk_bytes,"
               "disk_bytes_per_post\n");
  }
  probe->thread_ = std::thread([p = probe.get()] { p->run(); });
  return probe;
}

ProcessProbe::ProcessProbe(Options options, std::shared_ptr<const Tally> tally)
    : options_(std::move(options)), tally_(std::move(tally)), peaks_(tally_->num_phases()) {}

void ProcessProbe::stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
  sample();
  if (csv_ != nullptr) std::fclose(std::exchange(csv_, nullptr));
}

double ProcessProbe::peak_resident_bytes() const {
  return *std::max_element(peaks_.begin(), peaks_.end());
}

void ProcessProbe::run() {
  MutexLock lock(mu_);
  while (!stop_) {
    const SteadyTime until = std::chrono::steady_clock::now() + options_.every;
    while (!stop_ && wake_.wait_until(mu_, until)) {
    }
    if (!stop_) sample();
  }
}

void ProcessProbe::sample() {
  last_ = read_process_usage(options_.pid);
  const SteadyTime start = tally_->started_at();
  if (start == SteadyTime{}) return;  // not yet under way
  const auto at = std::chrono::steady_clock::now() - start;
  const std::size_t phase = tally_->phase_at(at);
  peaks_[phase] = std::max(peaks_[phase], last_.resident_bytes);
  if (!seen_first_ && tally_->phase(phase).measured) {
    seen_first_ = true;
    first_ = last_;
  }
  if (csv_ == nullptr) return;
  const std::uint64_t disk = options_.data_dir.empty() ? 0 : disk_bytes(options_.data_dir);
  const std::uint64_t accepted = tally_->accepted();
  fmt::print(csv_, "{:.1f},{},{},{:.0f},{:.0f},{:.2f},{},{:.1f}\n",
             std::chrono::duration<double>(at).count(), tally_->outstanding(), accepted,
             last_.resident_bytes, last_.open_fds, last_.cpu_seconds, disk,
             accepted == 0 ? 0.0 : static_cast<double>(disk) / static_cast<double>(accepted));
  std::fflush(csv_);
}

}  // namespace tidewatch

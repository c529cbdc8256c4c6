// SPDX-License-Identifier: Apache-2.0
#include "app/open_files.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

#include "app/config.h"
#include "store/open_files.h"

namespace tidewatch {
namespace {

constexpr std::uint64_t kFilesOfTheRest = 200;  // models, logs, sources, channels, event loops

}  // namespace

OpenFileLimit open_file_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return {.now = limit.rlim_cur, .most = limit.rlim_max};
}

Result<OpenFileLimit> raise_open_file_limit() {
  const OpenFileLimit before = open_file_limit();
  const rlimit raised{.rlim_cur = before.most, .rlim_max = before.most};
  if (before.now < before.most && ::setrlimit(RLIMIT_NOFILE, &raised) != 0) {
    return Error{Code::kPermissionDenied,
                 fmt::format("the limit of open files stays at {}, not {}: {}; set it where the "
                             "engine is started (ulimit -n, LimitNOFILE=)",
                             before.now, before.most, std::strerror(errno))};
  }
  return open_file_limit();
}

std::uint64_t open_files_wanted(const Config& config) {
  return config.http.connections_max + store_files_max(config.store) + kFilesOfTheRest;
}

}  // namespace tidewatch

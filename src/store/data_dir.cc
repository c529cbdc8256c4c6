// SPDX-License-Identifier: Apache-2.0
#include "store/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

namespace tidewatch {
namespace {

Error system_error(const std::filesystem::path& path, const char* what, int number) {
  const Code code = number == EACCES || number == EPERM || number == EROFS ? Code::kPermissionDenied
                    : number == ENOSPC || number == EDQUOT ? Code::kResourceExhausted
                                                           : Code::kUnavailable;
  return {code, path.string() + ": " + what + ": " + std::strerror(number) +
                    "; choose a folder that this user may write to (--data-dir)"};
}

Status sync_dir(const std::filesystem::path& dir) {
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return system_error(dir, "cannot open the data folder", errno);
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed != 0) return system_error(dir, "cannot sync the data folder", failed);
  return {};
}

std::string holder_of(int fd) {
  std::array<char, 32> pid{};
  const ssize_t size = ::pread(fd, pid.data(), pid.size() - 1, 0);
  std::string text(pid.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? "another process" : "process " + text;
}

}  // namespace

Result<DataDir> DataDir::claim(const std::filesystem::path& dir) {
  std::error_code failed;
  const bool made = std::filesystem::create_directories(dir, failed);
  if (failed) return system_error(dir, "cannot make the data folder", failed.value());
  if (made) {
    const std::filesystem::path parent = std::filesystem::absolute(dir, failed).parent_path();
    if (!failed && !parent.empty()) TRY(sync_dir(parent));
  }
  const std::filesystem::path path = dir / "lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return system_error(path, "cannot open the lock file", errno);
  DataDir claimed(dir, fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error(path, "cannot lock", errno);
    return Error{Code::kFailedPrecondition,
                 dir.string() + " is in use by " + holder_of(fd) +
                     "; stop that one or choose another folder (--data-dir)"};
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return system_error(path, "cannot write", errno);
  }
  return claimed;
}

DataDir::~DataDir() {
  if (fd_ >= 0) ::close(fd_);
}

Status DataDir::sync() const { return sync_dir(dir_); }

}  // namespace tidewatch

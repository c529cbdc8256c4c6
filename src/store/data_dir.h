// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <utility>

#include "core/result.h"

namespace tidewatch {

// The data folder, held for this process alone by flock on its file `lock`. The system lets go of
// it however the process ends, kill -9 included.
// Errors of claim(): kFailedPrecondition (another process has it), kPermissionDenied, kUnavailable.
class DataDir {
 public:
  // Makes the folder (on disk: its parent is synced) when it is absent.
  static Result<DataDir> claim(const std::filesystem::path& dir);
  DataDir(DataDir&& other) noexcept
      : dir_(std::move(other.dir_)), fd_(std::exchange(other.fd_, -1)) {}
  DataDir& operator=(DataDir&&) = delete;
  ~DataDir();

  const std::filesystem::path& path() const { return dir_; }
  // Makes the names of files made in the folder survive a power cut.
  Status sync() const;

 private:
  DataDir(std::filesystem::path dir, int fd) : dir_(std::move(dir)), fd_(fd) {}
  std::filesystem::path dir_;
  int fd_;
};

}  // namespace tidewatch

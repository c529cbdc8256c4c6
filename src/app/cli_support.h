// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/commands.h"
#include "app/config.h"
#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// The configuration file with the command line over it.
Result<Config> resolve_config(const CommonOptions& options);

// Prints "tidewatch: message" to standard error; returns 1, the exit status of a failure.
int fail(const Error& error);

// A progress line on standard error, at most ten times a second; silent when that is no terminal.
class Progress {
 public:
  Progress(std::string what, const Clock& clock);
  ~Progress();  // clears the line
  // `done` of `total` bytes (0: unknown) and a count that people recognise.
  void show(std::uint64_t done, std::uint64_t total, std::uint64_t count);

 private:
  const std::string what_;
  const Clock& clock_;
  const bool terminal_;
  SteadyTime started_;
  SteadyTime next_;
  bool shown_ = false;
};

// A temporary folder, removed with all it holds.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> create();
  ~TemporaryFolder();
  TemporaryFolder(TemporaryFolder&& other) noexcept;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace tidewatch

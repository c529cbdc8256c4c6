// SPDX-License-Identifier: Apache-2.0
#include "app/cli_support.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "infer/backend_choice.h"

namespace tidewatch {

Result<Config> resolve_config(const CommonOptions& options) {
  Config config;
  if (!options.config_file.empty()) {
    TRY_ASSIGN(config, read_config(options.config_file));
  }
  if (!options.model.empty()) config.inference.model = options.model;
  if (!options.models_dir.empty()) config.models_dir = options.models_dir;
  if (!options.precision.empty()) {
    TRY_ASSIGN(config.inference.precision, parse_precision(options.precision));
  }
  if (!options.backend.empty()) {
    TRY_ASSIGN(config.inference.backend, parse_backend_kind(options.backend));
  }
  if (!options.engines_dir.empty()) config.control.engines_dir = options.engines_dir;
  return config;
}

int fail(const Error& error) {
  fmt::print(stderr, "tidewatch: {}\n", error.message);
  return 1;
}

Progress::Progress(std::string what, const Clock& clock)
    : what_(std::move(what)),
      clock_(clock),
      terminal_(::isatty(STDERR_FILENO) == 1),
      started_(clock.steady_now()),
      next_(started_) {}

Progress::~Progress() {
  if (shown_) fmt::print(stderr, "\r\033[K");
}

void Progress::show(std::uint64_t done, std::uint64_t total, std::uint64_t count) {
  if (!terminal_) return;
  const SteadyTime now = clock_.steady_now();
  if (now < next_) return;
  next_ = now + std::chrono::milliseconds{100};
  shown_ = true;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  const double rate = seconds > 0 ? static_cast<double>(count) / seconds : 0;
  std::string bar;
  if (total > 0) {
    const auto filled =
        static_cast<std::size_t>(30.0 * static_cast<double>(done) / static_cast<double>(total));
    bar = fmt::format("[{:#<{}}{:.<{}}] ", "", filled, "", 30 - std::min<std::size_t>(filled, 30));
  }
  fmt::print(stderr, "\r\033[K{} {}{} posts, {:.0f}/s", what_, bar, count, rate);
  std::fflush(stderr);
}

Result<TemporaryFolder> TemporaryFolder::create() {
  std::error_code error;
  std::string pattern = (std::filesystem::temp_directory_path(error) / "tidewatch-XXXXXX").string();
  if (error || ::mkdtemp(pattern.data()) == nullptr) {
    return Error{Code::kUnavailable,
                 fmt::format("{}: cannot make a temporary folder ({}); set TMPDIR or --data-dir",
                             pattern, std::strerror(errno))};
  }
  return TemporaryFolder(pattern);
}

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TemporaryFolder::~TemporaryFolder() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tidewatch

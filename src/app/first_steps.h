// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "app/commands.h"

namespace tidewatch {

struct InitOptions {
  std::string output = "tidewatch.toml";  // "-": standard output
  bool force = false;                     // over a file that is there
};
int run_init(const InitOptions& options);

struct DoctorOptions {
  CommonOptions common;
  std::string data_dir;
  bool json = false;
};
// Prints a line for each thing that was looked at. 0 when the engine can run as configured.
int run_doctor(const DoctorOptions& options);

// Shell completion and the manual page, made from the commands' own definitions: nothing to keep
// up to date. `shell`: "bash", "zsh" or "fish".
std::string completion_script(const CLI::App& app, const std::string& shell);
std::string manual_page(const CLI::App& app, const std::string& version);

}  // namespace tidewatch

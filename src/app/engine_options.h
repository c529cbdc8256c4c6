// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "app/commands.h"

namespace tidewatch {

// The options that say in what and by what a model computes: --precision, --backend, --engines-dir.
// `options` must outlive the parsing.
void add_precision(CLI::App& app, CommonOptions& options);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/result.h"

namespace tidewatch {

struct Config;

// How many files this process may have open: `now` (the soft limit) and at most (the hard one).
struct OpenFileLimit {
  std::uint64_t now = 0;
  std::uint64_t most = 0;
};
OpenFileLimit open_file_limit();

// Sets the soft limit to the hard one, which needs no privilege; returns what then holds.
// kPermissionDenied: the system refused, and nothing changed.
Result<OpenFileLimit> raise_open_file_limit();

// How many an engine of this configuration may need: connections, the store, and 200 for the rest.
std::uint64_t open_files_wanted(const Config& config);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tidewatch {

struct StoreOptions;

// How many files a store of these options may have open at most: its readers keep partitions open,
// each of them two files with a log and shared memory.
std::uint64_t store_files_max(const StoreOptions& options);

}  // namespace tidewatch

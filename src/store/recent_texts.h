// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// Calls `visit` with the text of every post stored since `stored_since`, oldest first, without the
// empty ones, until it returns false. Returns how many it was called with. The time is that of
// storing, known for blocks of 4,096 posts: of the first block some may be older.
// Reads the posts of a data folder without claiming the folder, so an engine may have it open: it
// is neither slowed (reads are short, in batches) nor written to; a partition that it removes
// meanwhile is passed over. A folder of another schema is kFailedPrecondition; no file kNotFound;
// one that cannot be read kPermissionDenied or kDataLoss.
Result<std::uint64_t> read_recent_texts(const std::filesystem::path& dir, EventTime stored_since,
                                        const std::function<bool(std::string_view)>& visit);

}  // namespace tidewatch

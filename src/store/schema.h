// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/result.h"
#include "store/sqlite.h"

namespace tidewatch {

inline constexpr std::int64_t kPostsSchemaVersion = 3;
inline constexpr std::int64_t kSearchSchemaVersion = 2;

inline std::filesystem::path posts_path(const std::filesystem::path& dir) {
  return dir / "posts.db";
}
// The index of schema 1 and 2, which is made anew.
inline std::filesystem::path old_search_path(const std::filesystem::path& dir) {
  return dir / "search.db";
}

// The tables of a partition's posts (partition.h).
extern const char* const kPartitionTables;

// Opens posts.db for writing, makes its tables when it is new and brings those of an older version
// up to this one; posts of version 2 and older stay where they are, for move_old_posts().
// kFailedPrecondition when a newer version of Tidewatch wrote it, kPermissionDenied when it cannot
// be written.
Result<std::unique_ptr<Database>> open_posts_db(const std::filesystem::path& dir,
                                                const std::string& vfs);

// A number kept in the table `meta` of either file; nothing when it was never set.
Result<std::optional<std::int64_t>> get_meta(Database& db, std::string_view name);
Status set_meta(Database& db, std::string_view name, std::int64_t value);

// Gives some free pages (at most 4 MiB) back to the disk when at least `free_pages_min` and a
// quarter of the file are free; less is left for what comes next. False: there was nothing to do.
Result<bool> release_free_pages(Database& db, std::int64_t free_pages_min = 16'384);

// Pages that hold something, in bytes.
Result<std::uint64_t> bytes_used(Database& db);

}  // namespace tidewatch

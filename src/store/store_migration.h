// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/result.h"
#include "store/data_dir.h"
#include "store/sqlite.h"

namespace tidewatch {

struct OldPostsMove {
  Database& catalog;  // posts.db, open for writing
  const DataDir& dir;
  std::string vfs;
  std::int64_t store_id = 0;
  std::int64_t partition_posts_max = 0;
  std::uint64_t partition_bytes_max = 0;
  std::function<void(const std::string&)> say;  // may be empty
};

// Whether posts.db still holds posts itself, as it did up to schema 2.
Result<bool> has_old_posts(Database& catalog);

// Moves them into partitions, the oldest first; posts.db gets smaller as they leave, so that the
// disk needs room for one partition more, not for all posts twice. A partition is written and on
// disk before posts.db says that it is there, and only then its posts are removed from posts.db:
// cut short anywhere (kill, power, full disk), nothing is lost, and the next call goes on. The
// caller has removed files of partitions that posts.db does not know.
Status move_old_posts(const OldPostsMove& move);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "store/recent_texts.h"

#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "store/block_map.h"
#include "store/partition.h"
#include "store/post_rows.h"
#include "store/schema.h"
#include "store/sqlite.h"

namespace tidewatch {
namespace {

constexpr std::int64_t kBatchPosts = 1'024;

Result<std::unique_ptr<Database>> open_to_read(const std::filesystem::path& dir) {
  const std::filesystem::path file = posts_path(dir);
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    return Error{Code::kNotFound,
                 file.string() + ": no such file; name the engine's data folder with --data-dir"};
  }
  const sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
  TRY_ASSIGN(auto db, Database::open(file, Database::Mode::kReadOnly, vfs->zName));
  TRY_ASSIGN(const auto version, get_meta(*db, "schema_version"));
  const std::int64_t schema = version.value_or(0);
  if (schema != kPostsSchemaVersion) {
    const char* const remedy = schema < kPostsSchemaVersion
                                   ? "start this version's engine once on this folder: it brings "
                                     "the folder up to date"
                                   : "use the Tidewatch that wrote it";
    return Error{Code::kFailedPrecondition, file.string() + ": of schema " +
                                                std::to_string(schema) + ", this Tidewatch reads " +
                                                std::to_string(kPostsSchemaVersion) + "; " +
                                                remedy};
  }
  return db;
}

// Reads one partition. False: `visit` has had enough.
Result<bool> read_partition(Database& posts, EventTime stored_since,
                            const std::function<bool(std::string_view)>& visit,
                            std::uint64_t& visited) {
  TRY_ASSIGN(Statement first_block,
             posts.prepare("SELECT min(block) FROM post_blocks WHERE stored_at >= ?1"));
  first_block.bind(1, to_millis(stored_since));
  TRY_ASSIGN(const auto block, first_block.number());
  if (!block) return true;
  std::int64_t next = *block * kBlockPosts;
  TRY_ASSIGN(Statement select, posts.prepare("SELECT sequence, text FROM posts"
                                             " WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2"));
  std::vector<std::string> batch;
  for (bool more = true; more;) {
    batch.clear();
    std::int64_t rows = 0;
    {
      // Visited only once the read is over: a long one would keep the engine's log from starting
      // anew.
      const ResetGuard guard(select);
      select.bind(1, next);
      select.bind(2, kBatchPosts);
      while (true) {
        TRY_ASSIGN(const bool post, select.step());
        if (!post) break;
        ++rows;
        next = select.column_int(0) + 1;
        const std::string_view text = select.column_text(1);
        if (!text.empty()) batch.emplace_back(text);
      }
    }
    for (const std::string& text : batch) {
      ++visited;
      if (!visit(text)) return false;
    }
    more = rows == kBatchPosts;
  }
  return true;
}

}  // namespace

Result<std::uint64_t> read_recent_texts(const std::filesystem::path& dir, EventTime stored_since,
                                        const std::function<bool(std::string_view)>& visit) {
  TRY_ASSIGN(const std::unique_ptr<Database> catalog, open_to_read(dir));
  PartitionMap partitions;
  TRY(partitions.load(*catalog));
  const auto list = partitions.list();
  std::uint64_t visited = 0;
  for (const Partition& partition : *list) {
    if (!partition.is_open() && partition.stored_until < to_millis(stored_since)) continue;
    const std::filesystem::path path = partition_posts_path(dir, partition.number);
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    TRY_ASSIGN(const auto posts,
               Database::open(path, Database::Mode::kReadOnly, sqlite3_vfs_find(nullptr)->zName));
    TRY_ASSIGN(const bool more, read_partition(*posts, stored_since, visit, visited));
    if (!more) break;
  }
  return visited;
}

}  // namespace tidewatch

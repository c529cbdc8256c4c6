// SPDX-License-Identifier: Apache-2.0
#include "store/index_compaction.h"

#include <algorithm>
#include <string>

#include "store/schema.h"

namespace tidewatch {
namespace {

constexpr int kPagesPerStep = 256;

}  // namespace

Result<std::unique_ptr<IndexCompaction>> IndexCompaction::open(const IndexPlace& place,
                                                               std::int64_t number) {
  TRY_ASSIGN(auto search, open_partition_search(place, number));
  TRY(search->exec("PRAGMA wal_autocheckpoint=4096"));
  return std::unique_ptr<IndexCompaction>(new IndexCompaction(std::move(search)));
}

Result<IndexCompaction::Step> IndexCompaction::step() {
  const std::string table{kSearchTable};
  // The first with a negative number: it makes one merge of all segments; the others go on with it.
  const int pages = begun_ ? kPagesPerStep : -kPagesPerStep;
  begun_ = true;
  sqlite3* const handle = search_->handle();
  int written = 0;
  int highest = 0;
  sqlite3_db_status(handle, SQLITE_DBSTATUS_CACHE_WRITE, &written, &highest, 1);
  const std::int64_t before = sqlite3_total_changes64(handle);
  TRY(search_->exec("INSERT INTO " + table + "(" + table + ", rank) VALUES('merge', " +
                    std::to_string(pages) + ")"));
  // As SQLite's documentation has it: fewer than two changes, nothing was left to merge.
  const bool more = sqlite3_total_changes64(handle) - before >= 2;
  sqlite3_db_status(handle, SQLITE_DBSTATUS_CACHE_WRITE, &written, &highest, 0);
  return Step{more, static_cast<std::uint64_t>(std::max(written, 0)) * 4'096};
}

Result<std::uint64_t> IndexCompaction::finish() {
  TRY(search_->exec("PRAGMA incremental_vacuum"));
  sqlite3_busy_timeout(search_->handle(), 0);
  // Readers may keep it from ending the log; then the next start does.
  sqlite3_wal_checkpoint_v2(search_->handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr,
                            nullptr);
  return bytes_used(*search_);
}

}  // namespace tidewatch

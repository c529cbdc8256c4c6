// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <system_error>

#include "store/post_rows.h"
#include "store/schema.h"
#include "store/store_impl.h"

namespace tidewatch {
namespace {

std::uint64_t file_bytes(const std::filesystem::path& path) {
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(path, failed);
  return failed ? 0 : bytes;
}

std::uint64_t with_log(const std::filesystem::path& path) {
  return file_bytes(path) + file_bytes(path.string() + "-wal");
}

Status quick_check(Database& db) {
  TRY_ASSIGN(Statement check, db.prepare("PRAGMA quick_check(1)"));
  TRY(check.step());
  if (check.column_text(0) == "ok") return {};
  return Error{Code::kDataLoss,
               db.path().string() + ": damaged: " + std::string(check.column_text(0))};
}

// Empty: every index can be searched, or will be.
std::string given_up_text(const std::filesystem::path& dir, const PartitionMap::List& list) {
  for (const Partition& one : list) {
    if (one.index_given_up) {
      return partition_search_path(dir, one.number).string() +
             ": damaged, though it was made anew since the start; check the disk (dmesg), then "
             "start "
             "again";
    }
  }
  return {};
}

// The posts of one partition: dense, indexed by id, each id once. `last` is set to its newest.
Status check_posts(Database& posts, const Partition& partition, std::int64_t& last) {
  const std::string path = posts.path().string();
  TRY(quick_check(posts));
  TRY_ASSIGN(const auto rows, posts.number("SELECT count(*) FROM posts NOT INDEXED"));
  TRY_ASSIGN(const auto keys,
             posts.number("SELECT count(*) FROM posts INDEXED BY posts_by_id_key"));
  TRY_ASSIGN(const auto newest, posts.number("SELECT max(sequence) FROM posts"));
  TRY_ASSIGN(const auto oldest, posts.number("SELECT min(sequence) FROM posts"));
  TRY_ASSIGN(const auto twice,
             posts.number("SELECT b.sequence FROM posts a CROSS JOIN posts b ON a.id_key=b.id_key"
                          " AND a.sequence<b.sequence AND a.id=b.id LIMIT 1"));
  last = newest.value_or(partition.first - 1);
  const std::int64_t span = last - partition.first + 1;
  const bool dense = oldest.value_or(partition.first) == partition.first;
  const bool ends = partition.is_open() || last == partition.last;
  if (rows != keys || rows.value_or(0) != span || !dense || !ends) {
    return Error{Code::kDataLoss, path + ": " + std::to_string(rows.value_or(0)) + " posts, " +
                                      std::to_string(keys.value_or(0)) + " index entries, " +
                                      std::to_string(span) + " sequences"};
  }
  if (twice) {
    return Error{Code::kDataLoss, path + ": post " + std::to_string(*twice) + " is there twice"};
  }
  return {};
}

// No id of `posts` is in one of the older partitions.
Status check_ids(Database& posts, const PartitionMap::List& older, OldIds& old_ids) {
  TRY_ASSIGN(Statement select, posts.prepare("SELECT id_key, id, sequence FROM posts"));
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return {};
    TRY_ASSIGN(const auto known, old_ids.find(older, select.column_int(0), select.column_text(1)));
    if (!known) continue;
    return Error{Code::kDataLoss, posts.path().string() + ": post " +
                                      std::to_string(select.column_int(2)) + " is there twice"};
  }
}

}  // namespace

StoreStats Store::stats() const {
  const Impl& store = *impl_;
  StoreStats stats;
  const std::int64_t first = store.log->first();
  const std::int64_t last = store.log->last();
  if (last >= first) {
    stats.posts = static_cast<std::uint64_t>(last - first + 1);
    stats.first = {static_cast<std::uint64_t>(first)};
    stats.last = {static_cast<std::uint64_t>(last)};
  }
  if (const auto bounds = store.blocks.time_bounds()) {
    stats.oldest = from_millis(bounds->first);
    stats.newest = from_millis(bounds->second);
  }
  const std::filesystem::path& dir = store.dir.path();
  stats.bytes = with_log(posts_path(dir));
  const auto list = store.partitions.list();
  for (const Partition& one : *list) {
    stats.bytes += with_log(partition_posts_path(dir, one.number));
    stats.bytes += with_log(partition_search_path(dir, one.number));
    stats.partitions_compacted += one.compacted ? 1 : 0;
  }
  stats.partitions = list->size();
  stats.bytes_used = store.used();
  stats.bytes_max = store.options.bytes_max;
  stats.commits = store.commits.load();
  stats.fsyncs_by_file = store.vfs.syncs();
  for (const auto& [file, syncs] : stats.fsyncs_by_file) {
    if (file.starts_with("posts-") && file.ends_with("-wal")) stats.fsyncs += syncs;
  }
  stats.index_lag_posts = static_cast<std::uint64_t>(store.index_lag());
  stats.index_behind = stats.index_lag_posts > store.options.index_lag_max;
  stats.posts_expired = store.posts_expired.load();
  stats.partitions_removed_by_age = store.removed_by_age.load();
  stats.partitions_removed_by_size = store.removed_by_size.load();
  stats.bytes_compacted = store.bytes_compacted.load();
  stats.over_budget = store.over_budget.load();
  stats.outbox_messages = static_cast<std::uint64_t>(store.outbox_waiting.load());
  const MutexLock lock(store.thread_mu);
  stats.index_error = store.index_error.empty() ? store.compaction_error : store.index_error;
  if (stats.index_error.empty()) stats.index_error = given_up_text(dir, *list);
  stats.maintenance_error = store.maintenance_error;
  return stats;
}

Status Store::check() {
  auto reader = impl_->readers->acquire(std::chrono::milliseconds{0});
  TRY(quick_check(reader->catalog()));
  const auto list = impl_->partitions.list();
  OldIds old_ids(impl_->dir.path(), impl_->vfs.name());
  PartitionMap::List older;
  std::int64_t last = 0;
  for (const Partition& partition : *list) {
    if (!older.empty() && partition.first != older.back().last + 1) {
      return Error{Code::kDataLoss, posts_path(impl_->dir.path()).string() + ": partition " +
                                        std::to_string(partition.number) + " begins with post " +
                                        std::to_string(partition.first) + ", not after post " +
                                        std::to_string(older.back().last)};
    }
    TRY_ASSIGN(PartitionReader* const files, reader->partition(partition.number));
    TRY_ASSIGN(const Transaction snapshot,
               Transaction::begin(*files->posts, Transaction::Kind::kRead));
    TRY(check_posts(*files->posts, partition, last));
    TRY(check_ids(*files->posts, older, old_ids));
    if (partition.indexed_until >= partition.first) {
      TRY(reader->open_search(*files, partition.index_made));
      TRY(quick_check(*files->search));
    }
    older.push_back(partition);
  }
  return {};
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "store/store_migration.h"

#include <algorithm>

#include "store/block_map.h"
#include "store/partition.h"
#include "store/schema.h"

namespace tidewatch {
namespace {

constexpr std::int64_t kStepPosts = 16'384;  // one transaction

// One after the other, so that each is a small change.
class OldPosts {
 public:
  explicit OldPosts(const OldPostsMove& move) : move_(move) {}

  Status run() {
    while (true) {
      TRY_ASSIGN(const auto moved_to, move_.catalog.number("SELECT max(last) FROM partitions"));
      TRY(remove_until(moved_to.value_or(0)));
      TRY_ASSIGN(const auto first, move_.catalog.number("SELECT min(sequence) FROM posts"));
      if (!first) break;
      TRY(move_partition(*first));
    }
    TRY_ASSIGN(Transaction transaction,
               Transaction::begin(move_.catalog, Transaction::Kind::kWrite));
    TRY(move_.catalog.exec("DROP TABLE posts; DROP TABLE post_blocks"));
    TRY(transaction.commit());
    TRY(move_.catalog.exec("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)"));
    remove_database_files(old_search_path(move_.dir.path()));
    return {};
  }

 private:
  // What a partition holds already.
  Status remove_until(std::int64_t last) {
    while (true) {
      TRY_ASSIGN(Transaction transaction,
                 Transaction::begin(move_.catalog, Transaction::Kind::kWrite));
      TRY_ASSIGN(Statement remove,
                 move_.catalog.prepare("DELETE FROM posts WHERE sequence IN (SELECT sequence FROM"
                                       " posts WHERE sequence<=?1 ORDER BY sequence LIMIT ?2)"));
      remove.bind(1, last);
      remove.bind(2, kStepPosts);
      TRY(remove.run());
      const int removed = sqlite3_changes(move_.catalog.handle());
      TRY(transaction.commit());
      if (removed == 0) return {};
      TRY(move_.catalog.exec("PRAGMA incremental_vacuum"));
    }
  }

  Status move_partition(std::int64_t first) {
    TRY_ASSIGN(const auto newest,
               move_.catalog.number("SELECT coalesce(max(partition), 0) FROM partitions"));
    Partition partition;
    partition.number = newest.value_or(0) + 1;
    partition.first = first;
    remove_partition_files(move_.dir.path(), partition.number);
    {
      TRY_ASSIGN(const auto db, open_partition_posts(move_.dir.path(), partition.number,
                                                     move_.store_id, move_.vfs));
      TRY(copy(*db, partition));
      TRY(db->exec("PRAGMA main.wal_checkpoint(TRUNCATE)"));
    }
    TRY(move_.dir.sync());
    TRY_ASSIGN(Transaction transaction,
               Transaction::begin(move_.catalog, Transaction::Kind::kWrite));
    TRY(write_partition(move_.catalog, partition));
    TRY(transaction.commit());
    if (move_.say) {
      move_.say("moved posts " + std::to_string(partition.first) + " to " +
                std::to_string(partition.last) + " into partition " +
                std::to_string(partition.number));
    }
    return {};
  }

  Status copy(Database& db, Partition& partition) {
    TRY_ASSIGN(Statement attach, db.prepare("ATTACH ?1 AS old"));
    const std::string from = posts_path(move_.dir.path()).string();
    attach.bind(1, std::string_view{from});
    TRY(attach.run());
    std::int64_t next = partition.first;
    const std::int64_t end = partition.first + std::max<std::int64_t>(move_.partition_posts_max, 1);
    while (next < end) {
      const std::int64_t step_end = std::min(next + kStepPosts, end);
      TRY_ASSIGN(Transaction transaction, Transaction::begin(db, Transaction::Kind::kWrite));
      TRY_ASSIGN(Statement insert,
                 db.prepare("INSERT INTO main.posts SELECT * FROM old.posts"
                            " WHERE sequence>=?1 AND sequence<?2 ORDER BY sequence"));
      insert.bind(1, next);
      insert.bind(2, step_end);
      TRY(insert.run());
      const int copied = sqlite3_changes(db.handle());
      TRY(transaction.commit());
      if (copied == 0) break;
      next = step_end;
      TRY(db.exec("PRAGMA main.wal_checkpoint(PASSIVE)"));
      TRY_ASSIGN(const std::uint64_t bytes, bytes_used(db));
      if (bytes >= move_.partition_bytes_max) break;
    }
    TRY_ASSIGN(const auto last, db.number("SELECT max(sequence) FROM main.posts"));
    partition.last = last.value_or(partition.first);
    return copy_blocks(db, partition);
  }

  static Status copy_blocks(Database& db, Partition& partition) {
    TRY_ASSIGN(Statement insert, db.prepare("INSERT INTO main.post_blocks SELECT * FROM"
                                            " old.post_blocks WHERE block>=?1 AND block<=?2"));
    insert.bind(1, block_of(partition.first));
    insert.bind(2, block_of(partition.last));
    TRY(insert.run());
    TRY_ASSIGN(const auto from, db.number("SELECT min(stored_at) FROM main.post_blocks"));
    TRY_ASSIGN(const auto until, db.number("SELECT max(stored_at) FROM main.post_blocks"));
    partition.opened_at = from.value_or(0);
    partition.stored_until = until.value_or(0);
    return {};
  }

  const OldPostsMove& move_;
};

}  // namespace

Result<bool> has_old_posts(Database& catalog) {
  TRY_ASSIGN(const auto table,
             catalog.number("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='posts'"));
  return table.has_value();
}

Status move_old_posts(const OldPostsMove& move) {
  if (move.say) {
    move.say(
        "posts.db holds posts as older versions kept them: moving them into partitions; this"
        " takes about 20 seconds a million, and may be interrupted");
  }
  return OldPosts(move).run();
}

}  // namespace tidewatch

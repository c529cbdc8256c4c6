// SPDX-License-Identifier: Apache-2.0
#include "store/partition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <system_error>

#include "store/schema.h"

namespace tidewatch {
namespace {

// As posts.db; without auto_vacuum, since nothing is ever removed from a partition.
constexpr const char* kPragmas =
    "PRAGMA page_size=4096;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA secure_delete=OFF;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA wal_autocheckpoint=0;"
    "PRAGMA cache_size=-65536;";

constexpr std::size_t kDigits = 6;  // more when it takes more

std::filesystem::path numbered(const std::filesystem::path& dir, const char* kind,
                               std::int64_t number) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "%s-%06lld.db", kind, static_cast<long long>(number));
  return dir / name.data();
}

Status make_tables(Database& db, std::int64_t number, std::int64_t store_id) {
  TRY_ASSIGN(Transaction transaction, Transaction::begin(db, Transaction::Kind::kWrite));
  TRY(db.exec(kPartitionTables));
  TRY(set_meta(db, "store_id", store_id));
  TRY(set_meta(db, "partition", number));
  return transaction.commit();
}

}  // namespace

std::filesystem::path partition_posts_path(const std::filesystem::path& dir, std::int64_t number) {
  return numbered(dir, "posts", number);
}

std::filesystem::path partition_search_path(const std::filesystem::path& dir, std::int64_t number) {
  return numbered(dir, "search", number);
}

std::optional<std::int64_t> partition_of_file(const std::string& file_name) {
  std::string_view rest{file_name};
  if (rest.starts_with("posts-")) {
    rest.remove_prefix(6);
  } else if (rest.starts_with("search-")) {
    rest.remove_prefix(7);
  } else {
    return std::nullopt;
  }
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  const auto digits = static_cast<std::size_t>(end - rest.data());
  if (code != std::errc{} || digits < kDigits || number < 1) return std::nullopt;
  rest.remove_prefix(digits);
  if (rest != ".db" && rest != ".db-wal" && rest != ".db-shm") return std::nullopt;
  return number;
}

void remove_database_files(const std::filesystem::path& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code ignored;  // what cannot be removed fails again, and clearly, when opened
    std::filesystem::remove(path.string() + suffix, ignored);
  }
}

void remove_partition_files(const std::filesystem::path& dir, std::int64_t number) {
  remove_database_files(partition_posts_path(dir, number));
  remove_database_files(partition_search_path(dir, number));
}

Result<std::unique_ptr<Database>> open_partition_posts(const std::filesystem::path& dir,
                                                       std::int64_t number, std::int64_t store_id,
                                                       const std::string& vfs) {
  TRY_ASSIGN(std::unique_ptr<Database> db,
             Database::open(partition_posts_path(dir, number), Database::Mode::kReadWrite, vfs));
  TRY(db->exec(kPragmas));
  TRY_ASSIGN(const auto tables, db->number("SELECT count(*) FROM sqlite_schema"));
  if (tables.value_or(0) == 0) TRY(make_tables(*db, number, store_id));
  TRY_ASSIGN(const auto its_store, get_meta(*db, "store_id"));
  TRY_ASSIGN(const auto its_number, get_meta(*db, "partition"));
  if (its_store != store_id || its_number != number) {
    return Error{Code::kDataLoss, db->path().string() +
                                      ": belongs to another store; restore the files of a data "
                                      "folder together, from one backup"};
  }
  return db;
}

Status PartitionMap::load(Database& catalog) {
  TRY_ASSIGN(Statement select,
             catalog.prepare("SELECT partition, first, last, opened_at, stored_until, compacted"
                             " FROM partitions ORDER BY partition"));
  auto list = std::make_shared<List>();
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) break;
    Partition partition;
    partition.number = select.column_int(0);
    partition.first = select.column_int(1);
    if (!select.column_is_null(2)) partition.last = select.column_int(2);
    partition.opened_at = select.column_int(3);
    partition.stored_until = select.column_int(4);
    partition.compacted = select.column_int(5) != 0;
    partition.indexed_until = partition.first - 1;
    list->push_back(std::move(partition));
  }
  const MutexLock lock(mu_);
  list_ = std::move(list);
  return {};
}

std::shared_ptr<const PartitionMap::List> PartitionMap::list() const {
  const MutexLock lock(mu_);
  return list_;
}

std::optional<Partition> PartitionMap::find(std::int64_t number) const {
  for (const Partition& partition : *list()) {
    if (partition.number == number) return partition;
  }
  return std::nullopt;
}

std::optional<Partition> PartitionMap::holding(std::int64_t sequence) const {
  for (const Partition& partition : *list()) {
    if (partition.first <= sequence && sequence <= partition.last) return partition;
  }
  return std::nullopt;
}

std::int64_t PartitionMap::newest_number() const {
  const auto now = list();
  return now->empty() ? 0 : now->back().number;
}

void PartitionMap::add(Partition partition) {
  const MutexLock lock(mu_);
  auto changed = std::make_shared<List>(*list_);
  changed->push_back(std::move(partition));
  list_ = std::move(changed);
}

void PartitionMap::remove(std::int64_t number) {
  const MutexLock lock(mu_);
  auto changed = std::make_shared<List>(*list_);
  std::erase_if(*changed, [&](const Partition& one) { return one.number == number; });
  list_ = std::move(changed);
}

void PartitionMap::change(std::int64_t number, const std::function<void(Partition&)>& how) {
  const MutexLock lock(mu_);
  auto changed = std::make_shared<List>(*list_);
  for (Partition& partition : *changed) {
    if (partition.number == number) how(partition);
  }
  list_ = std::move(changed);
}

Status write_partition(Database& catalog, const Partition& partition) {
  TRY_ASSIGN(Statement insert,
             catalog.prepare("INSERT OR REPLACE INTO partitions(partition, first, last, opened_at,"
                             " stored_until, compacted) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
  insert.bind(1, partition.number);
  insert.bind(2, partition.first);
  partition.is_open() ? insert.bind_null(3) : insert.bind(3, partition.last);
  insert.bind(4, partition.opened_at);
  insert.bind(5, partition.stored_until);
  insert.bind(6, std::int64_t{partition.compacted});
  return insert.run();
}

Status write_compacted(Database& catalog, std::int64_t number, bool compacted) {
  TRY_ASSIGN(Statement update,
             catalog.prepare("UPDATE partitions SET compacted=?2 WHERE partition=?1"));
  update.bind(1, number);
  update.bind(2, std::int64_t{compacted});
  return update.run();
}

Status forget_partition(Database& catalog, std::int64_t number) {
  TRY_ASSIGN(Statement remove, catalog.prepare("DELETE FROM partitions WHERE partition=?1"));
  remove.bind(1, number);
  return remove.run();
}

}  // namespace tidewatch

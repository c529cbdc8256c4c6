// SPDX-License-Identifier: Apache-2.0
#include "store/reader.h"

#include <algorithm>

#include "store/open_files.h"
#include "store/partition.h"
#include "store/post_rows.h"
#include "store/schema.h"
#include "store/search_index.h"
#include "store/search_tokenizer.h"
#include "store/store.h"

namespace tidewatch {
namespace {

constexpr int kCatalogCacheKib = 4'096;
constexpr int kPostsCacheKib = 512;
constexpr int kSearchCacheKib = 1'024;

constexpr std::uint64_t kFilesOfADatabase = 3;    // itself, its log, the log's shared memory
constexpr std::uint64_t kFilesOfTheWriters = 48;  // writer, indexers, maintenance, compaction

}  // namespace

std::uint64_t store_files_max(const StoreOptions& options) {
  const std::uint64_t databases = 1 + 2 * Reader::kPartitionsOpenMax;  // posts.db, and the pairs
  return options.readers * databases * kFilesOfADatabase + kFilesOfTheWriters;
}

Result<std::unique_ptr<Reader>> Reader::open(const std::filesystem::path& dir,
                                             const std::string& vfs, const Clock& clock) {
  std::unique_ptr<Reader> reader(new Reader(dir, vfs, clock));
  TRY_ASSIGN(reader->catalog_, reader->connect(posts_path(dir), kCatalogCacheKib));
  return reader;
}

Result<std::unique_ptr<Database>> Reader::connect(const std::filesystem::path& path,
                                                  int cache_kib) {
  TRY_ASSIGN(auto db, Database::open(path, Database::Mode::kReadOnly, vfs_));
  TRY(db->exec("PRAGMA temp_store=MEMORY; PRAGMA cache_size=-" + std::to_string(cache_kib)));
  db->set_expired([this] { return expired(); });
  return db;
}

void Reader::start(std::chrono::milliseconds time_max) {
  time_max_ = time_max;
  deadline_ = time_max.count() == 0 ? SteadyTime::max() : clock_.steady_now() + time_max;
}

bool Reader::expired() const {
  return deadline_ != SteadyTime::max() && clock_.steady_now() > deadline_;
}

bool Reader::spent(int percent) const {
  return deadline_ != SteadyTime::max() &&
         clock_.steady_now() > deadline_ - time_max_ * (100 - percent) / 100;
}

Result<PartitionReader*> Reader::partition(std::int64_t number) {
  const auto known = std::find_if(partitions_.begin(), partitions_.end(),
                                  [&](const auto& one) { return one->number == number; });
  if (known != partitions_.end()) {
    std::rotate(known, known + 1, partitions_.end());
    return partitions_.back().get();
  }
  auto opened = std::make_unique<PartitionReader>();
  opened->number = number;
  TRY_ASSIGN(opened->posts, connect(partition_posts_path(dir_, number), kPostsCacheKib));
  const std::string select = "SELECT " + std::string(kPostColumns) + " FROM posts WHERE ";
  Database& posts = *opened->posts;
  TRY_ASSIGN(opened->by_sequence, posts.prepare(select + "sequence=?1"));
  TRY_ASSIGN(opened->by_id, posts.prepare(select + "id_key=?1 AND id=?2"));
  TRY_ASSIGN(opened->descending,
             posts.prepare(select + "sequence>=?1 AND sequence<?2 ORDER BY sequence DESC"));
  TRY_ASSIGN(opened->ascending,
             posts.prepare(select + "sequence>=?1 AND sequence<?2 ORDER BY sequence LIMIT ?3"));
  if (partitions_.size() >= kPartitionsOpenMax) partitions_.erase(partitions_.begin());
  partitions_.push_back(std::move(opened));
  return partitions_.back().get();
}

Status Reader::open_search(PartitionReader& partition, std::uint32_t index_made) {
  if (partition.search != nullptr && partition.index_made == index_made) return {};
  partition.hits = Statement{};
  partition.search.reset();
  TRY_ASSIGN(auto search, connect(partition_search_path(dir_, partition.number), kSearchCacheKib));
  TRY(check_index_tables(*search));
  TRY(register_search_tokenizer(*search));
  const std::string table{kSearchTable};
  TRY_ASSIGN(
      partition.hits,
      prepare_on_index(*search, "SELECT rowid FROM " + table + " WHERE " + table +
                                    " MATCH ?1 AND rowid>=?2 AND rowid<?3 ORDER BY rowid DESC"));
  partition.search = std::move(search);
  partition.index_made = index_made;
  return {};
}

void Reader::forget_until(std::int64_t number) {
  std::erase_if(partitions_, [&](const auto& one) { return one->number <= number; });
}

Result<std::unique_ptr<ReaderPool>> ReaderPool::open(const std::filesystem::path& dir,
                                                     const std::string& vfs, const Clock& clock,
                                                     std::size_t readers) {
  auto pool = std::make_unique<ReaderPool>();
  for (std::size_t i = 0; i < std::max<std::size_t>(readers, 1); ++i) {
    TRY_ASSIGN(std::unique_ptr<Reader> reader, Reader::open(dir, vfs, clock));
    pool->give_back(std::move(reader));
  }
  return pool;
}

ReaderPool::Lease ReaderPool::acquire(std::chrono::milliseconds time_max) {
  std::unique_ptr<Reader> reader;
  {
    const MutexLock lock(mu_);
    while (idle_.empty()) returned_.wait(mu_);
    reader = std::move(idle_.back());
    idle_.pop_back();
  }
  reader->start(time_max);
  return Lease(*this, std::move(reader));
}

void ReaderPool::forget_until(std::int64_t number) {
  const MutexLock lock(mu_);
  removed_until_ = std::max(removed_until_, number);
  for (const auto& reader : idle_) reader->forget_until(number);
}

void ReaderPool::give_back(std::unique_ptr<Reader> reader) {
  {
    const MutexLock lock(mu_);
    reader->forget_until(removed_until_);
    idle_.push_back(std::move(reader));
  }
  returned_.notify_one();
}

}  // namespace tidewatch

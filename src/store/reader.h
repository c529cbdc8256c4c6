// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "store/sqlite.h"

namespace tidewatch {

// Read-only connections to the files of one partition.
struct PartitionReader {
  std::int64_t number = 0;
  std::unique_ptr<Database> posts;
  std::unique_ptr<Database> search;  // null until Reader::open_search()
  std::uint32_t index_made = 0;      // Partition::index_made when `search` was opened
  Statement by_sequence;             // kPostColumns, sequence = ?1
  Statement by_id;                   // kPostColumns, id_key = ?1 and id = ?2
  Statement descending;              // kPostColumns, sequence in [?1, ?2)
  Statement ascending;               // the same, at most ?3
  Statement hits;                    // rowid, MATCH ?1, in [?2, ?3), newest first
};

// Connections for one query at a time: to posts.db, and to the partitions that were last read (the
// others are opened anew: about half a millisecond).
class Reader {
 public:
  static constexpr std::size_t kPartitionsOpenMax = 24;

  static Result<std::unique_ptr<Reader>> open(const std::filesystem::path& dir,
                                              const std::string& vfs, const Clock& clock);
  // From here on statements are interrupted once `time_max` has passed; 0: never.
  void start(std::chrono::milliseconds time_max);
  bool expired() const;
  // Whether so much of the time is gone.
  bool spent(int percent) const;

  Database& catalog() { return *catalog_; }  // posts.db
  // Good until the next call. kUnavailable: it is not there (any more).
  Result<PartitionReader*> partition(std::int64_t number);
  // Opens the index of a partition, which must be there; anew if it was made anew (`index_made`,
  // see Partition) since it was opened.
  Status open_search(PartitionReader& partition, std::uint32_t index_made);
  // Lets go of partitions that were removed, so that their space is free.
  void forget_until(std::int64_t number);

 private:
  Reader(const std::filesystem::path& dir, std::string vfs, const Clock& clock)
      : dir_(dir), vfs_(std::move(vfs)), clock_(clock) {}
  Result<std::unique_ptr<Database>> connect(const std::filesystem::path& path, int cache_kib);

  const std::filesystem::path dir_;
  const std::string vfs_;
  const Clock& clock_;
  SteadyTime deadline_ = SteadyTime::max();
  std::chrono::milliseconds time_max_{0};
  std::unique_ptr<Database> catalog_;
  std::vector<std::unique_ptr<PartitionReader>> partitions_;  // the last used one at the end
};

// A fixed number of readers, lent one query each. Threads: acquire() may be called concurrently;
// it waits while all are lent out (each query is bounded in time, so the wait is, too).
class ReaderPool {
 public:
  class Lease {
   public:
    Lease(ReaderPool& pool, std::unique_ptr<Reader> reader)
        : pool_(&pool), reader_(std::move(reader)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (reader_ != nullptr) pool_->give_back(std::move(reader_));
    }
    Reader& operator*() { return *reader_; }
    Reader* operator->() { return reader_.get(); }

   private:
    ReaderPool* pool_;
    std::unique_ptr<Reader> reader_;
  };

  static Result<std::unique_ptr<ReaderPool>> open(const std::filesystem::path& dir,
                                                  const std::string& vfs, const Clock& clock,
                                                  std::size_t readers);
  Lease acquire(std::chrono::milliseconds time_max);
  // See Reader::forget_until(); a reader that is lent out does so when it comes back.
  void forget_until(std::int64_t number);

 private:
  void give_back(std::unique_ptr<Reader> reader);
  Mutex mu_;
  CondVar returned_;
  std::int64_t removed_until_ GUARDED_BY(mu_) = 0;
  std::vector<std::unique_ptr<Reader>> idle_ GUARDED_BY(mu_);
};

}  // namespace tidewatch

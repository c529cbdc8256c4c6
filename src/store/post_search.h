// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "store/block_map.h"
#include "store/label_sets.h"
#include "store/sqlite.h"
#include "store/stored_post.h"

namespace tidewatch {

// A pair of read-only connections, to posts.db and search.db, for one query at a time.
class Reader {
 public:
  static Result<std::unique_ptr<Reader>> open(const std::filesystem::path& dir,
                                              const std::string& vfs, const Clock& clock);
  // From here on statements are interrupted once `time_max` has passed; 0: never.
  void start(std::chrono::milliseconds time_max);
  bool expired() const;

  Database& posts() { return *posts_; }
  Database& search() { return *search_; }
  Statement& by_sequence() { return by_sequence_; }  // kPostColumns, sequence = ?1
  Statement& by_id() { return by_id_; }              // kPostColumns, id_key = ?1 and id = ?2
  Statement& descending() { return descending_; }    // kPostColumns, sequence in [?1, ?2)
  Statement& ascending() { return ascending_; }      // the same, at most ?3

 private:
  explicit Reader(const Clock& clock) : clock_(clock) {}
  const Clock& clock_;
  SteadyTime deadline_ = SteadyTime::max();
  std::unique_ptr<Database> posts_;
  std::unique_ptr<Database> search_;
  Statement by_sequence_, by_id_, descending_, ascending_;
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

 private:
  void give_back(std::unique_ptr<Reader> reader);
  Mutex mu_;
  CondVar returned_;
  std::vector<std::unique_ptr<Reader>> idle_ GUARDED_BY(mu_);
};

// Answers a PostQuery on a reader that was started. `tail_scan_posts_max`: how many of the newest
// posts are looked at one by one when the index does not have them yet.
Result<PostPage> find_posts(Reader& reader, const PostQuery& query, const LabelSets& label_sets,
                            const BlockMap& blocks, std::int64_t tail_scan_posts_max);

}  // namespace tidewatch

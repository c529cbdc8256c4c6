// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/result.h"
#include "store/label_sets.h"
#include "store/sqlite.h"

namespace tidewatch {

// What a reader needs to know of search.db, read in the reader's own transaction.
struct SearchExtent {
  std::int64_t indexed_until = 0;  // every post up to here is indexed
  std::int64_t shard_posts = 0;
  std::int64_t first_shard = 0;  // shards before it were removed
};
Result<SearchExtent> read_search_extent(Database& search);
std::string shard_table(std::int64_t shard);
inline std::int64_t shard_of(std::int64_t sequence, std::int64_t shard_posts) {
  return (sequence - 1) / shard_posts;
}

// The one writer of search.db: one FTS5 table ("shard") for every `shard_posts` sequences, so that
// a search for the newest posts opens only the newest shards, merges stay small, and retention
// drops a whole table instead of writing a deletion for every term of every post.
// Each row holds which terms occur in a post and nothing else (contentless, detail=none); phrases
// are checked against the post itself.
// Everything here can be rebuilt from posts.db: a damaged file is deleted and filled again. How far
// it got is committed with the rows, so a crash loses nothing but time.
// Ownership: `label_sets` outlives it. Threads: one at a time (the caller holds the store's index
// lock), but indexed_until() and used() may be called concurrently.
class SearchIndex {
 public:
  struct Options {
    std::filesystem::path dir;
    std::string vfs;
    std::int64_t shard_posts;
    std::int64_t last_sequence;  // an index further on than the posts is not theirs: rebuilt
  };
  static Result<std::unique_ptr<SearchIndex>> open(const Options& options,
                                                   const LabelSets& label_sets);

  // Indexes the next posts, at most `count_max`, in one transaction. Returns how many; 0: none.
  Result<std::size_t> index_some(std::size_t count_max);
  // Drops the shards all of whose posts lie before `sequence`.
  Status drop_before(std::int64_t sequence);
  Result<bool> release_free_pages();  // see schema.h

  std::int64_t indexed_until() const { return indexed_until_.load(std::memory_order_acquire); }
  std::uint64_t used() const { return bytes_used_.load(std::memory_order_relaxed); }

 private:
  explicit SearchIndex(const LabelSets& label_sets) : label_sets_(label_sets) {}
  static Result<std::unique_ptr<SearchIndex>> try_open(const Options& options,
                                                       const LabelSets& label_sets);
  Status make_tables(std::int64_t shard_posts, std::int64_t store_id);
  Status open_shard(std::int64_t shard);
  void append_document(const Statement& post, std::string& document) const;
  Status note_used();
  void fold_wal();

  const LabelSets& label_sets_;
  std::unique_ptr<Database> posts_;
  std::unique_ptr<Database> search_;
  Statement next_posts_;
  Statement insert_;
  SearchExtent extent_;
  std::int64_t open_shard_ = -1;  // the one that insert_ writes to
  int wal_pages_ = 0;
  std::atomic<std::int64_t> indexed_until_{0};
  std::atomic<std::uint64_t> bytes_used_{0};
};

}  // namespace tidewatch

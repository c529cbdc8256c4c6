// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "infer/scored_post.h"
#include "store/block_map.h"
#include "store/label_sets.h"
#include "store/partition.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace tidewatch {

// The posts of one partition, open for writing. Threads: one at a time, but wal_pages.
struct PostFile {
  static Result<std::shared_ptr<PostFile>> open(const std::filesystem::path& dir,
                                                std::int64_t number, std::int64_t store_id,
                                                const std::string& vfs);
  PostFile() = default;
  PostFile(const PostFile&) = delete;
  PostFile& operator=(const PostFile&) = delete;

  std::int64_t number = 0;
  std::atomic<int> wal_pages{0};
  std::unique_ptr<Database> db;
  std::unique_ptr<Database> checkpoint_db;  // of the maintenance thread alone
  Statement find_id, insert, upsert_block;
};

// Looks ids up in closed partitions; keeps the last few files open. Threads: one at a time.
class OldIds {
 public:
  OldIds(std::filesystem::path dir, std::string vfs) : dir_(std::move(dir)), vfs_(std::move(vfs)) {}
  // The sequence of an id, or nothing.
  Result<std::optional<std::int64_t>> find(const PartitionMap::List& partitions, std::int64_t key,
                                           std::string_view id);
  void forget(std::int64_t number);

 private:
  struct File {
    std::int64_t number = 0;
    std::unique_ptr<Database> db;
    Statement find_id;
  };
  Result<File*> file(std::int64_t number);
  const std::filesystem::path dir_;
  const std::string vfs_;
  std::vector<std::unique_ptr<File>> files_;  // the last used one at the end
};

// The posts as their one writer sees them: appended at the end of the open partition. What is
// there is always a dense range of sequences; partitions leave at its beginning as a whole.
// Ownership: what it is made with outlives it. Threads: one at a time (the caller holds the
// store's post lock), but first(), last() and count() may be called concurrently.
class PostLog {
 public:
  PostLog(OldIds old_ids, BlockMap& blocks, PartitionMap& partitions)
      : old_ids_(std::move(old_ids)), blocks_(blocks), partitions_(partitions) {}
  // Goes on in the open partition. `floor`: the largest sequence that was ever removed.
  Status load(std::shared_ptr<PostFile> file, std::int64_t floor);

  // See Store::append. `label_set`: that of the posts.
  Result<std::vector<Store::Appended>> append(std::span<ScoredPost* const> posts,
                                              const LabelSet& label_set, EventTime now);

  // Goes on in a new partition, which is in posts.db already; gives back the file of the old one.
  std::shared_ptr<PostFile> go_on_in(std::shared_ptr<PostFile> file, const Partition& partition);
  // A partition and all before it were removed.
  void removed(const Partition& partition);

  const std::shared_ptr<PostFile>& file() { return file_; }
  std::int64_t open_number() const { return file_->number; }
  std::int64_t open_first() const { return open_first_; }

  std::int64_t first() const { return floor_.load(std::memory_order_acquire) + 1; }
  std::int64_t last() const { return last_.load(std::memory_order_acquire); }
  std::uint64_t count() const { return static_cast<std::uint64_t>(last() - first() + 1); }

 private:
  Result<Store::Appended> append_one(ScoredPost& post, const LabelSet& labels,
                                     const PartitionMap::List& partitions, std::int64_t& sequence);
  Status write_blocks(const std::vector<Block>& changed);
  void note_block(std::vector<Block>& changed, std::int64_t sequence, std::int64_t time,
                  std::int64_t now);

  OldIds old_ids_;
  BlockMap& blocks_;
  PartitionMap& partitions_;
  std::shared_ptr<PostFile> file_;
  std::int64_t open_first_ = 1;
  std::string scratch_;
  std::atomic<std::int64_t> floor_{0};
  std::atomic<std::int64_t> last_{0};
};

}  // namespace tidewatch

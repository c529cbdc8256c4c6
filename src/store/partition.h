// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "core/result.h"
#include "store/id_filter.h"
#include "store/sqlite.h"

namespace tidewatch {

// Posts lie in partitions: a dense range of sequences each, with its posts in posts-NNNNNN.db and
// its full-text index in search-NNNNNN.db. One is open (written to), the others never change again
// but for the compaction of their index. posts.db says which there are.
struct Partition {
  // A disk that damages an index so often will do so again: then it is reported.
  static constexpr std::uint32_t kIndexRemakesMax = 2;
  static constexpr std::int64_t kOpenEnd = std::numeric_limits<std::int64_t>::max();
  std::int64_t number = 0;
  std::int64_t first = 0;          // sequence of its first post
  std::int64_t last = kOpenEnd;    // of its last
  std::int64_t opened_at = 0;      // wall time, ms
  std::int64_t stored_until = 0;   // wall time of its last post, ms; 0 while it is open
  bool compacted = false;          // its index is one segment
  std::int64_t indexed_until = 0;  // every post of it up to here is in its index
  bool index_failed = false;       // the last try to index it
  bool index_given_up = false;     // damaged past its remakes; for good, until the next start
  std::uint32_t index_made = 0;    // how often its index was made anew since the store was opened
  std::uint64_t posts_bytes = 0;   // pages in use
  std::uint64_t search_bytes = 0;
  std::shared_ptr<const IdFilter> ids{};  // null: ask the file

  bool is_open() const { return last == kOpenEnd; }
  bool indexed() const { return indexed_until >= last; }
  std::uint64_t bytes() const { return posts_bytes + search_bytes; }
};

std::filesystem::path partition_posts_path(const std::filesystem::path& dir, std::int64_t number);
std::filesystem::path partition_search_path(const std::filesystem::path& dir, std::int64_t number);
// The number of a file of either kind (write-ahead logs too); nothing for any other name.
std::optional<std::int64_t> partition_of_file(const std::string& file_name);
void remove_partition_files(const std::filesystem::path& dir, std::int64_t number);
void remove_database_files(const std::filesystem::path& path);  // with its log

// Opens the posts of a partition for writing and makes its tables when they are not there.
// kDataLoss: the file belongs to another store or another partition.
Result<std::unique_ptr<Database>> open_partition_posts(const std::filesystem::path& dir,
                                                       std::int64_t number, std::int64_t store_id,
                                                       const std::string& vfs);

// The partitions as they are now, oldest first. What is handed out never changes; a change makes a
// new list. Threads: every member may be called concurrently. Bound: about 200 bytes a partition,
// and 2 bytes a post for the ids.
class PartitionMap {
 public:
  using List = std::vector<Partition>;

  // Reads the table `partitions` of posts.db.
  Status load(Database& catalog);

  std::shared_ptr<const List> list() const;
  std::optional<Partition> find(std::int64_t number) const;
  // The one that holds a sequence, if any.
  std::optional<Partition> holding(std::int64_t sequence) const;
  std::int64_t newest_number() const;  // 0: there is none

  // In memory alone.
  void add(Partition partition);
  void remove(std::int64_t number);
  void change(std::int64_t number, const std::function<void(Partition&)>& how);

 private:
  mutable Mutex mu_;
  std::shared_ptr<const List> list_ GUARDED_BY(mu_) = std::make_shared<List>();
};

// On disk: rows of the table `partitions`, within the caller's transaction on posts.db.
Status write_partition(Database& catalog, const Partition& partition);
// Changes nothing when the partition was removed.
Status write_compacted(Database& catalog, std::int64_t number, bool compacted);
Status forget_partition(Database& catalog, std::int64_t number);

}  // namespace tidewatch

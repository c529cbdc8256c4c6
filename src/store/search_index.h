// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "store/label_sets.h"
#include "store/partition.h"
#include "store/sqlite.h"

namespace tidewatch {

// The one FTS5 table of a partition's search-NNNNNN.db. A row holds which terms occur in a post and
// nothing else (contentless, detail=none); phrases are checked against the post itself.
inline constexpr std::string_view kSearchTable = "post_terms";

struct IndexPlace {
  std::filesystem::path dir;
  std::string vfs;
  std::int64_t store_id = 0;
};

// Opens the index of a partition for writing, makes its tables when it has none. An error of which
// is_index_damage() is true: the file is damaged or of another store.
Result<std::unique_ptr<Database>> open_partition_search(const IndexPlace& place,
                                                        std::int64_t number);

// Of an error met in an index: what it holds is wrong, and only making it anew helps. A disk that
// fails or is full, a lock or a bug is none.
bool is_index_damage(const Error& error);
// What was found, for people, without SQLite's remedy (a backup): an index is made from the posts.
std::string index_damage_text(const Error& damage);

// An error of which is_index_damage() is true: tables of an index are not there, or of no format.
Status check_index_tables(Database& search);
// Prepares one of our own statements on the index's table. SQLite calls it an error of the
// statement when what the index says of itself is damaged: kDataLoss then.
Result<Statement> prepare_on_index(Database& search, std::string_view sql);

// How far an index got, read in the caller's transaction: every post up to here is in it.
Result<std::int64_t> read_indexed_until(Database& search);

// Fills the index of every partition from its posts, the newest partition first, and in each from
// its oldest post on. How far it got is committed with the rows, so a crash loses nothing but time.
// Tells the PartitionMap.
// Ownership: `label_sets` and `partitions` outlive it. Threads: one at a time (the caller holds the
// store's index lock).
class SearchIndex {
 public:
  // Told before an index is removed, which partition's and why; writes to posts.db that it is not
  // compacted any more. When that fails, nothing is removed.
  using BeforeAnew = std::function<Status(const Partition& partition, const Error& damage)>;

  SearchIndex(IndexPlace place, const LabelSets& label_sets, PartitionMap& partitions,
              BeforeAnew before_anew);
  // Finds out how far the index of each partition got; what is damaged, or further on than the
  // posts, will be made anew. `last`: the newest sequence.
  Status load(std::int64_t last);

  // Indexes the next posts of one partition, at most `count_max`, in one transaction. Returns how
  // many; 0: there are none. An index found damaged is made anew. A partition that fails is marked
  // (Partition::index_failed) and passed over for older ones; its error comes once no other is
  // behind, and the next call tries it again.
  Result<std::size_t> index_some(std::size_t count_max, std::int64_t last);
  // Replaces the index of a partition, if that is still there, by an empty one, since it holds
  // nothing of its own, and tells the PartitionMap, so that it is filled again and readers let go
  // of the old file; nothing when the damage was met in an older one than is there
  // (`index_made`: Partition's, when it was met). No other connection may write to the old one.
  // kDataLoss: it was made anew Partition::kIndexRemakesMax times already; it stays as it is and is
  // marked (index_given_up).
  Status make_anew(std::int64_t number, const Error& damage, std::uint32_t index_made);
  // Lets go of the files of a partition.
  void forget(std::int64_t number);

 private:
  Result<std::size_t> index_partition(const Partition& partition, std::size_t count_max,
                                      std::int64_t last);
  Result<std::size_t> index_or_make_anew(const Partition& partition, std::size_t count_max,
                                         std::int64_t last);
  // Keeps in mind that what failed was the index itself, when it is damaged.
  template <typename Outcome>
  Outcome of_index(Outcome done) {
    if (!done.ok() && is_index_damage(done.error())) damage_ = done.error();
    return done;
  }
  Status load_partition(const Partition& partition, std::int64_t last);
  Status go_to(const Partition& partition);
  void append_document(const Statement& post, std::string& document) const;
  Status tell(std::int64_t until);
  void fold_wal();

  const IndexPlace place_;
  const LabelSets& label_sets_;
  PartitionMap& partitions_;
  const BeforeAnew before_anew_;
  std::optional<Error> damage_;  // met in the index, not in the posts, by index_partition()
  std::int64_t number_ = 0;      // the partition whose files are open; 0: none
  std::unique_ptr<Database> posts_;
  std::unique_ptr<Database> search_;
  Statement next_posts_;
  Statement insert_;
  int wal_pages_ = 0;
  std::map<std::int64_t, Error> failures_;  // by partition, the newest last; since the last error
};

}  // namespace tidewatch

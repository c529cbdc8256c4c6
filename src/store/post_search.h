// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/result.h"
#include "store/block_map.h"
#include "store/label_sets.h"
#include "store/partition.h"
#include "store/reader.h"
#include "store/stored_post.h"

namespace tidewatch {

// What a search looks things up in. Ownership: all of it outlives the search.
struct SearchPlace {
  const LabelSets& label_sets;
  const BlockMap& blocks;
  const PartitionMap& partitions;
  // How many of the newest posts are looked at one by one when the index does not have them yet.
  std::int64_t tail_scan_posts_max;
  // Told that a search met damage in the index of a partition, as it was in its list. Any thread;
  // does not wait.
  std::function<void(const Partition& partition, const Error& damage)> damaged;
};

// Event-time ranges of a query that may hold posts, newest first. Without a time: one of all.
std::vector<SequenceRange> ranges_of(const PostQuery& query, const BlockMap& blocks);

// A partition opened for a search: read transactions on its files are open while it lives.
// Its posts lie in [first, end); those before `indexed_end` are in the index: none where the index
// turns out to be damaged, which `place` is told.
class OpenPartition {
 public:
  // kUnavailable: it was removed meanwhile.
  static Result<OpenPartition> open(Reader& reader, const SearchPlace& place,
                                    const Partition& partition, bool with_index);
  PartitionReader& files() { return *files_; }
  std::int64_t first() const { return first_; }
  std::int64_t end() const { return end_; }
  std::int64_t indexed_end() const { return indexed_end_; }

  // The next hit of a statement of the index. None, too, where that is damaged: `place` is told,
  // and damaged() is true.
  Result<bool> next_hit(const SearchPlace& place, Statement& hits);
  bool damaged() const { return damage_.has_value(); }

 private:
  OpenPartition() = default;
  static Result<OpenPartition> try_open(Reader& reader, const Partition& partition,
                                        bool with_index);
  Status open_index(Reader& reader);
  Partition partition_;
  PartitionReader* files_ = nullptr;
  std::int64_t first_ = 0;
  std::int64_t end_ = 0;
  std::int64_t indexed_end_ = 0;
  std::optional<Transaction> search_;
  std::optional<Transaction> posts_;
  std::optional<Error> damage_;
};

// Answers a PostQuery on a reader that was started.
Result<PostPage> find_posts(Reader& reader, const PostQuery& query, const SearchPlace& place);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/mutex.h"
#include "store/block_map.h"
#include "store/data_dir.h"
#include "store/label_sets.h"
#include "store/partition.h"
#include "store/post_log.h"
#include "store/post_search.h"
#include "store/reader.h"
#include "store/search_index.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "store/sync_vfs.h"

namespace tidewatch {

// A partition takes at most this part of StoreOptions::bytes_max, and of its retention.
inline constexpr std::uint64_t kPartitionsPerBudget = 16;
inline constexpr int kPartitionsPerRetention = 30;

// For work that goes on after a failure.
inline void keep_first(Status& first, Status next) {
  if (first.ok()) first = std::move(next);
}

// The inside of a Store. Opening, writing and reading are in store.cc; partitions opened, closed
// and removed in store_partitions.cc; figures and checks in store_stats.cc; the threads in
// store_background.cc.
// Locks, in the order in which they may be taken: maintain_mu (one maintenance at a time), post_mu
// (the open partition), index_mu, write_mu (posts.db), thread_mu. Members without a GUARDED_BY are
// set by load() and then constant, or safe by themselves.
struct Store::Impl {
  Impl(StoreOptions store_options, const Clock& store_clock, DataDir claimed)
      : options(std::move(store_options)),
        clock(store_clock),
        dir(std::move(claimed)),
        vfs(options.hooks) {}
  ~Impl();

  Status load();
  Status write(const std::function<Status(Database&)>& change);
  Result<std::ptrdiff_t> write_outbox(
      const std::function<Result<std::ptrdiff_t>(Database&)>& change);
  Status queue_messages(std::span<const OutboxMessage> messages,
                        const std::function<Status(Database&)>& change);
  Result<const LabelSet*> label_set(const LabelSchema& labels);
  void wake_threads(std::int64_t appended);

  // Partitions.
  Result<std::vector<StoredPost>> read_some(std::int64_t& next, std::int64_t end);
  Status load_partitions(std::int64_t floor);
  Status load_partition(const Partition& partition);
  Result<Partition> open_first_partition(std::int64_t floor);
  Status remove_stray_files(bool moving) REQUIRES(write_mu);
  std::chrono::milliseconds partition_span() const;
  bool partition_is_full() REQUIRES(post_mu);
  Status roll() REQUIRES(post_mu);
  void prepare_spare();
  Result<std::shared_ptr<PostFile>> make_spare(std::int64_t number);
  Status finish_closed() REQUIRES(maintain_mu);
  Status make_id_filter(const Partition& partition);
  Status remove_partition(const Partition& partition, bool by_age) REQUIRES(maintain_mu);
  void note_posts_used() REQUIRES(post_mu);
  void fold_wal() REQUIRES(post_mu);
  Status checkpoint();
  Result<bool> compact_one(bool paced);
  Result<std::optional<std::uint64_t>> compact_index(std::int64_t number, bool paced);
  Status before_index_anew(const Partition& partition, const Error& damage);
  struct IndexDamage {
    Error error;
    std::uint32_t index_made = 0;  // Partition::index_made of the index that it was met in
  };
  Status make_index_anew(std::int64_t number, const IndexDamage& damage);
  void note_index_damage(const Partition& partition, const Error& damage);
  Result<bool> mend_one();
  void pause(std::chrono::milliseconds duration);

  Status index_all();
  Status maintain() EXCLUDES(maintain_mu);
  Status retain_by_age() REQUIRES(maintain_mu);
  Status retain_by_size() REQUIRES(maintain_mu);
  Result<bool> remove_minutes_before(EventTime written_before);
  Status vacuum();
  void index_thread();
  void catch_up_thread();
  void maintenance_thread();
  void compaction_thread();
  bool stopping() const { return stop.load(std::memory_order_acquire); }
  void say(const std::string& what) const {
    if (options.say) options.say(what);
  }

  std::uint64_t used() const;
  std::int64_t index_lag() const;
  SearchPlace search_place() {
    return {label_sets, blocks, partitions, static_cast<std::int64_t>(options.tail_scan_posts_max),
            [this](const Partition& partition, const Error& damage) {
              note_index_damage(partition, damage);
            }};
  }

  const StoreOptions options;
  const Clock& clock;
  const DataDir dir;  // the lock goes last
  SyncVfs vfs;
  LabelSets label_sets;
  BlockMap blocks;
  PartitionMap partitions;
  std::int64_t store_id = 0;

  Mutex maintain_mu;

  Mutex post_mu;
  std::unique_ptr<PostLog> log;                           // its bounds may be read without the lock
  std::shared_ptr<PostFile> spare GUARDED_BY(post_mu);    // the next partition's, made beforehand
  std::int64_t preparing_number GUARDED_BY(post_mu) = 0;  // whose file is being made; 0: none
  std::vector<std::shared_ptr<PostFile>> retired GUARDED_BY(post_mu);  // to be closed elsewhere
  const int wal_pages_max =
      static_cast<int>(std::clamp<std::uint64_t>(options.wal_bytes_max / 4'096, 16, 1U << 24));
  std::atomic<bool> wal_nearly_folded{false};  // the background has just been through it
  int wal_pages_next_wait GUARDED_BY(post_mu) = wal_pages_max;
  std::atomic<int> wal_pages{0};
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> posts_expired{0};
  std::atomic<std::uint64_t> removed_by_age{0};
  std::atomic<std::uint64_t> removed_by_size{0};
  std::atomic<std::uint64_t> bytes_compacted{0};
  std::atomic<bool> over_budget{false};

  Mutex index_mu;
  std::unique_ptr<SearchIndex> index;

  Mutex write_mu;
  std::unique_ptr<Database> db GUARDED_BY(write_mu);  // posts.db
  std::atomic<std::uint64_t> catalog_used{0};
  std::atomic<std::int64_t> outbox_waiting{0};

  std::unique_ptr<ReaderPool> readers;

  std::atomic<bool> stop{false};
  mutable Mutex thread_mu;
  CondVar index_wake;
  CondVar catch_up_wake;  // the index is further behind than it may be
  CondVar maintenance_wake;
  CondVar compaction_wake;
  bool maintenance_due GUARDED_BY(thread_mu) = false;
  std::int64_t appended_since_retention GUARDED_BY(thread_mu) = 0;
  std::string index_error GUARDED_BY(thread_mu);
  std::string compaction_error GUARDED_BY(thread_mu);
  // What searches met, by partition, until the compactor has looked at it: one entry each.
  std::map<std::int64_t, IndexDamage> index_damages GUARDED_BY(thread_mu);
  std::string maintenance_error GUARDED_BY(thread_mu);
  std::jthread indexer;
  std::jthread catcher_up;
  std::jthread maintainer;
  std::jthread compactor;
};

}  // namespace tidewatch

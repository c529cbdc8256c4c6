// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "core/mutex.h"
#include "store/block_map.h"
#include "store/data_dir.h"
#include "store/label_sets.h"
#include "store/post_log.h"
#include "store/post_search.h"
#include "store/search_index.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "store/sync_vfs.h"

namespace tidewatch {

// The inside of a Store. Opening, writing and reading are in store.cc; what happens in the
// background (index, checkpoints, retention) is in store_background.cc.
// Locks: write_mu and index_mu are never held together; thread_mu is taken last. Members without a
// GUARDED_BY are set by load() and then constant, or safe by themselves.
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
  void after_commit() REQUIRES(write_mu);
  void fold_wal() REQUIRES(write_mu);
  void wake_threads(std::int64_t appended);

  Status index_all();
  Status retain();
  Status retain_by_age();
  Status retain_by_size();
  Result<std::uint64_t> remove_oldest_posts();
  Result<bool> remove_minutes_before(EventTime written_before);
  Status vacuum();
  Status checkpoint();
  void index_thread();
  void catch_up_thread();
  void maintenance_thread();
  bool stopping() const { return stop.load(std::memory_order_acquire); }

  std::uint64_t used() const { return posts_used.load() + index->used(); }

  const StoreOptions options;
  const Clock& clock;
  const DataDir dir;  // the lock goes last
  SyncVfs vfs;
  LabelSets label_sets;
  BlockMap blocks;

  Mutex write_mu;
  std::unique_ptr<Database> db GUARDED_BY(write_mu);
  std::unique_ptr<PostLog> log;  // its bounds may be read without the lock
  const int wal_pages_max =
      static_cast<int>(std::clamp<std::uint64_t>(options.wal_bytes_max / 4'096, 16, 1U << 24));
  std::atomic<int> wal_pages{0};
  std::atomic<bool> wal_nearly_folded{false};  // the background has just been through it
  int wal_pages_next_wait GUARDED_BY(write_mu) = wal_pages_max;
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> posts_used{0};
  std::atomic<std::uint64_t> posts_expired{0};
  std::atomic<std::int64_t> outbox_waiting{0};

  Mutex index_mu;
  std::unique_ptr<SearchIndex> index;       // writes under index_mu
  std::unique_ptr<Database> checkpoint_db;  // of the maintenance thread alone
  std::unique_ptr<ReaderPool> readers;

  std::atomic<bool> stop{false};
  mutable Mutex thread_mu;
  CondVar index_wake;
  CondVar catch_up_wake;  // the index is further behind than it may be
  CondVar maintenance_wake;
  bool maintenance_due GUARDED_BY(thread_mu) = false;
  std::int64_t appended_since_retention GUARDED_BY(thread_mu) = 0;
  std::string index_error GUARDED_BY(thread_mu);
  std::string maintenance_error GUARDED_BY(thread_mu);
  std::jthread indexer;
  std::jthread catcher_up;
  std::jthread maintainer;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>
#include <unistd.h>

#include "core/thread_name.h"
#include "store/alert_rows.h"
#include "store/minute_rows.h"
#include "store/outbox_rows.h"
#include "store/post_rows.h"
#include "store/schema.h"
#include "store/store_impl.h"

namespace tidewatch {
namespace {

constexpr auto kShortReaderWait = std::chrono::milliseconds{50};
constexpr std::size_t kIndexBatchPosts = 4'096;
constexpr std::uint64_t kRemovalPosts = 1'024;  // a write waits at most for one such removal
constexpr std::int64_t kRetentionEveryPosts = 65'536;
constexpr int kCheckpointPasses = 8;
constexpr int kPagesForTheWriter = 256;  // 1 MiB

// Background threads pace themselves in real time: this decides when they look, never what they
// find. Many small index transactions would cost more than a few large ones.
constexpr auto kIndexPace = std::chrono::milliseconds{200};
constexpr std::int64_t kIndexSoonPosts = 1'024;  // do not wait for the pace
constexpr auto kMaintenancePace = std::chrono::seconds{30};
constexpr auto kErrorPace = std::chrono::seconds{1};

std::chrono::steady_clock::time_point pace(std::chrono::milliseconds duration) {
  return std::chrono::steady_clock::now() + duration;
}

// On a full machine the indexer gets next to nothing beside ingest and inference, so that peaks
// wait in its lag; past the lag's limit a second thread, with about a quarter of what a stage gets,
// takes turns with it. (Two threads, because one may not raise its priority again.)
constexpr int kIndexerNice = 19;
constexpr int kCatchUpNice = 5;
void lower_thread_priority(int nice) {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice);
}

}  // namespace

void Store::Impl::wake_threads(std::int64_t appended) {
  if (!options.background) return;
  bool wake_maintenance = wal_pages.load(std::memory_order_relaxed) >= wal_pages_max / 4;
  {
    const MutexLock lock(thread_mu);
    appended_since_retention += appended;
    wake_maintenance = wake_maintenance || appended_since_retention >= kRetentionEveryPosts;
    if (wake_maintenance) maintenance_due = true;
  }
  if (wake_maintenance) maintenance_wake.notify_one();
  if (appended > 0) index_wake.notify_one();
  if (log->last() - index->indexed_until() > static_cast<std::int64_t>(options.index_lag_max)) {
    catch_up_wake.notify_one();
  }
}

// ---- indexing

Status Store::Impl::index_all() {
  while (!stopping()) {
    const MutexLock lock(index_mu);
    TRY_ASSIGN(const std::size_t indexed, index->index_some(kIndexBatchPosts));
    if (indexed == 0) return {};
  }
  return {};
}

void Store::Impl::catch_up_thread() {
  name_thread("index-2");
  lower_thread_priority(kCatchUpNice);
  const auto limit = static_cast<std::int64_t>(options.index_lag_max);
  const auto lag = [&] { return log->last() - index->indexed_until(); };
  while (true) {
    {
      const MutexLock lock(thread_mu);
      while (!stopping() && lag() <= limit) catch_up_wake.wait(thread_mu);
    }
    // Until half of the limit, so as not to come back for every batch.
    while (!stopping() && lag() > limit / 2) {
      bool failed = false;
      {
        const MutexLock lock(index_mu);
        failed = !index->index_some(kIndexBatchPosts).ok();
      }
      if (failed) {  // the indexer meets the same and reports it
        const MutexLock lock(thread_mu);
        catch_up_wake.wait_until(thread_mu, pace(kErrorPace));
        break;
      }
    }
    if (stopping()) return;
  }
}

void Store::Impl::index_thread() {
  name_thread("index");
  lower_thread_priority(kIndexerNice);
  while (true) {
    {
      const MutexLock lock(thread_mu);
      while (!stopping() && log->last() <= index->indexed_until()) index_wake.wait(thread_mu);
      const auto until = pace(kIndexPace);
      while (!stopping() && log->last() - index->indexed_until() < kIndexSoonPosts &&
             index_wake.wait_until(thread_mu, until)) {
      }
      if (stopping()) return;
    }
    const Status indexed = index_all();
    const MutexLock lock(thread_mu);
    index_error = indexed.ok() ? "" : indexed.error().message;
    const auto until = pace(kErrorPace);
    while (!indexed.ok() && !stopping() && index_wake.wait_until(thread_mu, until)) {
    }
  }
}

// ---- the write-ahead log of posts.db

// SQLite starts the write-ahead log over once all of it is in the file and no reader needs it. A
// background pass under constant load is always a few pages short of all; those are folded here,
// where nothing is written meanwhile. Readers that overlap without end would still let it grow, so
// from its limit on this waits for them: a moment, and at four times the limit as long as it takes.
void Store::Impl::fold_wal() {
  const int pages = wal_pages.load(std::memory_order_relaxed);
  const bool nearly_folded = wal_nearly_folded.exchange(false);
  if (pages < wal_pages_next_wait) {
    if (nearly_folded) {
      sqlite3_wal_checkpoint_v2(db->handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    }
    return;
  }
  const auto wait =
      pages < 4 * wal_pages_max ? kShortReaderWait : options.query_time_max + kShortReaderWait;
  sqlite3_busy_timeout(db->handle(), static_cast<int>(wait.count()));
  const int code =
      sqlite3_wal_checkpoint_v2(db->handle(), nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  // What holds it back now may do so for a while: not again at the very next commit.
  wal_pages_next_wait = code == SQLITE_OK ? wal_pages_max : pages + wal_pages_max / 4;
}

// While a pass runs, posts go on being written: at 25,000 a second tens of megabytes, which the
// writer would have to fold. Each further pass leaves less, until it is a moment's work.
Status Store::Impl::checkpoint() {
  for (int pass = 0; pass < kCheckpointPasses && !stopping(); ++pass) {
    int pages = 0;
    int folded = 0;
    const int code = sqlite3_wal_checkpoint_v2(checkpoint_db->handle(), nullptr,
                                               SQLITE_CHECKPOINT_PASSIVE, &pages, &folded);
    if (code != SQLITE_OK && (code & 0xFF) != SQLITE_BUSY) return checkpoint_db->error(code);
    // What the log holds beyond what this pass saw, or could not fold for a reader.
    if (wal_pages.load(std::memory_order_relaxed) - folded <= kPagesForTheWriter) break;
  }
  wal_nearly_folded.store(true);
  return {};
}

// ---- retention

Status Store::Impl::retain() {
  TRY(retain_by_age());
  TRY(retain_by_size());
  {
    const MutexLock lock(index_mu);
    TRY(index->drop_before(log->first()));
  }
  return vacuum();
}

// Removes a few of the oldest posts; lets other writers in between two calls.
Result<std::uint64_t> Store::Impl::remove_oldest_posts() {
  const MutexLock lock(write_mu);
  TRY_ASSIGN(const std::uint64_t removed, log->remove_oldest(kRemovalPosts));
  posts_expired.fetch_add(removed);
  after_commit();
  return removed;
}

Result<bool> Store::Impl::remove_minutes_before(EventTime written_before) {
  bool removed = false;
  const auto remove = [&](Database& posts_db) -> Status {
    TRY_ASSIGN(removed, remove_some_minutes(posts_db, written_before));
    return {};
  };
  TRY(write(remove));
  return removed;
}

Status Store::Impl::retain_by_age() {
  const EventTime now = clock.wall_now();
  const std::int64_t stored_before = to_millis(now - options.retention);
  while (!stopping()) {
    const auto oldest = blocks.first();
    if (!oldest || oldest->stored_at >= stored_before) break;
    TRY_ASSIGN(const std::uint64_t removed, remove_oldest_posts());
    if (removed == 0) break;
  }
  bool more = true;
  while (more && !stopping()) {
    TRY_ASSIGN(more, remove_minutes_before(now - options.retention));
  }
  const auto remove = [&](Database& posts_db) -> Status {
    TRY(remove_alerts(posts_db, now - options.alert_retention));
    return remove_messages(posts_db, now - options.retention);
  };
  return write(remove);
}

// Posts go first, the oldest first; minutes only when no posts are left. Goes a little below the
// limit, so as not to come back for every commit. The index of removed posts is freed a shard at a
// time.
Status Store::Impl::retain_by_size() {
  if (used() <= options.bytes_max) return {};
  const std::uint64_t target = options.bytes_max / 100 * 97;
  while (used() > target && !stopping()) {
    TRY_ASSIGN(const std::uint64_t removed, remove_oldest_posts());
    if (removed > 0) {
      const MutexLock lock(index_mu);
      TRY(index->drop_before(log->first()));
      continue;
    }
    TRY_ASSIGN(const bool more, remove_minutes_before(EventTime::max()));
    if (!more) break;
  }
  return {};
}

// Freed pages are used again; only when much of a file is free is it made smaller.
Status Store::Impl::vacuum() {
  bool more = true;
  while (more && !stopping()) {
    const MutexLock lock(write_mu);
    TRY_ASSIGN(more, release_free_pages(*db));
    if (more) after_commit();
  }
  for (more = true; more && !stopping();) {
    const MutexLock lock(index_mu);
    TRY_ASSIGN(more, index->release_free_pages());
  }
  return {};
}

void Store::Impl::maintenance_thread() {
  name_thread("maintain");
  while (true) {
    {
      const MutexLock lock(thread_mu);
      const auto until = pace(kMaintenancePace);
      while (!stopping() && !maintenance_due && maintenance_wake.wait_until(thread_mu, until)) {
      }
      if (stopping()) return;
      maintenance_due = false;
      appended_since_retention = 0;
    }
    Status done = checkpoint();
    if (done.ok()) done = retain();
    const MutexLock lock(thread_mu);
    maintenance_error = done.ok() ? "" : done.error().message;
  }
}

}  // namespace tidewatch

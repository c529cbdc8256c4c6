// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/thread_name.h"
#include "core/thread_priority.h"
#include "store/alert_rows.h"
#include "store/index_compaction.h"
#include "store/minute_rows.h"
#include "store/outbox_rows.h"
#include "store/post_rows.h"
#include "store/schema.h"
#include "store/store_impl.h"

namespace tidewatch {
namespace {

// One transaction of the index, and a piece of it that is merged later: larger ones when there is
// much to do, since fewer pieces cost fewer merges.
constexpr std::size_t kIndexBatchPostsMin = 4'096;
constexpr std::size_t kIndexBatchPostsMax = 32'768;
std::size_t index_batch(std::int64_t lag) {
  return std::clamp(static_cast<std::size_t>(std::max<std::int64_t>(lag, 0) / 8),
                    kIndexBatchPostsMin, kIndexBatchPostsMax);
}
constexpr std::int64_t kRetentionEveryPosts = 65'536;

// Background threads pace themselves in real time: this decides when they look, never what they
// find. Many small index transactions would cost more than a few large ones.
constexpr auto kIndexPace = std::chrono::milliseconds{200};
constexpr std::int64_t kIndexSoonPosts = 1'024;  // do not wait for the pace
constexpr auto kMaintenancePace = std::chrono::seconds{30};
constexpr auto kErrorPace = std::chrono::seconds{1};
constexpr auto kCompactionPace = std::chrono::seconds{5};
constexpr auto kCompactionPauseMax = std::chrono::seconds{2};

std::chrono::steady_clock::time_point pace(std::chrono::milliseconds duration) {
  return std::chrono::steady_clock::now() + duration;
}

// On a full machine the indexer gets next to nothing beside ingest and inference, so that peaks
// wait in its lag; past the lag's limit a second thread, with about a quarter of what a stage gets,
// takes turns with it. (Two threads, because one may not raise its priority again.)
constexpr int kIndexerNice = 19;
constexpr int kCatchUpNice = 5;

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
  if (index_lag() > static_cast<std::int64_t>(options.index_lag_max)) {
    catch_up_wake.notify_one();
  }
}

// ---- indexing

Status Store::Impl::index_all() {
  while (!stopping()) {
    const MutexLock lock(index_mu);
    TRY_ASSIGN(const std::size_t indexed, index->index_some(index_batch(index_lag()), log->last()));
    if (indexed == 0) return {};
  }
  return {};
}

void Store::Impl::catch_up_thread() {
  name_thread("index-2");
  lower_thread_priority(kCatchUpNice);
  const auto limit = static_cast<std::int64_t>(options.index_lag_max);
  const auto lag = [&] { return index_lag(); };
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
        failed = !index->index_some(index_batch(index_lag()), log->last()).ok();
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
      while (!stopping() && index_lag() <= 0) index_wake.wait(thread_mu);
      const auto until = pace(kIndexPace);
      while (!stopping() && index_lag() < kIndexSoonPosts &&
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

std::int64_t Store::Impl::index_lag() const {
  std::int64_t lag = 0;
  const std::int64_t last = log->last();
  const auto list = partitions.list();
  for (const Partition& one : *list) {
    lag += std::max<std::int64_t>(std::min(one.last, last) - one.indexed_until, 0);
  }
  return lag;
}

// ---- retention

// What makes room comes first, and a failure keeps none of the others from being tried: a full disk
// or one damaged file must not end retention. Returns the first error.
Status Store::Impl::maintain() {
  const MutexLock lock(maintain_mu);
  Status done = retain_by_age();
  keep_first(done, retain_by_size());
  {
    const MutexLock post_lock(post_mu);
    if (partition_is_full()) keep_first(done, roll());
  }
  keep_first(done, finish_closed());
  keep_first(done, vacuum());
  return done;
}

std::uint64_t Store::Impl::used() const {
  std::uint64_t bytes = catalog_used.load();
  const auto list = partitions.list();
  for (const Partition& one : *list) bytes += one.bytes();
  return bytes;
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

// Whole partitions, once the youngest post of them is old enough, indexed or not.
Status Store::Impl::retain_by_age() {
  const EventTime now = clock.wall_now();
  const std::int64_t stored_before = to_millis(now - options.retention);
  const auto list = partitions.list();
  for (const Partition& partition : *list) {
    if (stopping() || partition.is_open() || partition.stored_until >= stored_before) break;
    TRY(remove_partition(partition, /*by_age=*/true));
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

// Partitions go first, the oldest first, but none that is still to be indexed (searches should have
// been able to find it); one that cannot be indexed may go. Minutes only when no closed partition
// is left. Goes a little below the limit, so as not to come back for every commit.
Status Store::Impl::retain_by_size() {
  over_budget.store(false);
  if (used() <= options.bytes_max) return {};
  const std::uint64_t target = options.bytes_max / 100 * 97;
  while (used() > target && !stopping()) {
    const auto list = partitions.list();
    const bool closed = !list->empty() && !list->front().is_open();
    if (closed &&
        (list->front().indexed() || list->front().index_failed || list->front().index_given_up)) {
      TRY(remove_partition(list->front(), /*by_age=*/false));
      continue;
    }
    bool more = false;
    if (!closed) {
      TRY_ASSIGN(more, remove_minutes_before(EventTime::max()));
    }
    if (!more) {
      over_budget.store(used() > options.bytes_max);
      break;
    }
  }
  return {};
}

// Freed pages of posts.db are used again; only when much of it is free is it made smaller.
Status Store::Impl::vacuum() {
  bool more = true;
  while (more && !stopping()) {
    const MutexLock lock(write_mu);
    TRY_ASSIGN(more, release_free_pages(*db));
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
    prepare_spare();
    keep_first(done, maintain());
    const MutexLock lock(thread_mu);
    maintenance_error = done.ok() ? "" : done.error().message;
  }
}

// ---- compaction

void Store::Impl::pause(std::chrono::milliseconds duration) {
  const auto until = pace(duration);
  const MutexLock lock(thread_mu);
  while (!stopping() && compaction_wake.wait_until(thread_mu, until)) {
  }
}

// Called by searches. One that began before the index was made anew says nothing of it.
void Store::Impl::note_index_damage(const Partition& partition, const Error& damage) {
  const auto now = partitions.find(partition.number);
  if (!now || now->index_made != partition.index_made || now->index_given_up) return;
  const MutexLock lock(thread_mu);
  index_damages.insert_or_assign(partition.number, IndexDamage{damage, partition.index_made});
}

// Makes an index anew that a search found damaged; false: there is none. Done where indexes are
// compacted, so that nobody writes to the old one.
Result<bool> Store::Impl::mend_one() {
  std::map<std::int64_t, IndexDamage>::node_type damage;
  {
    const MutexLock lock(thread_mu);
    if (index_damages.empty()) return false;
    damage = index_damages.extract(index_damages.begin());
  }
  TRY(make_index_anew(damage.key(), damage.mapped()));
  return true;
}

// Merges the index of the oldest closed partition that is whole but in many pieces. False: there is
// none. `paced`: not faster than the options say.
Result<bool> Store::Impl::compact_one(bool paced) {
  TRY_ASSIGN(const bool mended, mend_one());
  if (mended) return true;
  const auto list = partitions.list();
  const auto partition = std::find_if(list->begin(), list->end(), [](const Partition& one) {
    return !one.is_open() && one.indexed() && !one.compacted && !one.index_given_up;
  });
  if (partition == list->end() || stopping()) return false;
  const std::int64_t number = partition->number;
  const std::uint32_t index_made = partition->index_made;
  const auto bytes = compact_index(number, paced);
  if (!bytes.ok()) {
    if (!is_index_damage(bytes.error())) return bytes.error();
    TRY(make_index_anew(number, {bytes.error(), index_made}));
    return true;
  }
  if (!*bytes) return !stopping();
  TRY(write([&](Database& catalog) { return write_compacted(catalog, number, true); }));
  partitions.change(number, [&](Partition& one) {
    one.compacted = true;
    one.search_bytes = **bytes;
  });
  return true;
}

// Returns the bytes in use afterwards; nothing when it was given up, since the store stops or the
// partition was removed.
Result<std::optional<std::uint64_t>> Store::Impl::compact_index(std::int64_t number, bool paced) {
  TRY_ASSIGN(
      auto compaction,
      IndexCompaction::open({.dir = dir.path(), .vfs = vfs.name(), .store_id = store_id}, number));
  for (bool more = true; more;) {
    if (stopping() || !partitions.find(number)) return std::optional<std::uint64_t>{};
    TRY_ASSIGN(const IndexCompaction::Step step, compaction->step());
    bytes_compacted.fetch_add(step.bytes);
    more = step.more;
    if (!paced || !more) continue;
    const auto wait = std::chrono::milliseconds{
        step.bytes * 1'000 / std::max<std::uint64_t>(options.compaction_bytes_per_second, 1)};
    pause(std::min<std::chrono::milliseconds>(wait, kCompactionPauseMax));
  }
  TRY_ASSIGN(const std::uint64_t bytes, compaction->finish());
  return std::optional{bytes};
}

Status Store::Impl::before_index_anew(const Partition& partition, const Error& damage) {
  if (partition.compacted) {
    TRY(write(
        [&](Database& catalog) { return write_compacted(catalog, partition.number, false); }));
  }
  say(index_damage_text(damage) +
      ": this search index is made anew; searches look at few of its posts until that is done");
  return {};
}

// Its posts are found again as soon as they are indexed again.
Status Store::Impl::make_index_anew(std::int64_t number, const IndexDamage& damage) {
  Status made;
  {
    const MutexLock lock(index_mu);
    made = index->make_anew(number, damage.error, damage.index_made);
  }
  {
    const MutexLock lock(thread_mu);  // else the indexer could look just before and sleep on
  }
  index_wake.notify_one();  // also when it is half made: the indexer goes on with that
  return made;
}

void Store::Impl::compaction_thread() {
  name_thread("compact");
  lower_thread_priority(kIndexerNice);
  while (!stopping()) {
    const auto more = compact_one(true);
    {
      const MutexLock lock(thread_mu);
      compaction_error = more.ok() ? "" : more.error().message;
    }
    if (!more.ok() || !*more) pause(kCompactionPace);
  }
}

}  // namespace tidewatch

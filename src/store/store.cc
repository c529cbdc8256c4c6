// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "store/alert_rows.h"
#include "store/minute_rows.h"
#include "store/outbox_rows.h"
#include "store/post_rows.h"
#include "store/rule_rows.h"
#include "store/schema.h"
#include "store/store_impl.h"
#include "store/telling_rows.h"

namespace tidewatch {
namespace {

constexpr std::size_t kScanBatchPosts = 2'048;
constexpr std::int64_t kMillisMax = 253'402'300'800'000;  // the year 10000

std::uint64_t file_bytes(const std::filesystem::path& path) {
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(path, failed);
  return failed ? 0 : bytes;
}

// Makes a file at least so large, with zeros on the disk. A write-ahead log that has its size costs
// each commit one write; one that grows costs it a commit of the file system's journal too, behind
// whatever else is on its way to the disk. SQLite takes zeros in a log for its end.
void grow_file(const std::filesystem::path& path, std::uint64_t bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  const std::vector<char> zeros(1U << 20);
  const ::off_t end = ::lseek(fd, 0, SEEK_END);
  bool good = end >= 0;
  for (auto at = static_cast<std::uint64_t>(std::max<::off_t>(end, 0)); good && at < bytes;) {
    const std::size_t size = std::min<std::uint64_t>(zeros.size(), bytes - at);
    const ::ssize_t written = ::pwrite(fd, zeros.data(), size, static_cast<::off_t>(at));
    good = written > 0;
    if (good) at += static_cast<std::uint64_t>(written);
  }
  if (good) ::fdatasync(fd);
  ::close(fd);
}

}  // namespace

// ---- opening and closing

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(StoreOptions options, const Clock& clock) {
  TRY_ASSIGN(DataDir dir, DataDir::claim(options.dir));
  auto impl = std::make_unique<Impl>(std::move(options), clock, std::move(dir));
  TRY(impl->load());
  if (impl->options.background) {
    impl->indexer = std::jthread([&store = *impl] { store.index_thread(); });
    impl->catcher_up = std::jthread([&store = *impl] { store.catch_up_thread(); });
    impl->maintainer = std::jthread([&store = *impl] { store.maintenance_thread(); });
  }
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Status Store::Impl::load() {
  const MutexLock lock(write_mu);
  const std::filesystem::path& path = dir.path();
  TRY_ASSIGN(db, open_posts_db(path, vfs.name()));
  sqlite3_wal_hook(
      db->handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Impl*>(self)->wal_pages.store(pages, std::memory_order_relaxed);
        return SQLITE_OK;
      },
      this);
  log = std::make_unique<PostLog>(*db, label_sets, blocks);
  TRY(log->load());
  TRY_ASSIGN(const auto waiting, db->number("SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
                                            " AND dead_at IS NULL"));
  outbox_waiting = waiting.value_or(0);
  TRY_ASSIGN(index, SearchIndex::open({.dir = path,
                                       .vfs = vfs.name(),
                                       .shard_posts = static_cast<std::int64_t>(
                                           std::max<std::size_t>(options.index_shard_posts, 1)),
                                       .last_sequence = log->last()},
                                      label_sets));
  TRY_ASSIGN(checkpoint_db,
             Database::open(posts_path(path), Database::Mode::kReadWrite, vfs.name()));
  TRY(checkpoint_db->exec("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0"));
  TRY_ASSIGN(readers, ReaderPool::open(path, vfs.name(), clock, options.readers));
  after_commit();
  if (options.background) {
    // What it holds when the background begins to fold it, and what comes meanwhile.
    grow_file(path / "posts.db-wal", options.wal_bytes_max / 4 + options.wal_bytes_max / 8);
  }
  return dir.sync();
}

Store::Impl::~Impl() {
  {
    const MutexLock lock(thread_mu);
    stop.store(true, std::memory_order_release);
  }
  index_wake.notify_all();
  catch_up_wake.notify_all();
  maintenance_wake.notify_all();
  if (catcher_up.joinable()) catcher_up.join();
  if (indexer.joinable()) indexer.join();
  if (maintainer.joinable()) maintainer.join();
}

// ---- writing

// Runs a change in a transaction of its own and returns once it is on disk.
Status Store::Impl::write(const std::function<Status(Database&)>& change) {
  {
    const MutexLock lock(write_mu);
    TRY_ASSIGN(Transaction transaction, Transaction::begin(*db, Transaction::Kind::kWrite));
    TRY(change(*db));
    TRY(transaction.commit());
    after_commit();
  }
  wake_threads(0);
  return {};
}

void Store::Impl::after_commit() {
  if (const auto used_now = bytes_used(*db); used_now.ok()) posts_used.store(*used_now);
  fold_wal();
}

Result<std::vector<Store::Appended>> Store::append(std::span<ScoredPost* const> posts,
                                                   const LabelSchema& labels) {
  for (ScoredPost* const post : posts) post->sequence = {};
  Impl& store = *impl_;
  Result<std::vector<Appended>> appended = std::vector<Appended>{};
  {
    const MutexLock lock(store.write_mu);
    appended = store.log->append(posts, labels, store.clock.wall_now());
    if (!appended.ok()) return appended;
    store.commits.fetch_add(1, std::memory_order_relaxed);
    store.after_commit();
  }
  store.wake_threads(static_cast<std::int64_t>(posts.size()));
  return appended;
}

Result<std::vector<Store::Appended>> Store::append(std::span<ScoredPost> posts,
                                                   const LabelSchema& labels) {
  std::vector<ScoredPost*> pointers;
  pointers.reserve(posts.size());
  for (ScoredPost& post : posts) pointers.push_back(&post);
  return append(std::span<ScoredPost* const>(pointers), labels);
}

Status Store::put_minutes(std::span<const MinuteCounts> minutes, const LabelSchema& labels) {
  if (minutes.empty()) return {};
  const LabelSet* label_set = nullptr;
  {
    const MutexLock lock(impl_->write_mu);
    TRY_ASSIGN(label_set, impl_->label_sets.ensure(*impl_->db, labels));
  }
  return impl_->write([&](Database& db) {
    return write_minutes(db, minutes, *label_set, impl_->clock.wall_now());
  });
}

Status Store::put_alert(const Alert& alert, std::span<const OutboxMessage> messages,
                        std::span<const AlertHistoryEntry> history,
                        std::span<const Telling> tellings) {
  return impl_->queue_messages(messages, [&](Database& db) -> Status {
    TRY(write_alert(db, alert, impl_->clock.wall_now()));
    TRY(write_history(db, alert.id, history));
    return write_tellings(db, tellings);
  });
}

// ---- rules

Result<std::vector<Rule>> Store::rules() {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_rules(reader->posts());
}

Status Store::put_rule(const Rule& rule) {
  return impl_->write([&](Database& db) { return write_rule(db, rule, impl_->clock.wall_now()); });
}

Status Store::remove_rule(const std::string& name) {
  return impl_->write([&](Database& db) { return tidewatch::remove_rule(db, name); });
}

// ---- outbox

// Runs a change that says by how much it changes the number of waiting messages. What would grow
// past the bound is refused; what waits already may always be dealt with.
Result<std::ptrdiff_t> Store::Impl::write_outbox(
    const std::function<Result<std::ptrdiff_t>(Database&)>& change) {
  std::ptrdiff_t by = 0;
  const auto change_and_count = [&](Database& posts_db) -> Status {
    TRY_ASSIGN(const std::ptrdiff_t change_by, change(posts_db));
    const std::int64_t waiting = outbox_waiting.load() + change_by;
    if (change_by > 0 && waiting > static_cast<std::int64_t>(options.outbox_messages_max)) {
      return Error{Code::kResourceExhausted,
                   "the outbox is full (" + std::to_string(options.outbox_messages_max) +
                       " messages wait for delivery); check why the channels do not answer"};
    }
    outbox_waiting.fetch_add(change_by);  // under the write lock: the next one sees it
    by = change_by;
    return {};
  };
  const Status written = write(change_and_count);
  if (!written.ok()) {
    outbox_waiting.fetch_sub(by);
    return written.error();
  }
  return by;
}

// Queues messages in the transaction of a change, if there is room for all of them.
Status Store::Impl::queue_messages(std::span<const OutboxMessage> messages,
                                   const std::function<Status(Database&)>& change) {
  const auto change_and_queue = [&](Database& posts_db) -> Result<std::ptrdiff_t> {
    TRY(change(posts_db));
    std::ptrdiff_t queued = 0;
    for (const OutboxMessage& message : messages) {
      TRY_ASSIGN(const std::ptrdiff_t by, write_message(posts_db, message, clock.wall_now()));
      queued += by;
    }
    return queued;
  };
  TRY(write_outbox(change_and_queue));
  return {};
}

Status Store::put(const OutboxMessage& message) {
  return impl_->queue_messages({&message, 1}, [](Database&) -> Status { return {}; });
}

Result<std::vector<OutboxMessage>> Store::due(EventTime now, std::string_view channel,
                                              std::size_t count_max) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_due_messages(reader->posts(), now, channel, count_max);
}

Status Store::delivered(std::uint64_t id) {
  TRY(impl_->write_outbox(
      [&](Database& db) { return write_delivery(db, id, impl_->clock.wall_now()); }));
  return {};
}

Status Store::failed(std::uint64_t id, const std::string& error, EventTime next_attempt_at) {
  return impl_->write([&](Database& db) { return write_failure(db, id, error, next_attempt_at); });
}

Status Store::give_up(std::uint64_t id, const std::string& error, EventTime now) {
  TRY(impl_->write_outbox([&](Database& db) { return write_death(db, id, error, now); }));
  return {};
}

Result<std::size_t> Store::give_up_unknown(std::span<const std::string> channels, EventTime now) {
  TRY_ASSIGN(const std::ptrdiff_t by, impl_->write_outbox([&](Database& db) {
    return write_deaths_unknown(db, channels, now);
  }));
  return static_cast<std::size_t>(-by);
}

Result<std::size_t> Store::retry_message(std::uint64_t id) {
  TRY_ASSIGN(const std::ptrdiff_t by, impl_->write_outbox([&](Database& db) {
    return write_retry(db, id, {}, impl_->clock.wall_now());
  }));
  return static_cast<std::size_t>(by);
}

Result<std::size_t> Store::retry_channel(const std::string& channel) {
  TRY_ASSIGN(const std::ptrdiff_t by, impl_->write_outbox([&](Database& db) {
    return write_retry(db, 0, channel, impl_->clock.wall_now());
  }));
  return static_cast<std::size_t>(by);
}

Result<OutboxPage> Store::outbox(const OutboxQuery& query) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_messages(reader->posts(), query);
}

Result<std::vector<OutboxCount>> Store::outbox_counts() {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return count_messages(reader->posts());
}

Result<std::size_t> Store::size() { return static_cast<std::size_t>(impl_->outbox_waiting.load()); }

// ---- reading

Result<std::optional<Alert>> Store::alert(const std::string& id) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_alert(reader->posts(), id);
}

Result<std::vector<AlertHistoryEntry>> Store::history(const std::string& id) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_history(reader->posts(), id);
}

Result<std::vector<Telling>> Store::tellings(EventTime since) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_tellings(reader->posts(), since);
}

Result<AlertPage> Store::alerts(const AlertQuery& query) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_alerts(reader->posts(), query);
}

Result<PostPage> Store::posts(const PostQuery& query) {
  if (query.limit < 1 || query.limit > kPostQueryLimitMax) {
    return Error{Code::kInvalidArgument,
                 "limit: must be 1 to " + std::to_string(kPostQueryLimitMax)};
  }
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return find_posts(*reader, query, impl_->label_sets, impl_->blocks,
                    static_cast<std::int64_t>(impl_->options.tail_scan_posts_max));
}

Result<std::optional<StoredPost>> Store::post(const std::string& id) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  Statement& select = reader->by_id();
  const ResetGuard guard(select);
  select.bind(1, id_key(id));
  select.bind(2, std::string_view{id});
  TRY_ASSIGN(const bool row, select.step());
  if (!row) return std::optional<StoredPost>{};
  return std::optional<StoredPost>{read_post_row(select, impl_->label_sets)};
}

Status Store::scan_posts(Sequence after, EventTime since,
                         const std::function<bool(const StoredPost&)>& visit) {
  std::vector<SequenceRange> ranges = impl_->blocks.overlapping(to_millis(since), kMillisMax);
  std::reverse(ranges.begin(), ranges.end());
  std::vector<StoredPost> batch;
  for (const SequenceRange& range : ranges) {
    std::int64_t next = std::max(range.begin, static_cast<std::int64_t>(after.value) + 1);
    bool more = next < range.end;
    while (more) {
      batch.clear();
      {
        // A short read for each batch: a long one would keep the write-ahead log from starting
        // over.
        auto reader = impl_->readers->acquire(std::chrono::milliseconds{0});
        Statement& select = reader->ascending();
        const ResetGuard guard(select);
        select.bind(1, next);
        select.bind(2, range.end);
        select.bind(3, static_cast<std::int64_t>(kScanBatchPosts));
        while (true) {
          TRY_ASSIGN(const bool row, select.step());
          if (!row) break;
          batch.push_back(read_post_row(select, impl_->label_sets));
        }
      }
      for (const StoredPost& stored : batch) {
        if (stored.post.time >= since && !visit(stored)) return {};
      }
      more = batch.size() == kScanBatchPosts;
      if (more) next = static_cast<std::int64_t>(batch.back().sequence.value) + 1;
    }
  }
  return {};
}

Result<std::vector<SeriesPoint>> Store::series(const std::string& key, EventTime since,
                                               EventTime until, std::chrono::seconds step) {
  if (step.count() < 60 || step.count() % 60 != 0 || step > std::chrono::hours{24 * 366}) {
    return Error{Code::kInvalidArgument, "step: must be a multiple of 60 seconds, at most a year"};
  }
  const std::int64_t step_ms = step.count() * 1'000;
  const std::int64_t to = std::clamp(to_millis(until), -kMillisMax, kMillisMax);
  std::int64_t from = std::clamp(to_millis(since), -kMillisMax, kMillisMax);
  from -= (from % step_ms + step_ms) % step_ms;
  if (from >= to) return std::vector<SeriesPoint>{};
  const auto points = static_cast<std::uint64_t>((to - from + step_ms - 1) / step_ms);
  if (points > impl_->options.series_points_max) {
    return Error{Code::kInvalidArgument, "since: " + std::to_string(points) +
                                             " points are too many (at most " +
                                             std::to_string(impl_->options.series_points_max) +
                                             "); ask for less time or a larger step"};
  }
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_series(reader->posts(), impl_->label_sets, key, from_millis(from), from_millis(to),
                     step);
}

StoreStats Store::stats() const {
  const Impl& store = *impl_;
  StoreStats stats;
  const std::int64_t first = store.log->first();
  const std::int64_t last = store.log->last();
  if (last >= first) {
    stats.posts = static_cast<std::uint64_t>(last - first + 1);
    stats.first = {static_cast<std::uint64_t>(first)};
    stats.last = {static_cast<std::uint64_t>(last)};
  }
  if (const auto bounds = store.blocks.time_bounds()) {
    stats.oldest = from_millis(bounds->first);
    stats.newest = from_millis(bounds->second);
  }
  for (const char* file : {"posts.db", "posts.db-wal", "search.db", "search.db-wal"}) {
    stats.bytes += file_bytes(store.dir.path() / file);
  }
  stats.bytes_used = store.used();
  stats.commits = store.commits.load();
  stats.fsyncs = store.vfs.syncs("posts.db-wal");
  stats.fsyncs_by_file = store.vfs.syncs();
  const std::int64_t indexed = std::max(store.index->indexed_until(), first - 1);
  stats.index_lag_posts = static_cast<std::uint64_t>(std::max<std::int64_t>(last - indexed, 0));
  stats.index_behind = stats.index_lag_posts > store.options.index_lag_max;
  stats.posts_expired = store.posts_expired.load();
  stats.outbox_messages = static_cast<std::uint64_t>(store.outbox_waiting.load());
  const MutexLock lock(store.thread_mu);
  stats.index_error = store.index_error;
  stats.maintenance_error = store.maintenance_error;
  return stats;
}

Status Store::check() {
  const std::string path = posts_path(impl_->dir.path()).string();
  auto reader = impl_->readers->acquire(std::chrono::milliseconds{0});
  TRY_ASSIGN(const Transaction snapshot,
             Transaction::begin(reader->posts(), Transaction::Kind::kRead));
  for (Database* db : {&reader->posts(), &reader->search()}) {
    TRY_ASSIGN(Statement quick_check, db->prepare("PRAGMA quick_check(1)"));
    TRY(quick_check.step());
    if (quick_check.column_text(0) != "ok") {
      return Error{Code::kDataLoss,
                   db->path().string() + ": damaged: " + std::string(quick_check.column_text(0))};
    }
  }
  const auto number = [&](const char* sql) { return reader->posts().number(sql); };
  TRY_ASSIGN(const auto rows, number("SELECT count(*) FROM posts NOT INDEXED"));
  TRY_ASSIGN(const auto keys, number("SELECT count(*) FROM posts INDEXED BY posts_by_id_key"));
  TRY_ASSIGN(const auto span, number("SELECT max(sequence) - min(sequence) + 1 FROM posts"));
  TRY_ASSIGN(const auto twice,
             number("SELECT b.sequence FROM posts a CROSS JOIN posts b ON a.id_key=b.id_key"
                    " AND a.sequence<b.sequence AND a.id=b.id LIMIT 1"));
  if (rows != keys || rows.value_or(0) != span.value_or(0)) {
    return Error{Code::kDataLoss, path + ": " + std::to_string(rows.value_or(0)) + " posts, " +
                                      std::to_string(keys.value_or(0)) + " index entries, " +
                                      std::to_string(span.value_or(0)) + " sequences"};
  }
  if (twice) {
    return Error{Code::kDataLoss, path + ": post " + std::to_string(*twice) + " is there twice"};
  }
  return {};
}

// ---- background work, when asked for

Status Store::index_now() { return impl_->index_all(); }
Status Store::retain_now() { return impl_->retain(); }

}  // namespace tidewatch

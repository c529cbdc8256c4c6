// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <algorithm>
#include <utility>

#include "store/alert_rows.h"
#include "store/minute_rows.h"
#include "store/outbox_rows.h"
#include "store/post_rows.h"
#include "store/post_summary.h"
#include "store/rule_rows.h"
#include "store/schema.h"
#include "store/store_impl.h"
#include "store/store_migration.h"
#include "store/telling_rows.h"

namespace tidewatch {
namespace {

constexpr std::size_t kScanBatchPosts = 2'048;
constexpr std::int64_t kMillisMax = 253'402'300'800'000;  // the year 10000

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
    impl->compactor = std::jthread([&store = *impl] { store.compaction_thread(); });
  }
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Status Store::Impl::load() {
  std::int64_t floor = 0;
  {
    const MutexLock lock(write_mu);
    const std::filesystem::path& path = dir.path();
    TRY_ASSIGN(db, open_posts_db(path, vfs.name()));
    TRY_ASSIGN(const auto id, get_meta(*db, "store_id"));
    store_id = id.value_or(0);
    TRY(label_sets.load(*db));
    TRY_ASSIGN(const auto waiting,
               db->number("SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
                          " AND dead_at IS NULL"));
    outbox_waiting = waiting.value_or(0);
    TRY_ASSIGN(const bool moving, has_old_posts(*db));
    TRY(partitions.load(*db));
    TRY(remove_stray_files(moving));
    if (moving) {
      TRY(move_old_posts(
          {.catalog = *db,
           .dir = dir,
           .vfs = vfs.name(),
           .store_id = store_id,
           .partition_posts_max = static_cast<std::int64_t>(options.partition_posts_max),
           .partition_bytes_max = options.bytes_max / kPartitionsPerBudget,
           .say = options.say}));
      TRY(partitions.load(*db));
    }
    TRY_ASSIGN(const auto removed, get_meta(*db, "floor"));
    floor = removed.value_or(0);
    TRY_ASSIGN(const std::uint64_t used_now, bytes_used(*db));
    catalog_used = used_now;
  }
  TRY(load_partitions(floor));
  TRY_ASSIGN(readers, ReaderPool::open(dir.path(), vfs.name(), clock, options.readers));
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
  compaction_wake.notify_all();
  if (compactor.joinable()) compactor.join();
  if (catcher_up.joinable()) catcher_up.join();
  if (indexer.joinable()) indexer.join();
  if (maintainer.joinable()) maintainer.join();
}

// ---- writing

// Runs a change of posts.db in a transaction of its own and returns once it is on disk.
Status Store::Impl::write(const std::function<Status(Database&)>& change) {
  const MutexLock lock(write_mu);
  TRY_ASSIGN(Transaction transaction, Transaction::begin(*db, Transaction::Kind::kWrite));
  TRY(change(*db));
  TRY(transaction.commit());
  if (const auto used_now = bytes_used(*db); used_now.ok()) catalog_used.store(*used_now);
  return {};
}

Result<const LabelSet*> Store::Impl::label_set(const LabelSchema& labels) {
  const MutexLock lock(write_mu);
  return label_sets.ensure(*db, labels);
}

Result<std::vector<Store::Appended>> Store::append(std::span<ScoredPost* const> posts,
                                                   const LabelSchema& labels) {
  for (ScoredPost* const post : posts) post->sequence = {};
  Impl& store = *impl_;
  TRY_ASSIGN(const LabelSet* const label_set, store.label_set(labels));
  Result<std::vector<Appended>> appended = std::vector<Appended>{};
  {
    const MutexLock lock(store.post_mu);
    if (store.partition_is_full()) {
      store.roll().ignore("the open partition takes more; a broken disk is met by the commit");
    }
    appended = store.log->append(posts, *label_set, store.clock.wall_now());
    if (!appended.ok()) return appended;
    store.commits.fetch_add(1, std::memory_order_relaxed);
    store.note_posts_used();
    store.fold_wal();
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
  TRY_ASSIGN(const LabelSet* const label_set, impl_->label_set(labels));
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
  return read_rules(reader->catalog());
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
  return read_due_messages(reader->catalog(), now, channel, count_max);
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
  return read_messages(reader->catalog(), query);
}

Result<std::vector<OutboxCount>> Store::outbox_counts() {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return count_messages(reader->catalog());
}

Result<std::size_t> Store::size() { return static_cast<std::size_t>(impl_->outbox_waiting.load()); }

// ---- reading

Result<std::optional<Alert>> Store::alert(const std::string& id) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_alert(reader->catalog(), id);
}

Result<std::vector<AlertHistoryEntry>> Store::history(const std::string& id) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_history(reader->catalog(), id);
}

Result<std::vector<Telling>> Store::tellings(EventTime since) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_tellings(reader->catalog(), since);
}

Result<AlertPage> Store::alerts(const AlertQuery& query) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_alerts(reader->catalog(), query);
}

Result<PostPage> Store::posts(const PostQuery& query) {
  if (query.limit < 1 || query.limit > kPostQueryLimitMax) {
    return Error{Code::kInvalidArgument,
                 "limit: must be 1 to " + std::to_string(kPostQueryLimitMax)};
  }
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return find_posts(*reader, query, impl_->search_place());
}

Result<PostSummary> Store::summary(const PostQuery& query, std::size_t buckets) {
  if (buckets < 1 || buckets > kSummaryBucketsMax) {
    return Error{Code::kInvalidArgument,
                 "buckets: must be 1 to " + std::to_string(kSummaryBucketsMax)};
  }
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return summarise_posts(*reader, query, buckets, impl_->search_place());
}

Result<std::optional<StoredPost>> Store::post(const std::string& id) {
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  const std::int64_t key = id_key(id);
  const auto partitions = impl_->partitions.list();
  for (auto partition = partitions->rbegin(); partition != partitions->rend(); ++partition) {
    if (partition->ids != nullptr && !partition->ids->may_hold(key)) continue;
    auto files = reader->partition(partition->number);
    if (!files.ok()) {
      if (!impl_->partitions.find(partition->number)) continue;  // removed meanwhile
      return files.error();
    }
    Statement& select = (*files)->by_id;
    const ResetGuard guard(select);
    select.bind(1, key);
    select.bind(2, std::string_view{id});
    TRY_ASSIGN(const bool row, select.step());
    if (row) return std::optional<StoredPost>{read_post_row(select, impl_->label_sets)};
  }
  return std::optional<StoredPost>{};
}

// The next posts of [next, end), oldest first, all of one partition. Moves `next` past them.
Result<std::vector<StoredPost>> Store::Impl::read_some(std::int64_t& next, std::int64_t end) {
  std::vector<StoredPost> batch;
  const auto partition = partitions.holding(next);
  if (!partition) {  // removed meanwhile, or past the newest
    next = log->first() > next ? log->first() : end;
    return batch;
  }
  // A short read for each batch: a long one would keep the write-ahead log from starting over.
  auto reader = readers->acquire(std::chrono::milliseconds{0});
  auto files = reader->partition(partition->number);
  if (!files.ok() && !partitions.find(partition->number)) return batch;  // removed: look again
  if (!files.ok()) return files.error();
  Statement& select = (*files)->ascending;
  const ResetGuard guard(select);
  select.bind(1, next);
  select.bind(2, end);
  select.bind(3, static_cast<std::int64_t>(kScanBatchPosts));
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) break;
    batch.push_back(read_post_row(select, label_sets));
  }
  if (!batch.empty()) next = static_cast<std::int64_t>(batch.back().sequence.value) + 1;
  if (batch.size() < kScanBatchPosts) {
    next = partition->is_open() ? end : std::max(next, partition->last + 1);
  }
  return batch;
}

Status Store::scan_posts(Sequence after, EventTime since,
                         const std::function<bool(const StoredPost&)>& visit) {
  std::vector<SequenceRange> ranges = impl_->blocks.overlapping(to_millis(since), kMillisMax);
  std::reverse(ranges.begin(), ranges.end());
  for (const SequenceRange& range : ranges) {
    std::int64_t next = std::max(range.begin, static_cast<std::int64_t>(after.value) + 1);
    while (next < range.end) {
      TRY_ASSIGN(const std::vector<StoredPost> batch, impl_->read_some(next, range.end));
      for (const StoredPost& stored : batch) {
        if (stored.post.time >= since && !visit(stored)) return {};
      }
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
  const std::int64_t begin = std::clamp(to_millis(since), -kMillisMax, kMillisMax);
  if (begin >= to) return std::vector<SeriesPoint>{};
  const std::int64_t from = begin - (begin % step_ms + step_ms) % step_ms;
  const auto points = static_cast<std::uint64_t>((to - from + step_ms - 1) / step_ms);
  if (points > impl_->options.series_points_max) {
    return Error{Code::kInvalidArgument, "since: " + std::to_string(points) +
                                             " points are too many (at most " +
                                             std::to_string(impl_->options.series_points_max) +
                                             "); ask for less time or a larger step"};
  }
  auto reader = impl_->readers->acquire(impl_->options.query_time_max);
  return read_series(reader->catalog(), impl_->label_sets, key, from_millis(begin), from_millis(to),
                     step);
}

// ---- background work, when asked for

Status Store::index_now() { return impl_->index_all(); }
Status Store::retain_now() { return impl_->maintain(); }

Status Store::compact_now() {
  for (bool more = true; more;) {
    TRY_ASSIGN(more, impl_->compact_one(false));
  }
  return {};
}

Status Store::close_partition() {
  const MutexLock lock(impl_->post_mu);
  return impl_->roll();
}

}  // namespace tidewatch

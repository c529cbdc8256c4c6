// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "store/post_rows.h"
#include "store/schema.h"
#include "store/store_impl.h"

namespace tidewatch {
namespace {

constexpr auto kShortReaderWait = std::chrono::milliseconds{50};
constexpr auto kPartitionSpanMin = std::chrono::hours{1};
constexpr auto kPartitionSpanMax = std::chrono::hours{24};
constexpr int kCheckpointPasses = 8;
constexpr int kPagesForTheWriter = 256;  // 1 MiB

// Makes a file at least so large, with zeros on the disk. A write-ahead log that has its size costs
// each commit one write; one that grows costs it a commit of the file system's journal too, behind
// whatever else is on its way to the disk. SQLite takes zeros in a log for its end.
// Never of a log that another thread may write meanwhile: the zeros would go over its frames.
void grow_file(const std::filesystem::path& path, std::uint64_t bytes, FileHooks* hooks) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  const std::vector<char> zeros(1U << 20);
  const ::off_t end = ::lseek(fd, 0, SEEK_END);
  bool good = end >= 0;
  for (auto at = static_cast<std::uint64_t>(std::max<::off_t>(end, 0)); good && at < bytes;) {
    const std::size_t size = std::min<std::uint64_t>(zeros.size(), bytes - at);
    if (hooks != nullptr) {
      const std::string name = path.filename().string();
      good = hooks->before_write(name, static_cast<std::int64_t>(at), static_cast<int>(size)) == 0;
      if (!good) break;
    }
    const ::ssize_t written = ::pwrite(fd, zeros.data(), size, static_cast<::off_t>(at));
    good = written > 0;
    if (good) at += static_cast<std::uint64_t>(written);
  }
  if (good) ::fdatasync(fd);
  ::close(fd);
}

Error missing(const std::filesystem::path& path) {
  return {Code::kDataLoss,
          path.string() +
              ": missing, though posts.db counts on it; restore the files of a data "
              "folder together, from one backup"};
}

// The newest post of a partition that posts.db does not know, if it holds any.
Result<std::optional<std::int64_t>> newest_post(const std::filesystem::path& path,
                                                const std::string& vfs) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed) || std::filesystem::file_size(path, failed) == 0) {
    return std::optional<std::int64_t>{};
  }
  TRY_ASSIGN(const auto db, Database::open(path, Database::Mode::kReadWrite, vfs));
  sqlite3_db_config(db->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  TRY_ASSIGN(const auto table,
             db->number("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='posts'"));
  if (!table) return std::optional<std::int64_t>{};
  return db->number("SELECT sequence FROM posts ORDER BY sequence DESC LIMIT 1");
}

std::string megabytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

// ---- opening

// Files of partitions that posts.db does not know: made beforehand and never used, half removed, or
// half moved (the next of a move, whose posts are all in posts.db still). With anything else that
// has posts in it nothing is removed at all.
Status Store::Impl::remove_stray_files(bool moving) {
  std::set<std::int64_t> strays;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path(), failed)) {
    const auto number = partition_of_file(entry.path().filename().string());
    if (number && !partitions.find(*number)) strays.insert(*number);
  }
  TRY_ASSIGN(const auto removed_until, get_meta(*db, "removed_until"));
  std::int64_t still_to_move = 0;
  if (moving) {
    TRY_ASSIGN(const auto last,
               db->number("SELECT sequence FROM posts ORDER BY sequence DESC LIMIT 1"));
    still_to_move = last.value_or(0);
  }
  for (const std::int64_t number : strays) {
    if (number > removed_until.value_or(0)) {
      const std::filesystem::path path = partition_posts_path(dir.path(), number);
      TRY_ASSIGN(const auto newest, newest_post(path, vfs.name()));
      const bool half_moved = number == partitions.newest_number() + 1;
      if (newest && !(half_moved && *newest <= still_to_move)) {
        return Error{Code::kDataLoss,
                     path.string() +
                         ": holds posts that posts.db does not know of; restore the "
                         "files of a data folder together, or move this one away"};
      }
    }
  }
  for (const std::int64_t number : strays) remove_partition_files(dir.path(), number);
  return {};
}

Status Store::Impl::load_partition(const Partition& partition) {
  const std::filesystem::path path = partition_posts_path(dir.path(), partition.number);
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) return missing(path);
  TRY_ASSIGN(const auto posts,
             open_partition_posts(dir.path(), partition.number, store_id, vfs.name()));
  TRY(blocks.load(*posts));
  TRY_ASSIGN(const std::uint64_t bytes, bytes_used(*posts));
  std::shared_ptr<const IdFilter> ids;
  if (!partition.is_open()) {
    TRY_ASSIGN(Statement select, posts->prepare("SELECT bytes FROM id_filter"));
    TRY_ASSIGN(const bool row, select.step());
    if (row) ids = std::make_shared<IdFilter>(IdFilter::from_bytes(select.column_blob(0)));
  }
  partitions.change(partition.number, [&](Partition& one) {
    one.posts_bytes = bytes;
    one.ids = ids;
  });
  return {};
}

// The first of a folder, or the next one where a crash or a move of old posts left none open.
Result<Partition> Store::Impl::open_first_partition(std::int64_t floor) {
  const auto known = partitions.list();
  Partition partition;
  partition.number = partitions.newest_number() + 1;
  partition.first = (known->empty() ? floor : known->back().last) + 1;
  partition.opened_at = to_millis(clock.wall_now());
  partition.indexed_until = partition.first - 1;
  {
    const MutexLock lock(write_mu);
    TRY_ASSIGN(const auto removed_until, get_meta(*db, "removed_until"));
    partition.number = std::max(partition.number, removed_until.value_or(0) + 1);
  }
  TRY_ASSIGN(const auto file,
             open_partition_posts(dir.path(), partition.number, store_id, vfs.name()));
  TRY(dir.sync());
  TRY(write([&](Database& catalog) { return write_partition(catalog, partition); }));
  partitions.add(partition);
  return partition;
}

Status Store::Impl::load_partitions(std::int64_t floor) {
  const auto known = partitions.list();
  for (const Partition& partition : *known) TRY(load_partition(partition));
  Partition open;
  if (!known->empty() && known->back().is_open()) {
    open = known->back();
  } else {
    TRY_ASSIGN(open, open_first_partition(floor));
  }
  const MutexLock lock(post_mu);
  TRY_ASSIGN(auto file, PostFile::open(dir.path(), open.number, store_id, vfs.name()));
  if (options.background) {
    // What it holds when the background begins to fold it, and what comes meanwhile.
    grow_file(partition_posts_path(dir.path(), open.number).string() + "-wal",
              options.wal_bytes_max / 4 + options.wal_bytes_max / 8, options.hooks);
  }
  log = std::make_unique<PostLog>(OldIds(dir.path(), vfs.name()), blocks, partitions);
  TRY(log->load(std::move(file), floor));
  const MutexLock index_lock(index_mu);
  index = std::make_unique<SearchIndex>(
      IndexPlace{.dir = dir.path(), .vfs = vfs.name(), .store_id = store_id}, label_sets,
      partitions, [this](const Partition& partition, const Error& damage) {
        return before_index_anew(partition, damage);
      });
  return index->load(log->last());
}

// ---- the open partition

std::chrono::milliseconds Store::Impl::partition_span() const {
  return std::clamp<std::chrono::milliseconds>(options.retention / kPartitionsPerRetention,
                                               kPartitionSpanMin, kPartitionSpanMax);
}

bool Store::Impl::partition_is_full() {
  const auto open = partitions.find(log->open_number());
  if (!open || log->last() < open->first) return false;
  const auto posts = static_cast<std::uint64_t>(log->last() - open->first + 1);
  const auto age = std::chrono::milliseconds{to_millis(clock.wall_now()) - open->opened_at};
  return posts >= options.partition_posts_max ||
         open->bytes() >= options.bytes_max / kPartitionsPerBudget || age >= partition_span();
}

// Closes the open partition, if it has posts, and opens the next: one transaction of posts.db.
Status Store::Impl::roll() {
  auto open = partitions.find(log->open_number());
  if (!open || log->last() < open->first) return {};
  Partition next;
  next.number = open->number + 1;
  next.first = log->last() + 1;
  next.opened_at = to_millis(clock.wall_now());
  next.indexed_until = log->last();
  if (preparing_number == next.number) return {};  // the open one takes more meanwhile
  if (spare == nullptr || spare->number != next.number) {
    TRY_ASSIGN(spare, PostFile::open(dir.path(), next.number, store_id, vfs.name()));
    TRY(dir.sync());
  }
  const auto newest = blocks.last();
  open->last = log->last();
  open->stored_until = newest ? newest->stored_at : next.opened_at;
  const auto close_and_open = [&](Database& catalog) -> Status {
    TRY(write_partition(catalog, *open));
    return write_partition(catalog, next);
  };
  TRY(write(close_and_open));
  partitions.change(open->number, [&](Partition& one) {
    one.last = open->last;
    one.stored_until = open->stored_until;
  });
  partitions.add(next);
  retired.push_back(log->go_on_in(std::move(spare), next));
  spare = nullptr;
  wal_nearly_folded.store(false);
  wal_pages_next_wait = wal_pages_max;
  return {};
}

// So that no commit has to wait for a new file. Called by the maintenance thread.
void Store::Impl::prepare_spare() {
  std::int64_t number = 0;
  {
    const MutexLock lock(post_mu);
    const auto open = partitions.find(log->open_number());
    if (spare != nullptr || !open || log->last() < open->first) return;
    const auto posts = static_cast<std::uint64_t>(log->last() - open->first + 1);
    const auto age = std::chrono::milliseconds{to_millis(clock.wall_now()) - open->opened_at};
    const bool soon = posts >= options.partition_posts_max / 2 ||
                      open->bytes() >= options.bytes_max / kPartitionsPerBudget / 2 ||
                      age >= partition_span() / 2;
    if (!soon) return;
    number = open->number + 1;
    preparing_number = number;  // from here on the file is this thread's alone
  }
  auto made = make_spare(number);
  const MutexLock lock(post_mu);
  preparing_number = 0;
  if (made.ok()) spare = std::move(*made);  // else roll() tries again and meets the reason
}

Result<std::shared_ptr<PostFile>> Store::Impl::make_spare(std::int64_t number) {
  TRY_ASSIGN(auto file, PostFile::open(dir.path(), number, store_id, vfs.name()));
  TRY(dir.sync());
  grow_file(partition_posts_path(dir.path(), number).string() + "-wal",
            options.wal_bytes_max / 4 + options.wal_bytes_max / 8, options.hooks);
  return file;
}

void Store::Impl::note_posts_used() {
  const auto used_now = bytes_used(*log->file()->db);
  if (!used_now.ok()) return;
  partitions.change(log->open_number(), [&](Partition& one) { one.posts_bytes = *used_now; });
}

// SQLite starts the write-ahead log over once all of it is in the file and no reader needs it. A
// background pass under constant load is always a few pages short of all; those are folded here,
// where nothing is written meanwhile. Readers that overlap without end would still let it grow, so
// from its limit on this waits for them: a moment, and at four times the limit as long as it takes.
void Store::Impl::fold_wal() {
  sqlite3* const handle = log->file()->db->handle();
  const int pages = log->file()->wal_pages.load(std::memory_order_relaxed);
  wal_pages.store(pages, std::memory_order_relaxed);
  const bool nearly_folded = wal_nearly_folded.exchange(false);
  if (pages < wal_pages_next_wait) {
    if (nearly_folded) {
      sqlite3_wal_checkpoint_v2(handle, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    }
    return;
  }
  const auto wait =
      pages < 4 * wal_pages_max ? kShortReaderWait : options.query_time_max + kShortReaderWait;
  sqlite3_busy_timeout(handle, static_cast<int>(wait.count()));
  const int code =
      sqlite3_wal_checkpoint_v2(handle, nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  // What holds it back now may do so for a while: not again at the very next commit.
  wal_pages_next_wait = code == SQLITE_OK ? wal_pages_max : pages + wal_pages_max / 4;
}

// While a pass runs, posts go on being written: at 25,000 a second tens of megabytes, which the
// writer would have to fold. Each further pass leaves less, until it is a moment's work. Called by
// the maintenance thread alone.
Status Store::Impl::checkpoint() {
  std::shared_ptr<PostFile> file;
  {
    const MutexLock lock(post_mu);
    file = log->file();
  }
  for (int pass = 0; pass < kCheckpointPasses && !stopping(); ++pass) {
    int pages = 0;
    int folded = 0;
    const int code = sqlite3_wal_checkpoint_v2(file->checkpoint_db->handle(), nullptr,
                                               SQLITE_CHECKPOINT_PASSIVE, &pages, &folded);
    if (code != SQLITE_OK && (code & 0xFF) != SQLITE_BUSY) return file->checkpoint_db->error(code);
    // What the log holds beyond what this pass saw, or could not fold for a reader.
    if (file->wal_pages.load(std::memory_order_relaxed) - folded <= kPagesForTheWriter) break;
  }
  wal_nearly_folded.store(true);
  return {};
}

// ---- closed partitions

// Reads the ids of a closed partition, keeps a filter of them in it, and folds its log.
Status Store::Impl::make_id_filter(const Partition& partition) {
  TRY_ASSIGN(const auto posts,
             open_partition_posts(dir.path(), partition.number, store_id, vfs.name()));
  auto ids =
      std::make_shared<IdFilter>(static_cast<std::size_t>(partition.last - partition.first + 1));
  {
    TRY_ASSIGN(Statement select, posts->prepare("SELECT id_key FROM posts INDEXED BY"
                                                " posts_by_id_key ORDER BY id_key"));
    while (!stopping()) {
      TRY_ASSIGN(const bool row, select.step());
      if (!row) break;
      ids->add(select.column_int(0));
    }
    if (stopping()) return {};
  }
  TRY_ASSIGN(Transaction transaction, Transaction::begin(*posts, Transaction::Kind::kWrite));
  TRY(posts->exec("DELETE FROM id_filter"));
  TRY_ASSIGN(Statement insert, posts->prepare("INSERT INTO id_filter VALUES(?1)"));
  insert.bind_blob(1, ids->bytes());
  TRY(insert.run());
  TRY(transaction.commit());
  sqlite3_busy_timeout(posts->handle(), 0);
  // Readers may keep it from starting over; then it stays as it is until the next start.
  sqlite3_wal_checkpoint_v2(posts->handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  TRY_ASSIGN(const std::uint64_t bytes, bytes_used(*posts));
  partitions.change(partition.number, [&](Partition& one) {
    one.ids = ids;
    one.posts_bytes = bytes;
  });
  return {};
}

Status Store::Impl::finish_closed() {
  std::vector<std::shared_ptr<PostFile>> done;
  {
    const MutexLock lock(post_mu);
    done.swap(retired);
  }
  done.clear();  // closes files, which may take a moment, outside of the lock
  const auto list = partitions.list();
  Status made;
  for (const Partition& partition : *list) {
    if (partition.is_open() || partition.ids != nullptr || stopping()) continue;
    keep_first(made, make_id_filter(partition));
  }
  return made;
}

Status Store::Impl::remove_partition(const Partition& partition, bool by_age) {
  const auto forget = [&](Database& catalog) -> Status {
    TRY(forget_partition(catalog, partition.number));
    TRY(set_meta(catalog, "floor", partition.last));
    return set_meta(catalog, "removed_until", partition.number);
  };
  TRY(write(forget));
  {
    const MutexLock lock(post_mu);
    partitions.remove(partition.number);
    log->removed(partition);
  }
  {
    const MutexLock lock(index_mu);
    index->forget(partition.number);
  }
  readers->forget_until(partition.number);
  remove_partition_files(dir.path(), partition.number);
  const auto posts = static_cast<std::uint64_t>(partition.last - partition.first + 1);
  posts_expired.fetch_add(posts);
  (by_age ? removed_by_age : removed_by_size).fetch_add(1);
  say("removed partition " + std::to_string(partition.number) + " (" + std::to_string(posts) +
      " posts, " + megabytes(partition.bytes()) + "): " +
      (by_age ? "older than the retention"
              : "the store is larger than its limit of " + megabytes(options.bytes_max)));
  return {};
}

}  // namespace tidewatch

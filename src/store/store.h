// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/window_counts.h"
#include "alert/alert.h"
#include "alert/life_cycle.h"
#include "alert/outbox.h"
#include "alert/subscriber.h"
#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"
#include "infer/scored_post.h"
#include "infer/scores.h"
#include "rules/rule.h"
#include "store/stored_post.h"

namespace tidewatch {

class FileHooks;  // store/sync_vfs.h: tests watch and break file operations

struct StoreOptions {
  std::filesystem::path dir;  // made when absent; one process at a time
  // Age counts from when a post was stored (wall clock), not from its event time: replayed
  // history is kept as long as live posts are.
  std::chrono::hours retention{24 * 30};         // posts and minutes
  std::chrono::hours alert_retention{24 * 400};  // closed alerts
  std::uint64_t bytes_max = 20ULL << 30;         // pages in use, search index included
  // A partition is closed when it holds so many posts, a sixteenth of bytes_max, or the posts of a
  // day (of a thirtieth of the retention, when that is less).
  std::size_t partition_posts_max = 1U << 20;
  // What the write-ahead log of the open partition may hold before a writer folds it into the file
  // (the background does so from a quarter of it on). Up to four times as much while queries keep
  // it in use; then a writer waits for them.
  std::uint64_t wal_bytes_max = 64ULL << 20;
  std::size_t outbox_messages_max = 10'000;         // waiting for delivery
  std::size_t readers = 4;                          // queries at once; more wait
  std::chrono::milliseconds query_time_max{2'000};  // then kDeadlineExceeded
  std::size_t series_points_max = 20'000;
  // When the index is further behind than this, `index_behind` is reported; ingest is neither
  // slowed nor refused, and the index catches up from the posts.
  std::size_t index_lag_max = 200'000;
  std::size_t tail_scan_posts_max = 10'000;  // newest unindexed posts searched directly
  // How fast the index of a closed partition is merged into one piece, in the background.
  std::uint64_t compaction_bytes_per_second = 8ULL << 20;
  // Without background threads the caller runs index_now() and retain_now() (tests, tools).
  bool background = true;
  // Told what is worth a line in a log: partitions removed, old files moved. Any thread; must not
  // call the store.
  std::function<void(const std::string&)> say{};
  FileHooks* hooks = nullptr;  // outlives the store; nullptr: none
};

// One point of a series: the sums over [time, time + step). Points without posts are absent.
struct SeriesPoint {
  EventTime time{};
  std::uint64_t posts = 0;
  std::uint64_t negative = 0;
  std::uint64_t authors = 0;  // new ones, summed
  std::uint64_t texts = 0;
  std::uint64_t bare_reposts = 0;
  std::vector<std::pair<std::string, std::uint64_t>> emotions{};  // label, count; zeros left out
};

struct AlertQuery {
  // kOpen: what somebody should look at still, acknowledged and escalated ones too; kClosed: the
  // others, resolved ones too. kGoingOn, kEnded: by the wave, whatever people said.
  enum class State : std::uint8_t { kAll, kOpen, kClosed, kGoingOn, kEnded };
  State state = State::kAll;
  std::size_t limit = 50;  // 1 to 1,000
  std::string before{};    // only older than this id
};

struct AlertPage {
  std::vector<Alert> alerts;        // newest opened_at first
  std::optional<std::string> next;  // the `before` of the next page
};

struct OutboxQuery {
  enum class State : std::uint8_t { kAll, kWaiting, kDead };
  State state = State::kAll;
  std::string channel{};     // empty: all
  std::size_t limit = 50;    // 1 to 1,000
  std::uint64_t before = 0;  // only older than this id; 0: from the newest
};

struct OutboxPage {
  std::vector<OutboxMessage> messages{};  // newest first
  std::optional<std::uint64_t> next{};    // the `before` of the next page
};

struct OutboxCount {
  std::string channel;
  std::uint64_t waiting = 0;
  std::uint64_t dead = 0;
};

inline constexpr std::size_t kDeadLettersMax = 10'000;  // kept; the oldest are forgotten

struct StoreStats {
  std::uint64_t posts = 0;
  Sequence first, last;                     // 0 when empty
  std::optional<EventTime> oldest, newest;  // event times
  std::uint64_t bytes = 0;                  // of all files, write-ahead logs included
  std::uint64_t bytes_used = 0;             // pages in use; retention compares it with bytes_max
  std::uint64_t bytes_max = 0;
  std::uint64_t commits = 0;  // of posts, since open
  std::uint64_t fsyncs = 0;   // of the logs of partitions' posts, since open
  std::map<std::string, std::uint64_t> fsyncs_by_file;
  std::uint64_t index_lag_posts = 0;
  bool index_behind = false;  // lag above index_lag_max
  // Empty: none; the last failure to index or to compact, or an index that is damaged again and
  // again.
  std::string index_error;
  std::uint64_t posts_expired = 0;  // removed by retention since open
  std::uint64_t partitions = 0;
  std::uint64_t partitions_compacted = 0;        // of those that are there
  std::uint64_t partitions_removed_by_age = 0;   // since open
  std::uint64_t partitions_removed_by_size = 0;  // since open
  std::uint64_t bytes_compacted = 0;             // written by compaction since open
  // The files take more than bytes_max, and what could go is not indexed yet.
  bool over_budget = false;
  std::uint64_t outbox_messages = 0;  // waiting
  std::string maintenance_error;      // empty: none; the last failure of retention
};

// Everything that must survive: posts with their scores in partitions (partition.h), each with a
// full-text index that can be rebuilt; minute counts, alerts, rules and the outbox in posts.db.
// SQLite in WAL mode, synchronous=FULL.
// Pipeline place: after infer, before aggregate; the API reads from it.
// Ownership: `clock` and `hooks` outlive the store; statements and files are the store's own.
// Threads: every member may be called concurrently. Writes wait for one another (one fsync each);
// reads use connections of their own and never block a write.
// Bounds: see StoreOptions. Labels are stored as text.
// Errors: kUnavailable or kResourceExhausted (disk) naming the path and the remedy; a failed write
// changed nothing and may be tried again. kDeadlineExceeded: a query took longer than its limit.
// Life cycle: open(); the destructor stops the background threads and closes the files.
class Store : public Outbox {
 public:
  // Fails with kFailedPrecondition when another process has the folder open or a newer version
  // wrote it, kPermissionDenied when the folder cannot be written, kDataLoss when posts.db is not
  // a database or files of partitions are missing or foreign. A damaged index is rebuilt. Posts of
  // a folder of schema 2 or older are moved into partitions first (about 100,000 a second); when
  // that is cut short, the next open goes on.
  static Result<std::unique_ptr<Store>> open(StoreOptions options, const Clock& clock);
  ~Store() override;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  struct Appended {
    Sequence sequence;
    bool is_new = false;  // false: the id was stored before; that post stays as it is
  };
  // Writes posts in one transaction, in order, and returns once they are on disk (fsync). Sets
  // each post's sequence; sequences are dense. On error nothing was written, sequences are 0.
  Result<std::vector<Appended>> append(std::span<ScoredPost> posts, const LabelSchema& labels);
  Result<std::vector<Appended>> append(std::span<ScoredPost* const> posts,
                                       const LabelSchema& labels);

  // Writes counts; those of the same key and minute are replaced. One transaction.
  Status put_minutes(std::span<const MinuteCounts> minutes, const LabelSchema& labels);

  // Writes (or replaces) the alert and the tellings, appends to its history and queues the
  // messages, all or nothing.
  Status put_alert(const Alert& alert, std::span<const OutboxMessage> messages,
                   std::span<const AlertHistoryEntry> history = {},
                   std::span<const Telling> tellings = {});
  Result<std::optional<Alert>> alert(const std::string& id);
  Result<AlertPage> alerts(const AlertQuery& query);
  // What subscribers were told of alerts that go on, or since then.
  Result<std::vector<Telling>> tellings(EventTime since);
  // Oldest first; empty when there is no such alert.
  Result<std::vector<AlertHistoryEntry>> history(const std::string& id);

  // Rules made over the API.
  Result<std::vector<Rule>> rules();  // by name
  Status put_rule(const Rule& rule);  // makes or replaces it
  Status remove_rule(const std::string& name);

  Result<PostPage> posts(const PostQuery& query);
  // Counts what a query finds, over `buckets` (1 to kSummaryBucketsMax) spans of time. Exact up to
  // about 10,000 posts; beyond that estimated from a sample, so that the work is bounded.
  Result<PostSummary> summary(const PostQuery& query, std::size_t buckets);
  Result<std::optional<StoredPost>> post(const std::string& id);
  // Calls `visit` for every post after `after` with a time of at least `since`, oldest first,
  // until it returns false. To warm up after a restart; holds no lock and has no time limit.
  Status scan_posts(Sequence after, EventTime since,
                    const std::function<bool(const StoredPost&)>& visit);

  // Sums over steps of `step` (a multiple of 60 s) of the minutes that begin in [since, until).
  // Steps begin at multiples of `step`, the first maybe before `since`. kInvalidArgument when that
  // is more than series_points_max points.
  Result<std::vector<SeriesPoint>> series(const std::string& key, EventTime since, EventTime until,
                                          std::chrono::seconds step);

  StoreStats stats() const;  // cheap: no disk access but file sizes
  // Reads everything: page structure, sequence density, uniqueness of ids. For tests and doctor.
  Status check();

  // Outbox. A delivered message's dedupe_key is remembered for the retention time.
  Status put(const OutboxMessage& message) override;
  Result<std::vector<OutboxMessage>> due(EventTime now, std::string_view channel,
                                         std::size_t count_max) override;
  Status delivered(std::uint64_t id) override;
  Status failed(std::uint64_t id, const std::string& error, EventTime next_attempt_at) override;
  Status give_up(std::uint64_t id, const std::string& error, EventTime now) override;
  Result<std::size_t> give_up_unknown(std::span<const std::string> channels,
                                      EventTime now) override;
  Result<std::size_t> size() override;
  // What waits and what is dead, for people.
  Result<OutboxPage> outbox(const OutboxQuery& query);
  Result<std::vector<OutboxCount>> outbox_counts();  // of channels with any, by name
  // Lets a dead letter (all of a channel) wait again; returns how many did.
  Result<std::size_t> retry_message(std::uint64_t id);
  Result<std::size_t> retry_channel(const std::string& channel);

  // Indexes everything on disk now, on this thread.
  Status index_now();
  // Does now what maintenance does: finishes closed partitions, removes what retention says.
  Status retain_now();
  // Compacts the index of every closed partition now, on this thread, as fast as it can.
  Status compact_now();
  // Closes the open partition, if it has posts: the next post begins another.
  Status close_partition();

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch

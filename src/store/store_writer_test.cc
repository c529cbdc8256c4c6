// SPDX-License-Identifier: Apache-2.0
#include "store/store_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <map>

#include "store/store_test_support.h"
#include "store/sync_vfs.h"

namespace tidewatch::store_test {
namespace {

using ::testing::HasSubstr;

class StoreWriterTest : public ::testing::Test {
 protected:
  TempDir dir_;
  ManualClock clock_{from_millis(1'700'000'000'000)};
};

TEST_F(StoreWriterTest, GroupsTheCommitsOfManyThreadsAndKeepsTheirOrder) {
  constexpr std::size_t kThreads = 8;
  constexpr std::size_t kPosts = 1'000;
  StoreOptions options = quiet_options(dir_.path());
  options.background = true;
  auto store = open_store(options, clock_);
  std::map<std::uint64_t, std::uint64_t> next_of_thread;  // by the writer's thread alone
  std::uint64_t last_sequence = 0;
  std::size_t told = 0;
  {
    StoreWriter writer(*store, labels(), {},
                       [&](std::span<CommittedPost> posts, const Status& status) {
                         EXPECT_EQ(problem(status), "");
                         for (const CommittedPost& one : posts) {
                           EXPECT_TRUE(one.is_new);
                           EXPECT_EQ(one.post.sequence.value, ++last_sequence);
                           EXPECT_EQ(one.cookie % kPosts, next_of_thread[one.cookie / kPosts]++);
                           ++told;
                         }
                       });
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&writer, t] {
        for (std::size_t i = 0; i < kPosts; ++i) {
          const std::uint64_t cookie = t * kPosts + i;
          EXPECT_TRUE(writer.submit(make_post("p" + std::to_string(cookie), "转发"), cookie));
        }
      });
    }
    threads.clear();
    writer.drain();
    EXPECT_EQ(told, kThreads * kPosts);
    EXPECT_EQ(writer.queue_size(), 0U);
  }
  const StoreStats stats = store->stats();
  EXPECT_EQ(stats.posts, kThreads * kPosts);
  EXPECT_LT(stats.commits, stats.posts / 4) << "posts did not share commits";
  EXPECT_EQ(problem(store->check()), "");
}

TEST_F(StoreWriterTest, RefusesWhenFullAndLeavesThePostAlone) {
  auto store = open_store(quiet_options(dir_.path()), clock_);
  std::latch committing(1);
  std::latch go_on(1);
  std::size_t told = 0;
  StoreWriter writer(*store, labels(), {.queue_posts_max = 3, .batch_posts_max = 1},
                     [&](std::span<CommittedPost> posts, const Status&) {
                       if (told == 0) {
                         committing.count_down();
                         go_on.wait();
                       }
                       told += posts.size();
                     });
  ASSERT_TRUE(writer.try_submit(make_post("first", "x"), 0));
  committing.wait();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(writer.try_submit(make_post(std::to_string(i), "x"), 0));
  ScoredPost refused = make_post("refused", "text of it");
  EXPECT_FALSE(writer.try_submit(std::move(refused), 0));
  EXPECT_EQ(refused.post.text, "text of it");  // NOLINT(bugprone-use-after-move): the point
  EXPECT_EQ(writer.queue_size(), 3U);
  go_on.count_down();
  writer.drain();
  EXPECT_EQ(told, 4U);
  writer.stop();
  EXPECT_FALSE(writer.submit(std::move(refused), 0));
  EXPECT_EQ(refused.post.id, "refused");  // NOLINT(bugprone-use-after-move): the point
  writer.drain();
  EXPECT_EQ(store->stats().posts, 4U);
}

TEST_F(StoreWriterTest, SaysWhichPostsWereThereBefore) {
  auto store = open_store(quiet_options(dir_.path()), clock_);
  std::vector<bool> is_new;
  StoreWriter writer(*store, labels(), {}, [&](std::span<CommittedPost> posts, const Status&) {
    for (const CommittedPost& one : posts) is_new.push_back(one.is_new);
  });
  for (const char* id : {"a", "b", "a", "c", "b"}) {
    ASSERT_TRUE(writer.submit(make_post(id, "x"), 0));
  }
  writer.drain();
  EXPECT_THAT(is_new, ::testing::ElementsAre(true, true, false, true, false));
}

// Follows a write-ahead log and the acknowledgements in one sequence.
class WalWatcher final : public FileHooks {
 public:
  explicit WalWatcher(std::string wal) : wal_(std::move(wal)) {}
  int before_write(const std::string& file, std::int64_t, int) override {
    if (file == wal_) {
      unsynced_writes.fetch_add(1);
      if (write_result != SQLITE_OK) return write_result;
    }
    return SQLITE_OK;
  }
  int before_sync(const std::string& file) override {
    return file == wal_ ? sync_result.load() : SQLITE_OK;
  }
  void after_sync(const std::string& file) override {
    if (file != wal_) return;
    unsynced_writes.store(0);
    syncs.fetch_add(1);
  }
  std::atomic<int> unsynced_writes{0};
  std::atomic<std::uint64_t> syncs{0};
  std::atomic<int> write_result{SQLITE_OK};
  std::atomic<int> sync_result{SQLITE_OK};

 private:
  const std::string wal_;
};

TEST_F(StoreWriterTest, EveryAcknowledgementFollowsAnFsyncThatCoversIt) {
  WalWatcher watcher("posts-000001.db-wal");
  StoreOptions options = quiet_options(dir_.path());
  options.hooks = &watcher;
  auto store = open_store(options, clock_);
  std::uint64_t syncs_at_last_ack = watcher.syncs;
  std::size_t acknowledgements = 0;
  {
    StoreWriter writer(*store, labels(), {.queue_posts_max = 64, .batch_posts_max = 16},
                       [&](std::span<CommittedPost> posts, const Status& status) {
                         EXPECT_EQ(problem(status), "");
                         EXPECT_EQ(watcher.unsynced_writes, 0) << "told before it was synced";
                         EXPECT_GT(watcher.syncs, syncs_at_last_ack) << "no sync for this batch";
                         syncs_at_last_ack = watcher.syncs;
                         acknowledgements += posts.size();
                       });
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE(writer.submit(make_post("p" + std::to_string(i), "转发微博"), 0));
    }
  }
  EXPECT_EQ(acknowledgements, 500U);
  const StoreStats stats = store->stats();
  EXPECT_GE(stats.fsyncs, stats.commits);
  EXPECT_EQ(stats.fsyncs, watcher.syncs);
  EXPECT_EQ(stats.fsyncs_by_file.at("posts-000001.db-wal"), stats.fsyncs);
}

// The other writes that callers rely on.
TEST_F(StoreWriterTest, MinutesAlertsAndMessagesAreSyncedBeforeTheCallReturns) {
  WalWatcher watcher("posts.db-wal");
  StoreOptions options = quiet_options(dir_.path());
  options.hooks = &watcher;
  auto store = open_store(options, clock_);
  const auto synced = [&](const Status& status) {
    EXPECT_EQ(problem(status), "");
    return watcher.unsynced_writes == 0 && watcher.syncs.exchange(0) > 0;
  };
  watcher.syncs = 0;
  MinuteCounts minute;
  minute.key = "finance@*";
  EXPECT_TRUE(synced(store->put_minutes(std::span(&minute, 1), labels())));
  Alert alert;
  alert.id = "al_1";
  alert.state = "open";
  EXPECT_TRUE(synced(store->put_alert(alert, {})));
  OutboxMessage message;
  message.dedupe_key = "m";
  EXPECT_TRUE(synced(store->put(message)));
  EXPECT_TRUE(synced(store->failed(1, "no", from_millis(1))));
  EXPECT_TRUE(synced(store->delivered(1)));
  message.dedupe_key = "n";
  EXPECT_TRUE(synced(store->put(message)));
  EXPECT_TRUE(synced(store->give_up(2, "no", from_millis(1))));
}

struct FaultCase {
  const char* name;
  int write_result;
  int sync_result;
  Code code;
  const char* hint;
};

TEST_F(StoreWriterTest, AFailedTransactionAcknowledgesNothingAndALaterOneSucceeds) {
  const FaultCase cases[] = {
      {"disk full", SQLITE_FULL, SQLITE_OK, Code::kResourceExhausted, "free some space"},
      {"disk broken", SQLITE_IOERR_WRITE, SQLITE_OK, Code::kUnavailable, "check it"},
      {"sync broken", SQLITE_OK, SQLITE_IOERR_FSYNC, Code::kUnavailable, "check it"},
  };
  WalWatcher watcher("posts-000001.db-wal");
  StoreOptions options = quiet_options(dir_.path());
  options.hooks = &watcher;
  auto store = open_store(options, clock_);
  std::uint64_t next_sequence = 0;
  for (const FaultCase& c : cases) {
    std::vector<std::string> accepted;
    std::vector<std::string> failed;
    Status last;
    StoreWriter writer(*store, labels(), {},
                       [&](std::span<CommittedPost> posts, const Status& status) {
                         last = status;
                         for (const CommittedPost& one : posts) {
                           (status.ok() ? accepted : failed).push_back(one.post.post.id);
                           if (status.ok()) {
                             EXPECT_TRUE(one.is_new) << c.name;
                             EXPECT_EQ(one.post.sequence.value, ++next_sequence)
                                 << c.name << ": dense all the same";
                           } else {
                             EXPECT_FALSE(one.is_new) << c.name;
                             EXPECT_EQ(one.post.sequence.value, 0U) << c.name;
                           }
                         }
                       });
    const std::string id = c.name;
    ASSERT_TRUE(writer.submit(make_post(id + " before", "x"), 0));
    writer.drain();
    watcher.write_result = c.write_result;
    watcher.sync_result = c.sync_result;
    ASSERT_TRUE(writer.submit(make_post(id + " while", "x"), 0));
    writer.drain();
    ASSERT_FALSE(last.ok()) << c.name;
    EXPECT_EQ(last.error().code, c.code) << c.name << ": " << last.error().message;
    EXPECT_THAT(last.error().message, HasSubstr((dir_.path() / "posts-000001.db").string()))
        << c.name;
    EXPECT_THAT(last.error().message, HasSubstr(c.hint)) << c.name;
    EXPECT_FALSE((*store->post(id + " while")).has_value()) << c.name;
    watcher.write_result = watcher.sync_result = SQLITE_OK;
    ASSERT_TRUE(writer.submit(make_post(id + " while", "x"), 0));
    ASSERT_TRUE(writer.submit(make_post(id + " after", "x"), 0));
    writer.drain();
    EXPECT_THAT(accepted, ::testing::ElementsAre(id + " before", id + " while", id + " after"));
    EXPECT_THAT(failed, ::testing::ElementsAre(id + " while"));
  }
  store.reset();
  store = open_store(options, clock_);
  EXPECT_EQ(store->stats().posts, 9U);
  EXPECT_EQ(problem(store->check()), "");
}

// The index may fail for as long as it likes: ingest goes on, and the index catches up.
class BrokenIndexDisk final : public FileHooks {
 public:
  int before_write(const std::string& file, std::int64_t, int) override {
    return broken && file.starts_with("search-000001.db") ? SQLITE_FULL : SQLITE_OK;
  }
  std::atomic<bool> broken{false};
};

TEST_F(StoreWriterTest, AFailingIndexNeitherBlocksNorLoses) {
  BrokenIndexDisk disk;
  StoreOptions options = quiet_options(dir_.path());
  options.hooks = &disk;
  auto store = open_store(options, clock_);
  disk.broken = true;
  auto posts = make_posts(3'000);
  ASSERT_EQ(problem(store->append(posts, labels())), "");
  const Status failed = store->index_now();
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().message, HasSubstr("search-000001.db"));
  EXPECT_EQ(store->stats().index_lag_posts, 3'000U);
  disk.broken = false;
  ASSERT_EQ(problem(store->index_now()), "");
  EXPECT_EQ(store->stats().index_lag_posts, 0U);
  EXPECT_EQ(store->posts({.q = "天气", .limit = 1'000})->posts.size(), 1'000U);
}

}  // namespace
}  // namespace tidewatch::store_test

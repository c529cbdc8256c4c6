// SPDX-License-Identifier: Apache-2.0
// A folder of schema 2, with its posts in posts.db: opened, killed meanwhile, opened again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <random>

#include "store/partition.h"
#include "store/schema.h"
#include "store/store.h"
#include "store/store_test_support.h"
#include "store/sync_vfs.h"

namespace tidewatch::store_test {
namespace {

using ::testing::HasSubstr;

constexpr int kPosts = 20'000;

// Writes posts with this version and puts them back to where version 2 kept them.
void make_old_folder(const std::filesystem::path& dir, const Clock& clock) {
  {
    auto store = open_store(quiet_options(dir), clock);
    for (int begin = 0; begin < kPosts; begin += 2'000) {
      auto posts = make_posts(2'000, "b" + std::to_string(begin) + "_");
      ASSERT_EQ(problem(store->append(posts, labels())), "");
    }
    ASSERT_EQ(problem(store->put_rule({"r", "退款", "", true})), "");
  }
  auto db = Database::open(posts_path(dir), Database::Mode::kReadWrite, "unix");
  ASSERT_EQ(problem(db), "");
  const std::string partition = partition_posts_path(dir, 1).string();
  const std::string back =
      "ATTACH '" + partition +
      "' AS part;"
      "CREATE TABLE posts("
      "  sequence INTEGER PRIMARY KEY, id TEXT NOT NULL, text TEXT NOT NULL, time INTEGER NOT NULL,"
      "  source TEXT, author TEXT, region TEXT, repost_of TEXT, url TEXT,"
      "  likes INTEGER, reposts INTEGER, extra TEXT,"
      "  label_set INTEGER NOT NULL, emotion INTEGER, topic INTEGER,"
      "  probabilities BLOB, text_hash INTEGER, id_key INTEGER NOT NULL);"
      "CREATE INDEX posts_by_id_key ON posts(id_key);"
      "CREATE TABLE post_blocks(block INTEGER PRIMARY KEY, time_min INTEGER NOT NULL,"
      "  time_max INTEGER NOT NULL, stored_at INTEGER NOT NULL);"
      "INSERT INTO posts SELECT * FROM part.posts;"
      "INSERT INTO post_blocks SELECT * FROM part.post_blocks;"
      "DROP TABLE partitions;"
      "UPDATE meta SET value=2 WHERE name='schema_version';"
      "DETACH part;";
  ASSERT_EQ(problem((*db)->exec(back)), "");
  db->reset();
  remove_partition_files(dir, 1);
  std::ofstream(old_search_path(dir)) << "the index of version 2";
}

void expect_everything(Store& store) {
  EXPECT_EQ(store.stats().posts, static_cast<std::uint64_t>(kPosts));
  EXPECT_EQ(problem(store.check()), "");
  std::uint64_t next = 1;
  ASSERT_EQ(problem(store.scan_posts(
                {}, EventTime::min(),
                [&](const StoredPost& stored) {
                  const auto n = static_cast<int>(next - 1);
                  EXPECT_EQ(stored.sequence.value, next++);
                  const std::string number = std::to_string(n % 2'000);
                  EXPECT_EQ(stored.post.id, "b" + std::to_string(n / 2'000 * 2'000) + "_" + number);
                  EXPECT_EQ(stored.post.text, "今天天气真好" + number);
                  EXPECT_EQ(stored.emotion, "angry");
                  return !::testing::Test::HasFailure();
                })),
            "");
  EXPECT_EQ(next, static_cast<std::uint64_t>(kPosts) + 1);
  EXPECT_EQ(store.rules()->size(), 1U);
}

StoreOptions small_partitions(const std::filesystem::path& dir) {
  StoreOptions options = quiet_options(dir);
  options.partition_posts_max = 3'000;
  return options;
}

TEST(StoreMigrationTest, MovesOldPostsIntoPartitions) {
  TempDir dir;
  ManualClock clock{from_millis(1'700'000'000'000)};
  make_old_folder(dir.path(), clock);
  StoreOptions options = small_partitions(dir.path());
  std::vector<std::string> said;
  options.say = [&](const std::string& what) { said.push_back(what); };
  auto store = open_store(options, clock);
  ASSERT_NE(store, nullptr);
  expect_everything(*store);
  EXPECT_EQ(store->stats().partitions, 8U) << "7 with the old posts and the open one";
  EXPECT_FALSE(std::filesystem::exists(old_search_path(dir.path())));
  EXPECT_LT(std::filesystem::file_size(posts_path(dir.path())), 1U << 20);
  ASSERT_GE(said.size(), 2U);
  EXPECT_THAT(said[1], HasSubstr("moved posts 1 to 3000 into partition 1"));
  // Ids are still known, new posts follow, searches find.
  auto posts = make_posts(3, "b4000_");
  posts.push_back(make_post("new", "新"));
  const auto appended = store->append(posts, labels());
  ASSERT_EQ(problem(appended), "");
  EXPECT_FALSE((*appended)[0].is_new);
  EXPECT_EQ((*appended)[3].sequence.value, static_cast<std::uint64_t>(kPosts) + 1);
  EXPECT_EQ(store->stats().index_lag_posts, static_cast<std::uint64_t>(kPosts) + 1);
  ASSERT_EQ(problem(store->index_now()), "");
  EXPECT_EQ(store->posts({.q = "真好1234", .limit = 100})->posts.size(), 10U);
  said.clear();
  store.reset();
  store = open_store(options, clock);
  EXPECT_TRUE(said.empty()) << "there is nothing to move any more";
}

TEST(StoreMigrationTest, AnEmptyOldFolderIsMovedToo) {
  TempDir dir;
  ManualClock clock{from_millis(1'700'000'000'000)};
  open_store(quiet_options(dir.path()), clock).reset();
  {
    auto db = Database::open(posts_path(dir.path()), Database::Mode::kReadWrite, "unix");
    ASSERT_EQ(problem((*db)->exec("CREATE TABLE posts(sequence INTEGER PRIMARY KEY);"
                                  "CREATE TABLE post_blocks(block INTEGER PRIMARY KEY);"
                                  "INSERT INTO meta VALUES('floor', 500);"
                                  "DROP TABLE partitions;"
                                  "UPDATE meta SET value=2 WHERE name='schema_version'")),
              "");
  }
  remove_partition_files(dir.path(), 1);
  auto store = open_store(quiet_options(dir.path()), clock);
  ASSERT_NE(store, nullptr);
  auto posts = make_posts(1);
  EXPECT_EQ((*store->append(posts, labels()))[0].sequence.value, 501U) << "sequences go on";
}

// An old posts.db put back into a folder that went on since: what only the partitions hold stays.
TEST(StoreMigrationTest, RefusesPartitionsThatAreNewerThanTheOldPosts) {
  ManualClock clock{from_millis(1'700'000'000'000)};
  for (const std::int64_t number : {1, 2}) {
    TempDir dir;
    make_old_folder(dir.path(), clock);
    const auto old = dir.path() / "backup";
    std::filesystem::copy_file(posts_path(dir.path()), old);
    {
      auto store = open_store(quiet_options(dir.path()), clock);  // moves all into partition 1
      auto posts = make_posts(10, "newer");
      ASSERT_EQ(problem(store->append(posts, labels())), "");
    }
    remove_database_files(posts_path(dir.path()));
    std::filesystem::rename(old, posts_path(dir.path()));
    const auto path = partition_posts_path(dir.path(), 2);
    const auto first = partition_posts_path(dir.path(), 1);
    if (number == 1) std::filesystem::rename(path, first);  // newer posts in the next of a move
    const auto opened = Store::open(quiet_options(dir.path()), clock);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, Code::kDataLoss);
    EXPECT_THAT(opened.error().message, HasSubstr("holds posts that posts.db does not know of"));
    EXPECT_TRUE(std::filesystem::exists(first)) << "nothing is removed before all are looked at";
    EXPECT_EQ(std::filesystem::exists(path), number == 2);
  }
}

// Dies as by kill -9 at the n-th write or sync.
class Killer final : public FileHooks {
 public:
  explicit Killer(std::int64_t after) : left_(after) {}
  int before_write(const std::string& /*file*/, std::int64_t /*offset*/, int /*size*/) override {
    return count();
  }
  int before_sync(const std::string& /*file*/) override { return count(); }

 private:
  int count() {
    if (left_.fetch_sub(1) <= 0) ::kill(::getpid(), SIGKILL);
    return SQLITE_OK;
  }
  std::atomic<std::int64_t> left_;
};

TEST(StoreMigrationTest, MayBeKilledAtAnyMoment) {
  constexpr unsigned kSeed = 20261125;
  std::mt19937 random(kSeed);
  TempDir dir;
  ManualClock clock{from_millis(1'700'000'000'000)};
  make_old_folder(dir.path(), clock);
  int kills = 0;
  for (bool done = false; !done;) {
    const auto after = static_cast<std::int64_t>(20 + random() % 300);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Killer killer(after);
      StoreOptions options = small_partitions(dir.path());
      options.hooks = &killer;
      auto store = Store::open(options, clock);
      ::_exit(store.ok() ? 0 : 3);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    done = WIFEXITED(status);
    if (done) {
      ASSERT_EQ(WEXITSTATUS(status), 0) << "seed " << kSeed << ": it did not open";
    } else {
      ++kills;
    }
    ASSERT_LT(kills, 1'000);
  }
  EXPECT_GT(kills, 10);
  auto store = open_store(small_partitions(dir.path()), clock);
  ASSERT_NE(store, nullptr);
  expect_everything(*store);
}

// A full disk ends the move with a clear error; afterwards it goes on.
class FullDisk final : public FileHooks {
 public:
  int before_write(const std::string& /*file*/, std::int64_t /*offset*/, int /*size*/) override {
    return writes_left.fetch_sub(1) > 0 ? SQLITE_OK : SQLITE_FULL;
  }
  std::atomic<std::int64_t> writes_left{0};
};

TEST(StoreMigrationTest, AFullDiskLosesNothing) {
  TempDir dir;
  ManualClock clock{from_millis(1'700'000'000'000)};
  make_old_folder(dir.path(), clock);
  FullDisk disk;
  StoreOptions options = small_partitions(dir.path());
  options.hooks = &disk;
  int failures = 0;
  for (std::int64_t writes = 10;; writes = writes * 3 / 2) {
    disk.writes_left = writes;
    auto opened = Store::open(options, clock);
    disk.writes_left = 1LL << 60;
    if (opened.ok()) {
      expect_everything(**opened);
      break;
    }
    EXPECT_EQ(opened.error().code, Code::kResourceExhausted) << opened.error().message;
    EXPECT_THAT(opened.error().message, HasSubstr("free some space"));
    ++failures;
  }
  EXPECT_GT(failures, 5);
}

}  // namespace
}  // namespace tidewatch::store_test

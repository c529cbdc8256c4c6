// SPDX-License-Identifier: Apache-2.0
#include "store/recent_texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "store/block_map.h"
#include "store/schema.h"
#include "store/sqlite.h"
#include "store/store_test_support.h"

namespace tidewatch::store_test {
namespace {

using std::chrono::hours;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RecentTextsTest, ReadsBesideTheEngineByTheTimeOfStoring) {
  const TempDir dir;
  ManualClock clock(from_millis(1'700'000'000'000));
  const auto store = open_store(quiet_options(dir.path()), clock);
  // A first block of old posts, all but one empty: sequences 1 to 4,095.
  std::vector<ScoredPost> old{make_post("old", "旧")};
  while (old.size() < static_cast<std::size_t>(kBlockPosts) - 1) {
    old.push_back(make_post("e" + std::to_string(old.size()), ""));
  }
  ASSERT_TRUE(store->append(old, labels()).ok());
  clock.advance(hours{48});
  std::vector<ScoredPost> fresh{make_post("a", "新一"), make_post("b", ""), make_post("c", "新二")};
  ASSERT_TRUE(store->append(fresh, labels()).ok());

  std::vector<std::string> seen;
  const auto see = [&](std::string_view text) {
    seen.emplace_back(text);
    return true;
  };
  const auto recent = read_recent_texts(dir.path(), clock.wall_now() - hours{24}, see);
  ASSERT_TRUE(recent.ok()) << recent.error().message;
  EXPECT_EQ(*recent, 2U);
  EXPECT_THAT(seen, ElementsAre("新一", "新二"));
  seen.clear();
  ASSERT_TRUE(read_recent_texts(dir.path(), clock.wall_now() - hours{72}, see).ok());
  EXPECT_THAT(seen, ElementsAre("旧", "新一", "新二"));
  EXPECT_EQ(*read_recent_texts(dir.path(), clock.wall_now() + hours{1}, see), 0U);
  // It stops when told to, and the store goes on writing.
  EXPECT_EQ(*read_recent_texts(dir.path(), {}, [](std::string_view) { return false; }), 1U);
  std::vector<ScoredPost> more{make_post("d", "再")};
  EXPECT_TRUE(store->append(more, labels()).ok());
}

TEST(RecentTextsTest, SaysWhatIsWrong) {
  const TempDir dir;
  const auto see = [](std::string_view) { return true; };
  const auto none = read_recent_texts(dir.path(), {}, see);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_THAT(none.error().message, HasSubstr("--data-dir"));
  ManualClock clock(from_millis(1'700'000'000'000));
  open_store(quiet_options(dir.path()), clock).reset();
  const auto at_schema = [&](const std::string& schema) {
    auto db = Database::open(posts_path(dir.path()), Database::Mode::kReadWrite, "unix");
    EXPECT_TRUE(
        (*db)->exec("UPDATE meta SET value=" + schema + " WHERE name='schema_version'").ok());
    db->reset();
    return read_recent_texts(dir.path(), {}, see).error().message;
  };
  EXPECT_THAT(at_schema("2"), HasSubstr("start this version's engine once on this folder"));
  EXPECT_THAT(at_schema("99"), HasSubstr("use the Tidewatch that wrote it"));
  std::ofstream(dir.path() / "posts.db") << std::string(8'192, 'x');
  EXPECT_EQ(read_recent_texts(dir.path(), {}, see).error().code, Code::kDataLoss);
}

}  // namespace
}  // namespace tidewatch::store_test

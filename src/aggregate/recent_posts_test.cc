// SPDX-License-Identifier: Apache-2.0
#include "aggregate/recent_posts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidewatch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RecentPostsTest : public ::testing::Test {
 protected:
  void add(std::string id, std::string author, std::string repost_of = "", std::int64_t second = 10,
           std::vector<KeyId> keys = {KeyId{1}}) {
    Post post;
    post.id = std::move(id);
    post.author = std::move(author);
    post.repost_of = std::move(repost_of);
    recent_.add(post, second, keys);
  }
  RecentPosts recent_{100};
};

TEST_F(RecentPostsTest, NamesThoseWhoPostAndThoseWhoAreReposted) {
  add("a1", "ann");
  add("a2", "ann");
  add("a3", "ann");
  add("b1", "bob");
  for (int i = 0; i < 6; ++i) add("r" + std::to_string(i), "r" + std::to_string(i), "b1");
  add("b2", "bob", "b1");  // one's own does not count
  add("n", "");
  const WaveShape shape = recent_.shape(KeyId{1}, 0);
  EXPECT_EQ(shape.posts, 12U);
  EXPECT_THAT(shape.accounts, ElementsAre(WaveAccount{"bob", 2, 6}, WaveAccount{"ann", 3, 0}));
}

TEST_F(RecentPostsTest, MeasuresTheLargestCascade) {
  // root ─ a ─ c ─ d      and another, smaller one
  //      └ b ┘ e, f (under a)
  add("root", "x");
  add("a", "1", "root");
  add("b", "2", "root");
  add("c", "3", "a");
  add("e", "4", "a");
  add("f", "5", "a");
  add("d", "6", "c");
  for (const char* id : {"y1", "y2", "y3"}) add(id, "7", "other");
  EXPECT_EQ(recent_.shape(KeyId{1}, 0).cascade, (WaveCascade{"root", 6, 3, 3}));
}

TEST_F(RecentPostsTest, ARootThatIsNotSeenIsStillOne) {
  for (const char* id : {"a", "b", "c", "d"}) add(id, id, "old");
  EXPECT_EQ(recent_.shape(KeyId{1}, 0).cascade, (WaveCascade{"old", 4, 1, 4}));
}

TEST_F(RecentPostsTest, LoopsAndSelfRepostsEnd) {
  add("a", "1", "b");
  add("b", "2", "a");
  add("c", "3", "c");
  add("d", "4", "a");
  EXPECT_LE(recent_.shape(KeyId{1}, 0).cascade.posts, 4U);
}

TEST_F(RecentPostsTest, LooksAtTheKeyAndTheTimeAlone) {
  add("a", "ann", "", 9);
  add("b", "ann", "", 10);
  add("c", "ann", "", 11, {KeyId{2}, KeyId{1}});
  add("d", "ann", "", 11, {KeyId{2}});
  add("e", "ann", "", 11, {});
  EXPECT_EQ(recent_.shape(KeyId{1}, 10).posts, 2U);
  EXPECT_EQ(recent_.shape(KeyId{2}, 0).posts, 2U);
  EXPECT_EQ(recent_.shape(KeyId{3}, 0).posts, 0U);
  EXPECT_THAT(recent_.shape(KeyId{3}, 0).accounts, IsEmpty());
}

TEST_F(RecentPostsTest, IsBounded) {
  for (int i = 0; i < 1'000; ++i) add(std::to_string(i), "a" + std::to_string(i % 7));
  EXPECT_EQ(recent_.shape(KeyId{1}, 0).posts, 100U);
  EXPECT_THAT(recent_.shape(KeyId{1}, 0).accounts, SizeIs(kWaveAccountsMax));
  RecentPosts none(0);
  none.add(Post{}, 0, {});
  EXPECT_EQ(none.shape(KeyId{1}, 0).posts, 0U);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
// Random work on a store, step by step against a slow exact model of it in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "query/match_query.h"
#include "store/block_map.h"
#include "store/search_query.h"
#include "store/store.h"
#include "store/store_test_support.h"
#include "store/sync_vfs.h"

namespace tidewatch::store_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::ElementsAreArray;

// Fails the n-th write from now on, and those after it, until told otherwise.
class FlakyDisk final : public FileHooks {
 public:
  int before_write(const std::string& /*file*/, std::int64_t /*offset*/, int /*size*/) override {
    return writes_left.fetch_sub(1) > 0 ? SQLITE_OK : SQLITE_FULL;
  }
  static constexpr std::int64_t kNever = 1LL << 60;
  std::atomic<std::int64_t> writes_left{kNever};
};

struct ModelPost {
  ScoredPost post;
  EventTime stored_at;
};

class Simulation {
 public:
  explicit Simulation(unsigned seed) : random_(seed) {
    options_ = quiet_options(dir_.path());
    options_.hooks = &disk_;
    options_.retention = hours{10};
    options_.partition_posts_max = 700;
    options_.wal_bytes_max = 1U << 20;        // fold it often
    options_.tail_scan_posts_max = 1U << 20;  // so that searches see everything
    store_ = open_store(options_, clock_);
  }

  void run(int steps) {
    for (step_ = 0; step_ < steps && !::testing::Test::HasFailure(); ++step_) {
      const unsigned dice = below(100);
      if (dice < 35)
        append(false);
      else if (dice < 40)
        append(true);
      else if (dice < 70)
        query();
      else if (dice < 80)
        index();
      else if (dice < 85)
        minutes();
      else if (dice < 90)
        series();
      else if (dice < 93)
        retain();
      else if (dice < 95)
        reopen();
      else
        clock_.advance(std::chrono::minutes{below(120)});
    }
    retain();
    EXPECT_EQ(problem(store_->check()), "") << where();
    everything();
    EXPECT_GT(last_, 5'000U) << "the simulation does too little";
    EXPECT_GT(failures_, 0) << "the disk never failed";
  }

 private:
  unsigned below(unsigned end) { return static_cast<unsigned>(random_() % end); }
  std::string where() const { return "step " + std::to_string(step_); }

  ScoredPost random_post() {
    static const std::vector<std::string> pieces = {"转",  "发",   "微", "博", "退", "款",
                                                    "new", "york", " ",  ",",  "#",  "@"};
    std::string text;
    for (unsigned length = below(12); length > 0; --length) {
      text += pieces[below(static_cast<unsigned>(pieces.size()))];
    }
    ScoredPost post = make_post("id" + std::to_string(below(40'000)), std::move(text),
                                static_cast<std::int64_t>(below(1'000'000)));
    if (below(3) > 0) post.post.author = "a" + std::to_string(below(30));
    if (below(3) > 0) post.post.region = below(2) > 0 ? "广东" : "北京";
    post.scores.emotion = static_cast<std::uint8_t>(below(6));
    post.scores.topic = below(4) == 0 ? kNoLabel : static_cast<std::uint8_t>(below(3));
    return post;
  }

  // With `flaky`, the disk fills up somewhere on the way: all of it is written or nothing.
  void append(bool flaky) {
    std::vector<ScoredPost> posts;
    for (unsigned count = below(600); count > 0; --count) posts.push_back(random_post());
    if (flaky) disk_.writes_left = below(40);
    const auto appended = store_->append(posts, labels());
    disk_.writes_left = FlakyDisk::kNever;
    failures_ += appended.ok() ? 0 : 1;
    if (!appended.ok()) {
      ASSERT_TRUE(flaky) << where() << ": " << appended.error().message;
      return;
    }
    ASSERT_EQ(appended->size(), posts.size());
    for (std::size_t i = 0; i < posts.size(); ++i) {
      const auto known = sequence_of_.find(posts[i].post.id);
      const bool is_new = known == sequence_of_.end();
      ASSERT_EQ((*appended)[i].is_new, is_new) << where() << " " << posts[i].post.id;
      const std::uint64_t sequence = is_new ? ++last_ : known->second;
      ASSERT_EQ((*appended)[i].sequence.value, sequence) << where();
      ASSERT_EQ(posts[i].sequence.value, sequence) << where();
      if (!is_new) continue;
      sequence_of_[posts[i].post.id] = sequence;
      posts_[sequence] = {posts[i], clock_.wall_now()};
    }
  }

  static bool fits(const PostQuery& query, const SearchQuery& words, const ScoredPost& scored) {
    const Post& post = scored.post;
    const PostRegion region = parse_region(post.region);
    if (query.region && !region_holds(parse_region(*query.region), region)) return false;
    if (query.author && post.author != *query.author) return false;
    const std::string topic{labels().topic_name(scored.scores.topic)};
    const std::string emotion{labels().emotion_name(scored.scores.emotion)};
    if (query.topic && topic != *query.topic) return false;
    if (query.emotion && emotion != *query.emotion) return false;
    if (query.since && post.time < *query.since) return false;
    if (query.until && post.time >= *query.until) return false;
    SearchText text;
    text.set(post.text);
    return words.matches({post.text, topic, emotion, region, post.source, post.author}, text);
  }

  void query() {
    static const std::vector<std::string> queries = {"",
                                                     "转发",
                                                     "转",
                                                     "退款 new",
                                                     "\"new york\"",
                                                     "-转发",
                                                     "款 -微",
                                                     "#转发#",
                                                     "@转",
                                                     "(转发 OR 退款) -new",
                                                     "转 NEAR/2 款",
                                                     "/退.?款/",
                                                     "emotion:sad 转",
                                                     "region:广东 NOT author:a1",
                                                     "退款 -(微博 OR york)"};
    PostQuery query;
    query.q = queries[below(static_cast<unsigned>(queries.size()))];
    if (below(4) == 0) query.region = below(2) > 0 ? "广东" : "unknown";
    if (below(4) == 0) query.author = "a" + std::to_string(below(35));
    if (below(4) == 0) query.topic = below(2) > 0 ? "sport" : "unknown";
    if (below(4) == 0) query.emotion = "sad";
    if (below(4) == 0) query.since = from_millis(below(1'000'000));
    if (below(4) == 0) query.until = from_millis(below(1'000'000));
    if (below(3) == 0) query.before = {1 + below(static_cast<unsigned>(last_ + 2))};
    query.limit = 1 + below(80);
    const auto words = SearchQuery::parse(query.q, nullptr);
    ASSERT_TRUE(words.ok());
    std::vector<std::string> expected;
    for (auto post = posts_.rbegin(); post != posts_.rend() && expected.size() <= query.limit;
         ++post) {
      const bool older = query.before.value == 0 || post->first < query.before.value;
      if (older && fits(query, *words, post->second.post)) {
        expected.push_back(post->second.post.post.id);
      }
    }
    const bool more = expected.size() > query.limit;
    if (more) expected.pop_back();
    const auto page = store_->posts(query);
    ASSERT_EQ(problem(page), "") << where();
    EXPECT_THAT(ids_of(*page), ElementsAreArray(expected)) << where() << " q: " << query.q;
    EXPECT_EQ(page->next.has_value(), more) << where();
    EXPECT_EQ(page->index_lag_posts, 0U) << where();
  }

  void index() {
    const bool flaky = below(3) == 0;
    if (flaky) disk_.writes_left = below(300);
    const Status indexed = store_->index_now();
    disk_.writes_left = FlakyDisk::kNever;
    EXPECT_TRUE(indexed.ok() || flaky) << where() << ": " << problem(indexed);
    if (indexed.ok()) {
      EXPECT_EQ(store_->stats().index_lag_posts, 0U) << where();
    }
  }

  void minutes() {
    std::vector<MinuteCounts> counts(below(50));
    for (MinuteCounts& one : counts) {
      one.key = "k" + std::to_string(below(4));
      one.minute = 60 * static_cast<std::int64_t>(below(4'000));
      one.counts.posts = below(1'000);
      one.counts.emotions[4] = below(500);
    }
    ASSERT_EQ(problem(store_->put_minutes(counts, labels())), "") << where();
    for (const MinuteCounts& one : counts) {
      minutes_[{one.key, one.minute}] = one;
      day_stored_at_[one.minute / 86'400] = clock_.wall_now();
    }
  }

  void series() {
    const std::string key = "k" + std::to_string(below(4));
    const std::int64_t step = std::int64_t{60} * (1 + below(90));
    const std::int64_t since = below(240'000) / step * step;
    const std::int64_t until = since + step * (1 + below(100));
    std::map<std::int64_t, std::pair<std::uint64_t, std::uint64_t>> expected;
    for (const auto& [place, one] : minutes_) {
      if (place.first != key || place.second < since || place.second >= until) continue;
      auto& [posts, sad] = expected[place.second / step * step];
      posts += one.counts.posts;
      sad += one.counts.emotions[4];
    }
    const auto points =
        store_->series(key, from_millis(since * 1'000), from_millis(until * 1'000), seconds{step});
    ASSERT_EQ(problem(points), "") << where();
    ASSERT_EQ(points->size(), expected.size()) << where();
    auto want = expected.begin();
    for (const SeriesPoint& point : *points) {
      EXPECT_EQ(point.time, from_millis(want->first * 1'000)) << where();
      EXPECT_EQ(point.posts, want->second.first) << where();
      EXPECT_EQ(point.emotions.empty() ? 0 : point.emotions[0].second, want->second.second)
          << where();
      ++want;
    }
  }

  // Partitions go once the youngest post of them is old enough, and with them all before. Which
  // posts make up a partition the store decides; what is gone must have been old, and of what is
  // there the oldest partition must have something young in it.
  void retain() {
    if (below(2) == 0) compact();
    ASSERT_EQ(problem(store_->retain_now()), "") << where();
    const EventTime old = clock_.wall_now() - options_.retention;
    const StoreStats stats = store_->stats();
    while (!posts_.empty() && (stats.posts == 0 || posts_.begin()->first < stats.first.value)) {
      EXPECT_LT(posts_.begin()->second.stored_at, old) << where() << ": removed too early";
      sequence_of_.erase(posts_.begin()->second.post.post.id);
      posts_.erase(posts_.begin());
    }
    // A partition holds at most 700 posts and one append.
    std::size_t old_posts = 0;
    for (const auto& [sequence, post] : posts_) old_posts += post.stored_at < old ? 1 : 0;
    EXPECT_LE(old_posts, 1'300U) << where() << ": more than one partition is too old";
    std::erase_if(minutes_,
                  [&](const auto& one) { return day_stored_at_[one.first.second / 86'400] < old; });
    EXPECT_EQ(stats.posts, posts_.size()) << where();
    EXPECT_EQ(stats.first.value, posts_.empty() ? 0 : posts_.begin()->first) << where();
  }

  void compact() {
    const bool flaky = below(3) == 0;
    if (flaky) disk_.writes_left = below(100);
    const Status compacted = store_->compact_now();
    disk_.writes_left = FlakyDisk::kNever;
    EXPECT_TRUE(compacted.ok() || flaky) << where() << ": " << problem(compacted);
  }

  void reopen() {
    store_.reset();
    store_ = open_store(options_, clock_);
    ASSERT_NE(store_, nullptr) << where();
    EXPECT_EQ(store_->stats().posts, posts_.size()) << where();
  }

  void everything() {
    auto expected = posts_.begin();
    const auto compare = [&](const StoredPost& stored) {
      EXPECT_NE(expected, posts_.end());
      EXPECT_EQ(stored.sequence.value, expected->first);
      EXPECT_EQ(stored.post.id, expected->second.post.post.id);
      EXPECT_EQ(stored.post.text, expected->second.post.post.text);
      EXPECT_EQ(stored.post.time, expected->second.post.post.time);
      EXPECT_EQ(stored.emotion, labels().emotion_name(expected->second.post.scores.emotion));
      ++expected;
      return !::testing::Test::HasFailure();
    };
    ASSERT_EQ(problem(store_->scan_posts({}, EventTime::min(), compare)), "");
    EXPECT_EQ(expected, posts_.end());
  }

  TempDir dir_;
  ManualClock clock_{from_millis(1'700'000'000'000)};
  FlakyDisk disk_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
  std::mt19937_64 random_;
  int step_ = 0;
  int failures_ = 0;

  std::map<std::uint64_t, ModelPost> posts_;
  std::map<std::string, std::uint64_t> sequence_of_;
  std::uint64_t last_ = 0;
  std::map<std::pair<std::string, std::int64_t>, MinuteCounts> minutes_;
  std::map<std::int64_t, EventTime> day_stored_at_;
};

TEST(StoreSimulationTest, AgreesWithAModelInMemory) {
  for (const unsigned seed : {1U, 2U, 20261123U}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation(seed).run(200);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace tidewatch::store_test

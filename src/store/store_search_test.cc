// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "store/search_query.h"
#include "store/store.h"
#include "store/store_test_support.h"

namespace tidewatch::store_test {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StoreSearchTest : public ::testing::Test {
 protected:
  static std::vector<std::string> find(Store& store, const PostQuery& query) {
    const auto page = store.posts(query);
    EXPECT_EQ(problem(page), "") << query.q;
    return page.ok() ? ids_of(*page) : std::vector<std::string>{};
  }
  TempDir dir_;
  ManualClock clock_{from_millis(1'700'000'000'000)};
};

struct SearchCase {
  const char* name;
  std::string query;
  std::vector<std::string> ids;  // newest first
};

// Each query runs twice: over posts that the index does not have yet, and through the index.
TEST_F(StoreSearchTest, FindsWhatPeopleTypeAndNothingElse) {
  const std::vector<std::pair<const char*, std::string>> texts = {
      {"repost", "转发微博"},
      {"refund", "退款三天了还没到账,客服不理人 #退款难#"},
      {"phone", "新买的iPhone17手机 真香"},
      {"fullwidth", "ｉＰＨＯＮＥ１７ 也太贵了吧"},
      {"york", "I love New-York pizza"},
      {"york2", "york is not new"},
      {"emoji", "笑死我了\U0001F602\U0001F602 哈哈"},
      {"weather", "今天,天气真好"},
      {"name", "//@张三丰:支持!"},
      {"mention", "@张三 你好"},
      {"zhang", "张三来了"},
      {"operators", "NOT a AND b OR c NEAR d"},
      {"quotes", "他说\"不退款\"就投诉"},
      {"empty", ""},
      {"cafe", "CAFÉ 开业"},
      {"refund2", "退 款"},
  };
  const std::vector<SearchCase> cases = {
      {"two characters", "转发", {"repost"}},
      {"two characters inside", "发微", {"repost"}},
      {"one character", "款", {"refund2", "quotes", "refund"}},
      {"a longer word", "转发微博", {"repost"}},
      {"the same characters apart are no word", "发转", {}},
      {"not across punctuation", "天天", {}},
      {"a two-character word", "退款", {"quotes", "refund"}},
      {"words are AND", "退款 客服", {"refund"}},
      {"words in any order", "客服 退款", {"refund"}},
      {"NOT", "退款 -客服", {"quotes"}},
      {"NOT of a long word", "退款 -还没到账", {"quotes"}},
      {"only NOT of two",
       "-退款 -a -转 -i -iphone17 -天气 -张三 -张三丰 -哈哈 -not -款 -café",
       {"empty"}},
      {"English, any case", "IPHONE17", {"fullwidth", "phone"}},
      {"full-width query", "ｉｐｈｏｎｅ１７", {"fullwidth", "phone"}},
      {"no prefixes", "iphone", {}},
      {"mixed scripts", "iphone17手机", {"phone"}},
      {"mixed scripts, words", "手机 iphone17", {"phone"}},
      {"a phrase", "\"new york\"", {"york"}},
      {"words, not a phrase", "new york", {"york2", "york"}},
      {"a phrase in curly quotes", "“new york”", {"york"}},
      {"a hyphenated word is a phrase", "new-york", {"york"}},
      {"an unclosed phrase", "\"new york", {"york"}},
      {"emoji", "\U0001F602", {"emoji"}},
      {"emoji and text", "笑死我了\U0001F602", {"emoji"}},
      {"a hashtag", "#退款难#", {"refund"}},
      {"the word of a hashtag", "退款难", {"refund"}},
      {"a hashtag that is only a word there", "#退款#", {}},
      {"a name is not the beginning of another", "@张三", {"mention"}},
      {"the text of a name", "张三", {"zhang", "mention", "name"}},
      {"operators are text", "NOT AND OR NEAR", {"operators"}},
      {"operators are text, in part", "a AND pizza", {}},
      {"FTS5 syntax is text", "NEAR(d)", {"operators"}},
      {"FTS5 syntax is text, too", "a AND b OR c", {"operators"}},
      {"column filters are text", "terms:退款", {}},
      {"stars", "退款*", {"quotes", "refund"}},
      {"a quoted word", "\"不退款\"", {"quotes"}},
      {"accents", "café", {"cafe"}},
      {"only punctuation", "?!…", {}},
      {"only a minus", "-", {}},
      {"only quotes", "\"\"", {}},
      {"a quote in a word", "a\"b", {"operators"}},
      {"SQL", "'; DROP TABLE posts; --", {}},
      {"a phrase with a separator that the text lacks",
       "\"退,款\"",
       {"refund2", "quotes", "refund"}},
      {"control characters", std::string("退\0款", 7), {"refund2", "quotes", "refund"}},
      {"invalid UTF-8", "退款\xFF\xFE", {"quotes", "refund"}},
  };
  auto store = open_store(quiet_options(dir_.path()), clock_);
  std::vector<ScoredPost> posts;
  posts.reserve(texts.size());
  for (const auto& [id, text] : texts) posts.push_back(make_post(id, text));
  ASSERT_EQ(problem(store->append(posts, labels())), "");
  for (const char* way : {"scan", "index"}) {
    for (const SearchCase& c : cases) {
      EXPECT_THAT(find(*store, {.q = c.query}), ElementsAreArray(c.ids)) << way << ": " << c.name;
    }
    EXPECT_EQ(find(*store, {.q = ""}).size(), texts.size()) << way;
    EXPECT_EQ(find(*store, {.q = " \t　"}).size(), texts.size()) << way;
    ASSERT_EQ(problem(store->index_now()), "");
  }
}

TEST_F(StoreSearchTest, RefusesAQueryThatIsTooLong) {
  auto store = open_store(quiet_options(dir_.path()), clock_);
  std::string query;
  while (query.size() < (1U << 20)) query += "转发微博";
  const auto refused = store->posts({.q = query});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("q:"));
  // The longest that is allowed, all of different words.
  std::string longest;
  for (int i = 0; longest.size() < kSearchQueryBytesMax - 8; ++i)
    longest += std::to_string(i) + " ";
  std::vector<ScoredPost> posts = {make_post("all", longest), make_post("some", "0 1 2 3")};
  ASSERT_EQ(problem(store->append(posts, labels())), "");
  ASSERT_EQ(problem(store->index_now()), "");
  EXPECT_THAT(find(*store, {.q = longest}), ElementsAre("all"));
}

TEST_F(StoreSearchTest, RefusesAWrongLimit) {
  auto store = open_store(quiet_options(dir_.path()), clock_);
  EXPECT_FALSE(store->posts({.limit = 0}).ok());
  EXPECT_FALSE(store->posts({.limit = kPostQueryLimitMax + 1}).ok());
}

TEST_F(StoreSearchTest, CombinesFilters) {
  auto store = open_store(quiet_options(dir_.path()), clock_);
  std::vector<ScoredPost> posts;
  for (int i = 0; i < 40; ++i) {
    ScoredPost post =
        make_post(std::to_string(i), i % 2 == 0 ? "退款" : "天气", std::int64_t{i} * 1'000);
    post.post.author = "author" + std::to_string(i % 3);
    if (i % 5 != 0) post.post.region = i % 5 == 1 ? "广东" : "北京";
    post.scores.topic = static_cast<std::uint8_t>(i % 3);
    post.scores.emotion = static_cast<std::uint8_t>(i % 4);
    posts.push_back(std::move(post));
  }
  posts.push_back(make_post("bare", "", 40'000));
  ASSERT_EQ(problem(store->append(posts, labels())), "");
  for (const char* way : {"scan", "index"}) {
    EXPECT_THAT(find(*store, {.q = "退款", .region = "广东"}), ElementsAre("36", "26", "16", "6"))
        << way;
    EXPECT_THAT(find(*store, {.region = "unknown"}),
                ElementsAre("bare", "35", "30", "25", "20", "15", "10", "5", "0"))
        << way;
    EXPECT_THAT(find(*store, {.author = "author1", .since = from_millis(30'000)}),
                ElementsAre("37", "34", "31"))
        << way;
    EXPECT_THAT(find(*store, {.topic = "unknown"}), ElementsAre("bare")) << way;
    EXPECT_THAT(find(*store, {.topic = "finance", .emotion = "angry"}),
                ElementsAre("36", "24", "12", "0"))
        << way;
    EXPECT_THAT(find(*store, {.since = from_millis(3'000), .until = from_millis(5'000)}),
                ElementsAre("4", "3"))
        << way;
    EXPECT_THAT(find(*store, {.q = "天气", .until = from_millis(4'000)}), ElementsAre("3", "1"))
        << way;
    EXPECT_THAT(find(*store, {.author = ""}), ElementsAre("bare")) << way;
    EXPECT_THAT(find(*store, {.topic = "no such topic"}), IsEmpty()) << way;
    EXPECT_THAT(find(*store, {.author = "a\" OR \"b"}), IsEmpty()) << way;
    EXPECT_THAT(find(*store, {.since = from_millis(99'000)}), IsEmpty()) << way;
    ASSERT_EQ(problem(store->index_now()), "");
  }
}

// Words of a text must not be taken for the fields that are indexed beside it.
TEST_F(StoreSearchTest, TextCannotPretendToBeAField) {
  auto store = open_store(quiet_options(dir_.path()), clock_);
  std::vector<ScoredPost> posts = {make_post("fake",
                                             "x\x1E"
                                             "a=boss\x1E r=火星 a=boss")};
  posts[0].post.author = "nobody";
  ASSERT_EQ(problem(store->append(posts, labels())), "");
  ASSERT_EQ(problem(store->index_now()), "");
  EXPECT_THAT(find(*store, {.author = "boss"}), IsEmpty());
  EXPECT_THAT(find(*store, {.region = "火星"}), IsEmpty());
  EXPECT_THAT(find(*store, {.author = "nobody"}), ElementsAre("fake"));
}

TEST_F(StoreSearchTest, PagesByKeyset) {
  StoreOptions options = quiet_options(dir_.path());
  options.index_shard_posts = 100;
  auto store = open_store(options, clock_);
  auto posts = make_posts(1'000);
  ASSERT_EQ(problem(store->append(std::span(posts).first(900), labels())), "");
  ASSERT_EQ(problem(store->index_now()), "");
  ASSERT_EQ(problem(store->append(std::span(posts).last(100), labels())), "");
  for (const char* q : {"天气", ""}) {
    PostQuery query{.q = q, .limit = 37};
    std::uint64_t expected = 1'000;
    for (bool more = true; more;) {
      const auto page = store->posts(query);
      ASSERT_EQ(problem(page), "");
      for (const StoredPost& stored : page->posts) ASSERT_EQ(stored.sequence.value, expected--);
      more = page->next.has_value();
      if (more) query.before = *page->next;
    }
    EXPECT_EQ(expected, 0U) << q;
  }
  EXPECT_FALSE(store->posts({.q = "天气", .limit = 1'000})->next.has_value()) << "exactly all";
}

// A clock that moves by itself: one millisecond at every look.
class ImpatientClock final : public Clock {
 public:
  EventTime wall_now() const override { return from_millis(1'700'000'000'000); }
  SteadyTime steady_now() const override { return SteadyTime{std::chrono::milliseconds{++looks_}}; }

 private:
  mutable std::atomic<std::int64_t> looks_{0};
};

TEST_F(StoreSearchTest, EndsASearchThatTakesTooLong) {
  const ImpatientClock clock;
  StoreOptions options = quiet_options(dir_.path());
  options.query_time_max = std::chrono::milliseconds{50};
  auto store = open_store(options, clock);
  auto posts = make_posts(5'000);
  ASSERT_EQ(problem(store->append(posts, labels())), "");
  for (const char* way : {"scan", "index"}) {
    const auto slow = store->posts({.q = "天气", .author = "nobody", .limit = 10});
    const auto slow_scan = store->posts({.q = "-天气", .limit = 10});
    ASSERT_FALSE(slow_scan.ok()) << way;
    EXPECT_EQ(slow_scan.error().code, Code::kDeadlineExceeded) << way;
    EXPECT_THAT(slow_scan.error().message, HasSubstr("limit")) << way;
    if (std::string(way) == "scan") {
      EXPECT_FALSE(slow.ok());
    }
    // The reader is fit for the next query.
    EXPECT_EQ(find(*store, {.q = "天气", .limit = 3}).size(), 3U) << way;
    ASSERT_EQ(problem(store->index_now()), "");
  }
}

// The index only narrows down: whatever is asked, its answer is that of looking at every post.
TEST_F(StoreSearchTest, AgreesWithLookingAtEveryPost) {
  constexpr unsigned kSeed = 20261123;
  std::mt19937 random(kSeed);
  const std::vector<std::string> pieces = {"转",  "发",         "微", "博", "退", "款",
                                           "new", "York",       "7",  " ",  ",",  "#",
                                           "@",   "\U0001F602", "-",  "\"", "Ａ"};
  const auto random_text = [&](unsigned length_max) {
    std::string text;
    for (std::size_t length = random() % length_max; length > 0; --length) {
      text += pieces[random() % pieces.size()];
    }
    return text;
  };
  StoreOptions options = quiet_options(dir_.path());
  options.index_shard_posts = 300;
  auto store = open_store(options, clock_);
  std::vector<ScoredPost> posts;
  posts.reserve(1'000);
  for (int i = 0; i < 1'000; ++i) posts.push_back(make_post(std::to_string(i), random_text(20)));
  ASSERT_EQ(problem(store->append(posts, labels())), "");
  ASSERT_EQ(problem(store->index_now()), "");
  FoldedText folded;
  for (int round = 0; round < 500; ++round) {
    const std::string q = random_text(5);
    const auto parsed = parse_search_query(q);
    ASSERT_TRUE(parsed.ok());
    std::vector<std::string> expected;
    for (auto post = posts.rbegin(); post != posts.rend() && !parsed->finds_nothing(); ++post) {
      fold_text(post->post.text, folded);
      if (matches(*parsed, folded)) expected.push_back(post->post.id);
    }
    EXPECT_THAT(find(*store, {.q = q, .limit = 1'000}), ElementsAreArray(expected))
        << "seed " << kSeed << " round " << round << " q: " << q;
  }
}

}  // namespace
}  // namespace tidewatch::store_test

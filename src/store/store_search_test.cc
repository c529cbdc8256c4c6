// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
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
      {"emoji", "\U0001F602", {"emoji"}},
      {"emoji and text", "笑死我了\U0001F602", {"emoji"}},
      {"a hashtag", "#退款难#", {"refund"}},
      {"the word of a hashtag", "退款难", {"refund"}},
      {"a hashtag that is only a word there", "#退款#", {}},
      {"a name is not the beginning of another", "@张三", {"mention"}},
      {"the text of a name", "张三", {"zhang", "mention", "name"}},
      {"operators in quotes are text", "\"NOT\" \"AND\"", {"operators"}},
      {"lower-case operators are text", "or not", {"operators"}},
      {"OR", "客服 OR 转发", {"refund", "repost"}},
      {"brackets", "(客服 OR 投诉) 退款", {"quotes", "refund"}},
      {"NOT as a word", "退款 NOT 客服", {"quotes"}},
      {"AND", "退款 AND 客服", {"refund"}},
      {"NEAR", "退款 NEAR/4 到账", {}},
      {"NEAR, further", "到账 NEAR/7 退款", {"refund"}},
      {"a regular expression", "/退 ?款/", {"refund2", "quotes", "refund"}},
      {"a regular expression within words", "/phone1[0-9]/", {"fullwidth", "phone"}},
      {"a field", "emotion:neutral", {"empty"}},
      {"a field and a word", "emotion:angry 退款 -客服", {"quotes"}},
      {"without a field", "-emotion:angry", {"empty"}},
      {"without any of several", "款 -(客服 OR 投诉)", {"refund2"}},
      {"stars", "退款*", {"quotes", "refund"}},
      {"a quoted word", "\"不退款\"", {"quotes"}},
      {"accents", "café", {"cafe"}},
      {"a quote in a word", "a\"b\"", {"operators"}},
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

// As POST /v1/rules/validate says it.
TEST_F(StoreSearchTest, SaysWhatIsWrongWithAQuery) {
  auto store = open_store(quiet_options(dir_.path()), clock_);
  auto names =
      std::make_shared<SearchNames>(SearchNames{*TopicTree::create(labels(), {}), labels()});
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"退款 OR", "q: column 6: the query ends where a word should stand; write one"},
      {"退款 (客服", "q: column 4: this ( is never closed; write )"},
      {"\"new york", "q: column 1: this quote is never closed"},
      {"退款 reigon:广东", "q: column 4: 'reigon:' is not a field; fields are"},
      {"/[/", "q: column 1: not a regular expression"},
      {"?!…", "q: column 1: there is nothing to look for"},
      {"a topic:nothing", "'nothing' is no topic; topics are economy, finance"},
      {std::string(kQueryBytesMax + 1, 'a'), "q: column 1: the query is 4097 bytes long"},
  };
  for (const auto& [q, message] : wrong) {
    const auto refused = store->posts({.q = q, .names = names});
    ASSERT_FALSE(refused.ok()) << q;
    EXPECT_EQ(refused.error().code, Code::kInvalidArgument) << q;
    EXPECT_THAT(refused.error().message, HasSubstr(message)) << q;
  }
}

// Names of groups and sets, where the engine gives the store names to look up.
TEST_F(StoreSearchTest, LooksNamesUp) {
  auto store = open_store(quiet_options(dir_.path()), clock_);
  auto tree = TopicTree::create(labels(), {{"money", {"finance", "sport"}}});
  ASSERT_EQ(problem(tree), "");
  auto names = std::make_shared<SearchNames>(SearchNames{*tree, labels()});
  std::vector<ScoredPost> posts;
  for (int i = 0; i < 6; ++i) {
    posts.push_back(make_post(std::to_string(i), "退款"));
    posts.back().scores.emotion = static_cast<std::uint8_t>(i);
    posts.back().scores.topic = static_cast<std::uint8_t>(i % 3);
  }
  ASSERT_EQ(problem(store->append(posts, labels())), "");
  for (const char* way : {"scan", "index"}) {
    EXPECT_THAT(find(*store, {.q = "emotion:negative", .names = names}), ElementsAre("4", "1", "0"))
        << way;
    EXPECT_THAT(find(*store, {.q = "topic:money -emotion:negative", .names = names}),
                ElementsAre("5", "3", "2"))
        << way;
    EXPECT_THAT(find(*store, {.topic = "money", .emotion = "negative", .names = names}),
                ElementsAre("0"))
        << way;
    ASSERT_EQ(problem(store->index_now()), "");
  }
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
  options.partition_posts_max = 100;
  auto store = open_store(options, clock_);
  auto posts = make_posts(1'000);
  for (std::size_t at = 0; at < 900; at += 90) {
    ASSERT_EQ(problem(store->append(std::span(posts).subspan(at, 90), labels())), "");
  }
  ASSERT_EQ(problem(store->index_now()), "");
  ASSERT_EQ(problem(store->append(std::span(posts).last(100), labels())), "");
  EXPECT_GE(store->stats().partitions, 5U);
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

// A search whose time is up says so and can be gone on with: in the end it has looked at
// everything.
TEST_F(StoreSearchTest, ASearchThatTakesTooLongIsGoneOnWith) {
  const ImpatientClock clock;
  StoreOptions options = quiet_options(dir_.path());
  options.query_time_max = std::chrono::milliseconds{50};
  options.partition_posts_max = 1'000;
  auto store = open_store(options, clock);
  for (int i = 0; i < 5; ++i) {
    auto posts = make_posts(1'000, "b" + std::to_string(i) + "_");
    if (i == 0) posts[3].post.text = "天暖";
    ASSERT_EQ(problem(store->append(posts, labels())), "");
  }
  for (const char* way : {"scan", "index"}) {
    PostQuery query{.q = "天 -天气", .limit = 10};
    std::vector<std::string> found;
    int pages = 0;
    bool complete = false;
    for (; !complete && pages < 1'000; ++pages) {
      const auto page = store->posts(query);
      ASSERT_EQ(problem(page), "") << way;
      for (const std::string& id : ids_of(*page)) found.push_back(id);
      complete = page->complete;
      ASSERT_EQ(page->next.has_value(), !complete) << way;
      EXPECT_TRUE(page->searched_from.has_value());
      if (!complete) query.before = *page->next;
    }
    EXPECT_TRUE(complete) << way;
    EXPECT_THAT(found, ElementsAre("b0_3")) << way;
    if (std::string(way) == "scan") {
      EXPECT_GT(pages, 3);
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
  const std::vector<std::string> operators = {" OR ", " NOT ",    " -",     "(",
                                              ")",    " NEAR/2 ", "/转.发/"};
  const auto random_text = [&](unsigned length_max) {
    std::string text;
    for (std::size_t length = random() % length_max; length > 0; --length) {
      text += pieces[random() % pieces.size()];
    }
    return text;
  };
  StoreOptions options = quiet_options(dir_.path());
  options.partition_posts_max = 300;
  auto store = open_store(options, clock_);
  std::vector<ScoredPost> posts;
  posts.reserve(1'000);
  for (int i = 0; i < 1'000; ++i) posts.push_back(make_post(std::to_string(i), random_text(20)));
  ASSERT_EQ(problem(store->append(posts, labels())), "");
  ASSERT_EQ(problem(store->index_now()), "");
  int asked = 0;
  for (int round = 0; round < 2'000; ++round) {
    std::string q = random_text(5);
    for (std::size_t more = random() % 3; more > 0; --more) {
      q += operators[random() % operators.size()] + random_text(4);
    }
    const auto parsed = SearchQuery::parse(q, nullptr);
    const auto page = store->posts({.q = q, .limit = 1'000});
    ASSERT_EQ(parsed.ok(), page.ok()) << q;
    if (!parsed.ok()) continue;
    ++asked;
    std::vector<std::string> expected;
    SearchText text;
    for (auto post = posts.rbegin(); post != posts.rend(); ++post) {
      text.set(post->post.text);
      if (parsed->matches({.text = post->post.text, .topic = "health", .emotion = "angry"}, text)) {
        expected.push_back(post->post.id);
      }
    }
    EXPECT_THAT(ids_of(*page), ElementsAreArray(expected))
        << "seed " << kSeed << " round " << round << " q: " << q;
  }
  EXPECT_GT(asked, 500);
}

// ---- summaries

TEST_F(StoreSearchTest, SummarisesWhatAQueryFinds) {
  auto names =
      std::make_shared<SearchNames>(SearchNames{*TopicTree::create(labels(), {}), labels()});
  StoreOptions options = quiet_options(dir_.path());
  options.partition_posts_max = 50;
  auto store = open_store(options, clock_);
  for (int batch = 0; batch < 3; ++batch) {
    std::vector<ScoredPost> posts;
    for (int i = batch * 40; i < batch * 40 + 40; ++i) {
      ScoredPost post = make_post(std::to_string(i), i % 2 == 0 ? "退款" : "天气", i * 1'000);
      post.post.author = "a" + std::to_string(i % 3);
      post.post.source = "weibo";
      if (i % 4 != 0) post.post.region = i % 4 == 1 ? "广东 深圳" : "广东省";
      post.scores.emotion = i % 10 == 0 ? 4 : 3;
      post.scores.topic = static_cast<std::uint8_t>(i % 3);
      posts.push_back(std::move(post));
    }
    ASSERT_EQ(problem(store->append(posts, labels())), "");
  }
  using Facet = PostSummary::Facet;
  for (const char* way : {"scan", "index"}) {
    SCOPED_TRACE(way);
    const auto all = store->summary({.names = names}, 12);
    ASSERT_EQ(problem(all), "");
    EXPECT_EQ(all->posts, 120U);
    EXPECT_TRUE(all->exact);
    EXPECT_EQ(all->bucket, std::chrono::seconds{10});
    ASSERT_EQ(all->histogram.size(), 12U);
    for (const PostSummary::Bucket& bucket : all->histogram) {
      EXPECT_EQ(bucket.posts, 10U);
      EXPECT_EQ(bucket.negative, 1U);
    }
    const auto some =
        store->summary({.q = "退款", .until = from_millis(60'000), .names = names}, 6);
    ASSERT_EQ(problem(some), "");
    EXPECT_EQ(some->posts, 30U);
    EXPECT_EQ(some->topics, (Facet{{"finance", 10}, {"health", 10}, {"sport", 10}}));
    EXPECT_EQ(some->regions, (Facet{{"unknown", 15}, {"广东", 15}}))
        << "cities count for provinces";
    EXPECT_EQ(some->emotions, (Facet{{"neutral", 24}, {"sad", 6}}));
    EXPECT_EQ(some->authors, (Facet{{"a0", 10}, {"a1", 10}, {"a2", 10}}));
    EXPECT_EQ(some->sources, (Facet{{"weibo", 30}}));
    EXPECT_EQ(store->summary({.q = "nothing"}, 5)->posts, 0U);
    EXPECT_EQ(store->summary({.since = from_millis(900'000)}, 5)->posts, 0U);
    ASSERT_EQ(problem(store->index_now()), "");
  }
  EXPECT_FALSE(store->summary({}, 0).ok());
  EXPECT_FALSE(store->summary({}, kSummaryBucketsMax + 1).ok());
  EXPECT_FALSE(store->summary({.q = "("}, 5).ok());
}

// More than are read: estimated from a sample, near the truth.
TEST_F(StoreSearchTest, EstimatesASummaryOfMany) {
  StoreOptions options = quiet_options(dir_.path());
  options.partition_posts_max = 20'000;
  auto store = open_store(options, clock_);
  constexpr int kPosts = 80'000;
  for (int begin = 0; begin < kPosts; begin += 20'000) {
    std::vector<ScoredPost> posts;
    for (int i = begin; i < begin + 20'000; ++i) {
      posts.push_back(make_post(std::to_string(i), i % 4 == 0 ? "退款" : "天气好", i));
      posts.back().scores.topic = static_cast<std::uint8_t>(i % 5 == 0 ? 0 : 1);
    }
    ASSERT_EQ(problem(store->append(posts, labels())), "");
  }
  ASSERT_EQ(problem(store->index_now()), "");
  for (const char* q : {"", "天气"}) {
    const double truth = *q == 0 ? kPosts : kPosts * 0.75;
    const auto summary = store->summary({.q = q}, 8);
    ASSERT_EQ(problem(summary), "");
    EXPECT_FALSE(summary->exact) << q;
    EXPECT_NEAR(static_cast<double>(summary->posts), truth, truth * 0.1) << q;
    ASSERT_FALSE(summary->topics.empty());
    EXPECT_EQ(summary->topics[0].first, "health");
    EXPECT_NEAR(static_cast<double>(summary->topics[0].second), truth * 0.8, truth * 0.1) << q;
    for (const PostSummary::Bucket& bucket : summary->histogram) {
      EXPECT_NEAR(static_cast<double>(bucket.posts), truth / 8, truth / 8 * 0.5) << q;
    }
  }
  EXPECT_TRUE(store->summary({.q = "天气", .until = from_millis(4'000)}, 8)->exact);
}

}  // namespace
}  // namespace tidewatch::store_test

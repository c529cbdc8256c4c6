// SPDX-License-Identifier: Apache-2.0
#include "aggregate/aggregator.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace tidewatch {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t kStart = 1'400'000'040;  // a whole minute
constexpr std::uint8_t kAngry = 0, kHappy = 1, kNeutral = 2;
constexpr std::uint8_t kFinance = 0, kSports = 1;

LabelSchema schema() {
  return {{"angry", "happy", "neutral"}, {true, false, false}, {"finance", "sports"}, kNeutral};
}

EventTime at(std::int64_t second) { return EventTime{seconds{kStart + second}}; }

ScoredPost post(std::int64_t second, std::string author, std::string text,
                std::uint8_t topic = kFinance, std::uint8_t emotion = kHappy,
                std::string region = "广东") {
  static std::uint64_t serial = 0;
  ScoredPost scored;
  scored.post.id = "p" + std::to_string(++serial);
  scored.post.time = at(second);
  scored.post.author = std::move(author);
  scored.post.text = std::move(text);
  scored.post.region = std::move(region);
  scored.scores.emotion = emotion;
  scored.scores.topic = topic;
  return scored;
}

ScoredPost bare(std::int64_t second, std::string author, std::string repost_of) {
  ScoredPost scored = post(second, std::move(author), "", kNoLabel, kNoLabel);
  scored.post.repost_of = std::move(repost_of);
  return scored;
}

// Everything that a list of posts gives, with keys in text form.
struct Told {
  explicit Told(AggregateOptions options = {}) : aggregator(std::move(options), schema()) {}

  void add(const ScoredPost& one) {
    ticks.clear();
    aggregator.add(one, ticks);
    note();
  }
  void advance_to(EventTime now) {
    ticks.clear();
    aggregator.advance_to(now, ticks);
    note();
  }
  void flush() {
    ticks.clear();
    aggregator.flush(ticks);
    note();
  }
  void note() {
    for (const Tick& tick : ticks) {
      num_ticks += 1;
      EXPECT_TRUE(seconds_seen.empty() || *seconds_seen.rbegin() < tick.second);
      seconds_seen.insert(tick.second);
      for (const KeyTick& key : tick.keys) {
        const KeyName* name = aggregator.name(key.key);
        ASSERT_NE(name, nullptr);
        counts[to_string(*name)] += key.counts;
      }
      evicted.insert(evicted.end(), tick.evicted.begin(), tick.evicted.end());
    }
  }
  KeyId id(const std::string& text) { return *aggregator.find(*parse_key(text)); }

  Aggregator aggregator;
  std::vector<Tick> ticks;
  std::map<std::string, KeyCounts> counts;
  std::set<std::int64_t> seconds_seen;
  std::vector<KeyId> evicted;
  std::size_t num_ticks = 0;
};

TEST(AggregatorTest, CountsTheKeysOfAPost) {
  AggregateOptions options;
  options.keywords = {"退款"};
  Told told(options);
  told.add(post(0, "a", "我要退款 #高考#", kFinance, kAngry));
  told.flush();
  std::vector<std::string> keys;
  for (const auto& [key, counts] : told.counts) {
    keys.push_back(key);
    EXPECT_EQ(counts, (KeyCounts{1, 1, 1, 1, 0, 1, 0, {1, 0, 0}})) << key;
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"#高考#", "*@*", "*@广东", "finance@*", "finance@广东",
                                            "kw:退款"}));
  EXPECT_EQ(told.aggregator.stats().keys, 6u);
}

TEST(AggregatorTest, TicksKeepTheOrderOfFirstAppearance) {
  Told told;
  told.add(post(0, "a", "x"));
  told.add(post(0, "b", "y", kSports));
  told.flush();
  ASSERT_EQ(told.ticks.size(), 1u);
  std::vector<std::string> keys;
  for (const KeyTick& key : told.ticks[0].keys) {
    keys.push_back(to_string(*told.aggregator.name(key.key)));
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"finance@广东", "finance@*", "*@广东", "*@*",
                                            "sports@广东", "sports@*"}));
}

TEST(AggregatorTest, VolumeAuthorsAndTextsAreThreeNumbers) {
  const struct {
    const char* name;
    std::vector<ScoredPost> posts;
    std::uint32_t posts_expected, authors, texts;
  } cases[] = {
      {"crowd", {post(0, "a", "1"), post(1, "b", "2"), post(2, "c", "3")}, 3, 3, 3},
      {"copy-paste by one", {post(0, "a", "1"), post(1, "a", "1"), post(2, "a", "1")}, 3, 1, 1},
      {"copy-paste by many", {post(0, "a", "1"), post(1, "b", "1"), post(2, "c", "1")}, 3, 3, 1},
      {"no author", {post(0, "", "1"), post(0, "", "1")}, 2, 2, 1},
      {"after the window", {post(0, "a", "1"), post(601, "a", "1")}, 2, 2, 2},
      {"within the window", {post(0, "a", "1"), post(600, "a", "1")}, 2, 1, 1},
      {"bare", {bare(0, "a", "h"), bare(1, "b", "h")}, 2, 2, 0},
  };
  for (const auto& c : cases) {
    Told told;
    for (const ScoredPost& one : c.posts) told.add(one);
    told.flush();
    const KeyCounts& counts = told.counts["*@*"];
    EXPECT_EQ(counts.posts, c.posts_expected) << c.name;
    EXPECT_EQ(counts.new_authors, c.authors) << c.name;
    EXPECT_EQ(counts.new_texts, c.texts) << c.name;
  }
}

TEST(AggregatorTest, ABareRepostTakesTheTopicOfItsCascade) {
  Told told;
  told.add(bare(0, "a", "head"));  // nothing known yet
  ScoredPost first = post(1, "b", "转", kSports, kAngry);
  first.post.repost_of = "head";
  told.add(first);
  told.add(bare(2, "c", "head"));  // sports, the last seen
  ScoredPost head = post(3, "d", "原文", kFinance);
  head.post.id = "head";
  told.add(head);
  told.add(first);
  told.add(bare(4, "e", "head"));  // finance: the head's own topic
  told.add(bare(5, "f", ""));      // no cascade
  ScoredPost tokenless = post(5, "g", "  ", kNoLabel, kNoLabel);
  tokenless.post.repost_of = "head";
  told.add(tokenless);  // finance
  told.flush();
  EXPECT_EQ(told.counts["unknown@*"].posts, 2u);
  EXPECT_EQ(told.counts["sports@*"].posts, 3u);
  EXPECT_EQ(told.counts["sports@*"].bare_reposts, 1u);
  EXPECT_EQ(told.counts["finance@*"].posts, 3u);
  const KeyCounts& all = told.counts["*@*"];
  EXPECT_EQ(all.bare_reposts, 5u);
  EXPECT_EQ(all.new_author_bare, 5u);
  EXPECT_EQ(all.emotions[kNeutral], 5u);
  EXPECT_EQ(all.negative, 2u);
  EXPECT_EQ(all.new_author_negative, 1u);  // the second one by b is no new author's
}

TEST(AggregatorTest, RegionsAreCleaned) {
  const std::pair<std::string, std::string> cases[] = {
      {"广东", "*@广东"},      {" 广东\t", "*@广东"},
      {"广东 深圳", "*@广东"}, {"", "*@unknown"},
      {"广东省", "*@广东"},    {"深圳市", "*@广东"},
      {"深圳", "*@广东 深圳"}, {"广东省深圳市", "*@广东 深圳"},
      {"  ", "*@unknown"},     {"*", "*@unknown"},
      {"a@b", "*@a@b"},        {std::string(500, 'r'), "*@" + std::string(128, 'r')},
  };
  for (const auto& [region, key] : cases) {
    Told told;
    told.add(post(0, "a", "x", kFinance, kHappy, region));
    told.flush();
    EXPECT_EQ(told.counts.count(key), 1u) << region;
  }
}

std::shared_ptr<const RuleMatcher> rules(std::vector<Rule> list) {
  return *RuleMatcher::create(std::move(list), *TopicTree::create(schema(), {}), schema());
}

TEST(AggregatorTest, AProvinceCountsItsCities) {
  Told told;
  told.add(post(0, "a", "x", kFinance, kHappy, "广东 深圳"));
  told.add(post(0, "b", "y", kFinance, kHappy, "广州市"));
  told.add(post(0, "c", "z", kFinance, kHappy, "广东"));
  told.flush();
  EXPECT_EQ(told.counts["*@广东"].posts, 3u);
  EXPECT_EQ(told.counts["finance@广东"].posts, 3u);
  EXPECT_EQ(told.counts["*@广东 深圳"].posts, 1u);
  EXPECT_EQ(told.counts["*@广东 广州"].posts, 1u);
}

TEST(AggregatorTest, RulesAreKeys) {
  Told told;
  told.aggregator.set_rules(rules({{"refund", "退款 topic:finance", "", true},
                                   {"南方", "region:广东 emotion:negative", "", true}}));
  told.add(post(0, "a", "要退款", kFinance));
  told.add(post(0, "b", "要退款", kSports, kAngry, "广东 深圳"));
  ScoredPost head = post(0, "c", "退款", kFinance);
  const std::string cascade = head.post.id;
  told.add(head);
  told.add(bare(1, "d", cascade));  // has the topic, but no words
  told.flush();
  EXPECT_EQ(told.counts["rule:refund"].posts, 2u);
  EXPECT_EQ(told.counts["rule:refund"].new_texts, 2u);
  EXPECT_EQ(told.counts["rule:南方"].posts, 1u);
}

TEST(AggregatorTest, RulesChangeWhileItRuns) {
  Told told;
  told.advance_to(at(10));  // vouches for what follows: nothing is held
  told.aggregator.set_rules(rules({{"a", "退款", "", true}}));
  told.add(post(0, "u", "退款"));
  told.aggregator.set_rules(rules({{"a", "投诉", "", true}, {"b", "退款", "", true}}));
  told.add(post(1, "v", "退款"));
  told.aggregator.set_rules(nullptr);
  told.add(post(2, "w", "退款"));
  told.flush();
  EXPECT_EQ(told.counts["rule:a"].posts, 1u);
  EXPECT_EQ(told.counts["rule:b"].posts, 1u);
}

TEST(AggregatorTest, ARuleInNewWordsIsANewKey) {
  Told told;
  told.advance_to(at(10));
  const KeyName name{KeyKind::kRule, "", "", "a"};
  told.aggregator.set_rules(rules({{"a", "退款", "", true}}));
  told.add(post(0, "u", "退款"));
  const auto before = told.aggregator.find(name);
  ASSERT_TRUE(before);
  told.aggregator.set_rules(rules({{"a", "退款", "", true}, {"b", "电影", "", true}}));
  told.add(post(1, "v", "退款"));
  EXPECT_EQ(told.aggregator.find(name), before) << "as it was";
  told.aggregator.set_rules(rules({{"a", "天气", "", true}}));
  EXPECT_FALSE(told.aggregator.find(name));
  told.add(post(2, "w", "天气"));
  const auto after = told.aggregator.find(name);
  ASSERT_TRUE(after);
  EXPECT_NE(*after, *before);
  EXPECT_EQ(told.aggregator.evidence(*after, 10, EvidenceOrder::kNewest).size(), 1u);
}

TEST(AggregatorTest, RulesOfAPostAreBounded) {
  std::vector<Rule> many;
  for (std::size_t i = 0; i < kRulesPerPostMax + 6; ++i) {
    many.push_back({"r" + std::to_string(100 + i), "退款", "", true});
  }
  Told told;
  told.aggregator.set_rules(rules(std::move(many)));
  told.add(post(0, "u", "退款"));
  told.flush();
  EXPECT_EQ(told.counts["rule:r100"].posts, 1u);
  EXPECT_EQ(told.counts.count("rule:r165"), 0u);
  EXPECT_EQ(told.aggregator.stats().rules_cut, 6u);
}

TEST(AggregatorTest, SecondsCloseBehindTheWatermarkAndLatePostsAreApart) {
  AggregateOptions options;
  options.settle = options.lateness;
  Told told(options);
  told.advance_to(at(100));  // vouches for what follows
  told.add(post(0, "a", "x"));
  told.add(post(61, "b", "x"));
  EXPECT_EQ(told.num_ticks, 1u);
  told.add(post(63, "c", "x"));
  EXPECT_TRUE(told.ticks.empty());
  told.add(post(66, "d", "x"));  // watermark 61: nothing of it
  EXPECT_TRUE(told.ticks.empty());
  told.add(post(61, "e", "x"));  // out of order, in time
  told.add(post(67, "f", "x"));
  ASSERT_EQ(told.ticks.size(), 1u);
  EXPECT_EQ(told.ticks[0].second, kStart + 61);
  EXPECT_EQ(told.counts["*@*"].posts, 3u);  // a, b, e
  told.add(post(61, "g", "x"));
  told.add(post(-1'000'000, "h", "x"));
  told.flush();
  EXPECT_EQ(told.counts["*@*"].posts, 6u);
  EXPECT_EQ(told.aggregator.stats().late, 2u);
  EXPECT_EQ(told.aggregator.stats().posts, 6u);
}

TEST(AggregatorTest, OneWildTimeHarmsNothing) {
  Told told;
  for (int i = 0; i < 1'000; ++i) told.add(post(i / 10, "a" + std::to_string(i), "x"));
  ScoredPost wild = post(0, "w", "x");
  wild.post.time = at(0) + hours{24 * 365 * 70};
  told.add(wild);
  EXPECT_EQ(told.aggregator.stats().held, 1u);
  for (int i = 1'000; i < 9'999; ++i) told.add(post(i / 10, "a" + std::to_string(i), "x"));
  EXPECT_EQ(told.aggregator.stats().late, 0u);
  EXPECT_EQ(told.aggregator.stats().watermark, at(994));
  told.flush();
  EXPECT_EQ(told.counts["*@*"].posts, 10'000u);
  EXPECT_EQ(*told.seconds_seen.rbegin(), floor<seconds>(wild.post.time).time_since_epoch().count());
}

TEST(AggregatorTest, HeldPostsAreBounded) {
  AggregateOptions options;
  options.held_posts_max = 100;
  Told told(options);
  for (int i = 0; i < 50; ++i) told.add(post(0, "", "x"));
  for (int i = 0; i < 1'000; ++i) {
    ScoredPost wild = post(0, "w", "x");
    wild.post.time = at(0) + hours{1'000 - i};
    told.add(wild);
    for (int k = 0; k < 3; ++k) told.add(post(0, "", "x"));
  }
  EXPECT_EQ(told.aggregator.stats().held, 100u);
  EXPECT_EQ(told.aggregator.stats().ahead, 900u);
  told.flush();
  EXPECT_EQ(*told.seconds_seen.rbegin(), kStart + 3'600 * 100);  // the nearest ones were kept
}

TEST(AggregatorTest, YearsOfSilenceCostNothing) {
  Told told;
  for (int i = 0; i < 10'000; ++i) {
    ScoredPost one = post(0, "a", "x");
    one.post.time = at(0) + hours{24 * 365} * (i / 100);
    told.add(one);
  }
  told.flush();
  EXPECT_EQ(told.num_ticks, 100u);
  EXPECT_EQ(told.counts["*@*"].posts, 10'000u);
  EXPECT_EQ(told.aggregator.take_minutes().size(), 400u);
}

TEST(AggregatorTest, MinutesComeOnceAndWhole) {
  Told told;
  told.add(post(10, "a", "x"));
  told.add(post(59, "b", "x"));
  told.add(post(60, "c", "x"));
  told.flush();
  auto rows = told.aggregator.take_minutes();
  ASSERT_EQ(rows.size(), 8u);
  EXPECT_EQ(rows[0].key, "finance@广东");
  EXPECT_EQ(rows[0].minute, kStart);
  EXPECT_EQ(rows[0].counts.posts, 2u);
  EXPECT_EQ(rows[4].minute, kStart + 60);
  EXPECT_EQ(rows[4].counts.posts, 1u);
  EXPECT_TRUE(told.aggregator.take_minutes().empty());
  told.add(post(119, "d", "x"));  // the minute was given: late
  told.add(post(120, "d", "x"));
  told.flush();
  EXPECT_EQ(told.aggregator.stats().late, 1u);
  EXPECT_EQ(told.aggregator.take_minutes().size(), 4u);
}

TEST(AggregatorTest, ATickIsGivenOutBeforeItsSecondCloses) {
  Told told;
  told.advance_to(at(100));  // vouches for what follows
  told.add(post(60, "a", "x"));
  told.add(post(61, "b", "x"));
  EXPECT_EQ(told.num_ticks, 1u);
  told.add(post(60, "c", "x"));  // in time for its second, not for its tick
  EXPECT_EQ(told.num_ticks, 1u);
  told.add(post(62, "d", "x"));
  ASSERT_EQ(told.ticks.size(), 1u);
  EXPECT_EQ(told.ticks[0].second, kStart + 61);
  EXPECT_EQ(told.ticks[0].keys[0].counts.posts, 2u);  // b, c
  told.add(post(68, "e", "x"));
  const auto history =
      told.aggregator.recent_seconds(*told.aggregator.find(*parse_key("*@*")), seconds{60});
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[0].second.posts, 2u) << "a, c: each in its own second";
  EXPECT_EQ(told.aggregator.stats().late, 0u);
}

TEST(AggregatorTest, TheClockGivesOutTicksOfAQuietStream) {
  Told told;
  told.advance_to(at(-1));
  told.add(post(0, "a", "x"));
  told.advance_to(at(0));
  EXPECT_EQ(told.num_ticks, 0u);
  told.advance_to(at(1));
  EXPECT_EQ(told.num_ticks, 1u);
  told.add(post(0, "b", "x"));  // late for its tick
  told.advance_to(at(1));
  EXPECT_EQ(told.num_ticks, 1u);
  told.advance_to(at(3));
  ASSERT_EQ(told.num_ticks, 2u);
  EXPECT_EQ(told.counts["*@*"].posts, 2u);
}

TEST(AggregatorTest, TheClockClosesAQuietStream) {
  AggregateOptions options;
  options.settle = options.lateness;
  Told told(options);
  told.advance_to(at(-1));
  told.add(post(0, "a", "x"));
  told.advance_to(at(0));
  EXPECT_EQ(told.num_ticks, 0u);
  told.advance_to(at(5));
  EXPECT_EQ(told.num_ticks, 0u);
  told.advance_to(at(6));
  EXPECT_EQ(told.num_ticks, 1u);
  told.advance_to(at(65));
  EXPECT_EQ(told.aggregator.take_minutes().size(), 4u);
  told.advance_to(at(100'000));  // goes on for as long as nothing comes
  EXPECT_EQ(told.aggregator.stats().watermark, at(99'995));
  told.add(post(100'000, "b", "x"));  // one post after a gap is believed at once
  told.advance_to(at(100'000));
  told.advance_to(at(100'006));
  EXPECT_EQ(told.num_ticks, 2u);
}

TEST(AggregatorTest, ADelayedFeedIsNotCutOffByTheClock) {
  Told told;
  for (int i = 0; i < 300; ++i) {
    told.add(post(i - 60, "", "x"));  // every post comes a minute late
    told.advance_to(at(i));
  }
  EXPECT_EQ(told.aggregator.stats().late, 0u);
  EXPECT_EQ(told.aggregator.stats().watermark, at(299 - 60 - 5));
}

TEST(AggregatorTest, OldPostsSentToAServerAreNotOvertakenByTheClock) {
  Told told;
  told.advance_to(at(0) + hours{24 * 365 * 10});
  for (int i = 0; i < 10; ++i) told.add(post(i * 1'000, "", "x"));
  told.advance_to(at(0) + hours{24 * 365 * 10} + minutes{60});
  told.advance_to(at(0) + hours{24 * 365 * 10} + minutes{90});
  EXPECT_EQ(told.counts["*@*"].posts, 10u);  // closed once nothing came any more
  told.add(post(9'001, "", "x"));            // and yet the next second is not late
  EXPECT_EQ(told.aggregator.stats().late, 0u);
}

TEST(AggregatorTest, APostAheadOfTheClockWaitsForIt) {
  Told told;
  told.advance_to(at(0));
  told.add(post(60, "a", "x"));
  EXPECT_EQ(told.aggregator.stats().held, 1u);
  told.add(post(0, "b", "x"));
  told.advance_to(at(55));
  EXPECT_EQ(told.aggregator.stats().held, 0u);
  told.advance_to(at(70));
  EXPECT_EQ(told.counts["*@*"].posts, 2u);
}

TEST(AggregatorTest, ColdKeysAreEvictedAndTold) {
  AggregateOptions options;
  options.keys_max = 32;
  Told told(options);
  told.advance_to(at(1'000'000));  // vouches for what follows
  for (int minute = 0; minute < 50; ++minute) {
    for (int i = 0; i < 8; ++i) {
      told.add(post(minute * 60 + i, "", "#t" + std::to_string(minute * 8 + i) + "#"));
    }
  }
  told.flush();
  const AggregateStats stats = told.aggregator.stats();
  EXPECT_LE(stats.keys, 32u);
  EXPECT_EQ(stats.keys_refused, 0u);
  EXPECT_EQ(stats.keys_evicted, 404 - stats.keys);
  EXPECT_EQ(told.counts["*@*"].posts, 400u);  // busy keys stay
  ASSERT_FALSE(told.evicted.empty());
  for (const KeyId key : told.evicted) {
    EXPECT_EQ(told.aggregator.name(key), nullptr);
    EXPECT_TRUE(told.aggregator.evidence(key, 10).empty());
    EXPECT_TRUE(told.aggregator.recent_seconds(key, seconds{600}).empty());
  }
}

TEST(AggregatorTest, WithoutAColdKeyNewOnesAreRefused) {
  AggregateOptions options;
  options.keys_max = 32;
  Told told(options);
  for (int i = 0; i < 100; ++i) told.add(post(i / 10, "", "#t" + std::to_string(i) + "#"));
  told.flush();
  EXPECT_EQ(told.aggregator.stats().keys, 32u);
  EXPECT_EQ(told.aggregator.stats().keys_refused, 100u - 28u);
  EXPECT_EQ(told.counts["*@*"].posts, 100u);
}

TEST(AggregatorTest, RecentSecondsOfAKey) {
  Told told;
  told.advance_to(at(1'000'000));
  for (int i = 0; i < 1'000; ++i) told.add(post(i, "", "x", i % 2 == 0 ? kFinance : kSports));
  const auto key = told.id("finance@*");
  // The front is 999, so seconds up to 993 are closed.
  const auto some = told.aggregator.recent_seconds(key, seconds{10});
  ASSERT_EQ(some.size(), 5u);
  EXPECT_EQ(some.front().first, kStart + 984);
  EXPECT_EQ(some.back().first, kStart + 992);
  EXPECT_EQ(some.back().second.posts, 1u);
  EXPECT_EQ(told.aggregator.recent_seconds(key, seconds{100'000}).size(), 300u);
}

TEST(AggregatorTest, RecentSecondsAreBounded) {
  AggregateOptions options;
  options.recent_seconds_max = 64;
  Told told(options);
  for (int i = 0; i < 300; ++i) told.add(post(i, "", "x"));
  EXPECT_EQ(told.aggregator.recent_seconds(told.id("*@*"), seconds{600}).size(), 64u / 4);
}

TEST(AggregatorTest, EvidenceIsDistinctFirstAndNegativeFirstWhenAsked) {
  Told told;
  told.add(post(0, "a", "甲"));
  told.add(post(1, "b", "乙", kFinance, kAngry));
  told.add(bare(2, "c", "h"));
  told.add(post(3, "a", "丙"));  // displaces a's earlier post
  told.flush();
  const auto texts = [&](std::size_t count, EvidenceOrder order) {
    std::vector<std::string> found;
    for (const auto& one : told.aggregator.evidence(told.id("*@*"), count, order)) {
      found.push_back(one.text);
    }
    return found;
  };
  using Strings = std::vector<std::string>;
  EXPECT_EQ(texts(10, EvidenceOrder::kNewest), (Strings{"丙", "乙", ""}));
  EXPECT_EQ(texts(10, EvidenceOrder::kNegativeFirst), (Strings{"乙", "丙", ""}));
  EXPECT_EQ(texts(1, EvidenceOrder::kNegativeFirst), (Strings{"乙"}));
}

TEST(AggregatorTest, EvidenceKeepsTextsAndNegativesThroughAFlood) {
  Told told;
  for (int i = 0; i < 20; ++i) {
    told.add(post(i, "n" + std::to_string(i), "气" + std::to_string(i), kFinance, kAngry));
  }
  for (int i = 20; i < 60; ++i) {
    told.add(post(i, "o" + std::to_string(i), "好" + std::to_string(i)));
  }
  for (int i = 60; i < 500; ++i) told.add(bare(i, "b" + std::to_string(i), "h"));
  told.flush();
  int negative = 0, empty = 0;
  const auto posts = told.aggregator.evidence(told.id("*@*"), 100);
  for (const EvidencePost& one : posts) {
    negative += one.negative;
    empty += one.text.empty();
  }
  EXPECT_EQ(posts.size(), kEvidencePerKey);
  EXPECT_EQ(negative, 5);
  EXPECT_EQ(empty, 2);
}

TEST(AggregatorTest, EvidenceTextIsCutAtACharacter) {
  Told told;
  std::string text;
  for (int i = 0; i < 200; ++i) text += "长";
  told.add(post(0, "a", text));
  told.flush();
  EXPECT_EQ(told.aggregator.evidence(told.id("*@*"), 1)[0].text, text.substr(0, 279));
}

TEST(AggregatorTest, ColdKeysLoseTheirEvidenceFirst) {
  AggregateOptions options;
  options.evidence_posts_max = 64;
  Told told(options);
  for (int i = 0; i < 500; ++i) {
    told.add(post(i, "a" + std::to_string(i), "#t" + std::to_string(i) + "# x"));
  }
  told.flush();
  EXPECT_TRUE(told.aggregator.evidence(told.id("#t0#"), 10).empty());
  EXPECT_EQ(told.aggregator.evidence(told.id("#t499#"), 10).size(), 1u);
  EXPECT_EQ(told.aggregator.evidence(told.id("*@*"), 100).size(), kEvidencePerKey);
}

TEST(AggregatorTest, MemoryIsFlatUnderAFlood) {
  AggregateOptions options;
  options.keys_max = 1'000;
  options.unique_pairs_max = 10'000;
  options.cascades_max = 1'000;
  options.evidence_posts_max = 1'000;
  options.recent_seconds_max = 10'000;
  options.shape_posts_max = 1'000;
  Told told(options);
  std::uint64_t before = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string n = std::to_string(i);
    ScoredPost one = post(i / 50, "a" + n, "#t" + n + "# #u" + n + "#");
    one.post.region = "r" + n;
    told.aggregator.add(one, told.ticks);
    told.ticks.clear();
    if (i % 1'000 == 0) told.aggregator.take_minutes();
    if (i == 100'000) before = told.aggregator.stats().memory_bytes;
  }
  EXPECT_LE(told.aggregator.stats().memory_bytes, before + before / 50);
  EXPECT_LE(before, 4u << 20);
}

TEST(AggregatorTest, MinutesNotTakenAreBounded) {
  AggregateOptions options;
  options.keys_max = 32;
  Told told(options);
  for (int minute = 0; minute < 1'000; ++minute) told.add(post(minute * 60, "", "x"));
  told.flush();
  // The bound follows the number asked for: 16 rows a key.
  EXPECT_EQ(told.aggregator.stats().minutes_dropped, 4'000u - 16u * 32u);
  const auto rows = told.aggregator.take_minutes();
  EXPECT_EQ(rows.size(), 16u * 32u);
  EXPECT_EQ(rows.back().minute, kStart + 999 * 60);
}

}  // namespace
}  // namespace tidewatch

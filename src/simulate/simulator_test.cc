// SPDX-License-Identifier: Apache-2.0
#include "simulate/simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "simulate/people.h"
#include "simulate/rhythm.h"
#include "simulate/topics.h"
#include "simulate/traditional.h"

namespace tidewatch {
namespace {

using ::testing::HasSubstr;

SimulateOptions demo_options(std::uint64_t seed = 1) {
  SimulateOptions options;
  options.seed = seed;
  auto events = parse_events(demo_events_toml(), "demo_events.toml");
  EXPECT_TRUE(events.ok());
  options.events = std::move(events).value();
  return options;
}

std::string run(SimulateOptions options) {
  Simulator simulator(std::move(options));
  std::string all;
  std::string line;
  while (simulator.next(line)) all.append(line).append("\n");
  return all;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

TEST(Simulator, GivesTheSameBytesForTheSameSeedOnly) {
  const std::string first = run(demo_options(5));
  EXPECT_EQ(first, run(demo_options(5)));
  EXPECT_NE(first, run(demo_options(6)));
}

// One run of the demo, read back as any consumer would.
class DemoStream : public ::testing::Test {
 protected:
  struct Post {
    std::string id, time, author, region, text, event, topic, emotion;
    bool repost = false;
  };

  static void SetUpTestSuite() {
    posts_ = new std::vector<Post>;
    truth_ = new Truth;
    Simulator simulator(demo_options());
    simdjson::dom::parser parser;
    std::string line;
    std::unordered_set<std::string> ids;
    while (simulator.next(line)) {
      ASSERT_EQ(line.find('\n'), std::string::npos);
      simdjson::dom::object object;
      ASSERT_EQ(parser.parse(line).get(object), simdjson::SUCCESS) << line;
      Post post;
      const auto text = [&](const char* key) {
        std::string_view value;
        return object[key].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
      };
      post.id = text("id");
      post.time = text("time");
      post.author = text("author");
      post.region = text("region");
      post.text = text("text");
      post.repost = !text("repost_of").empty();
      ASSERT_TRUE(!post.repost || ids.contains(text("repost_of"))) << "of a later post: " << line;
      ASSERT_TRUE(ids.insert(post.id).second) << "id twice: " << line;
      std::int64_t likes = -1;
      ASSERT_EQ(object["likes"].get(likes), simdjson::SUCCESS);
      ASSERT_GE(likes, 0);
      ASSERT_EQ(simulator.last_post().id, post.id);
      ASSERT_EQ(simulator.last_post().repost, post.repost);
      post.event = simulator.last_post().event;
      post.topic = simulator.last_post().topic;
      post.emotion = simulator.last_post().emotion;
      posts_->push_back(std::move(post));
    }
    *truth_ = simulator.truth();
  }
  static void TearDownTestSuite() {
    delete posts_;
    delete truth_;
  }

  static std::vector<Post>* posts_;
  static Truth* truth_;
};
std::vector<DemoStream::Post>* DemoStream::posts_ = nullptr;
Truth* DemoStream::truth_ = nullptr;

TEST_F(DemoStream, IsInOrderOfTime) {
  ASSERT_FALSE(posts_->empty());
  std::string last = "2026-01-05T08:00:00.000+08:00";
  for (const Post& post : *posts_) {
    ASSERT_EQ(post.time.size(), last.size()) << post.time;
    ASSERT_GE(post.time, last);
    last = post.time;
  }
  EXPECT_LT(last, "2026-01-05T08:10:00.000+08:00");
}

TEST_F(DemoStream, HasTheRateAskedFor) {
  std::size_t background = 0;
  for (const Post& post : *posts_) background += post.event.empty() ? 1 : 0;
  // 30,000 expected; five standard deviations.
  EXPECT_NEAR(static_cast<double>(background), 30'000, 5 * std::sqrt(30'000.0));
}

TEST_F(DemoStream, AgreesWithTheTruth) {
  std::map<std::string, std::uint64_t> posts, negative;
  std::map<std::string, std::string> first, last;
  for (const Post& post : *posts_) {
    if (post.event.empty()) continue;
    ++posts[post.event];
    negative[post.event] +=
        post.emotion == "angry" || post.emotion == "fear" || post.emotion == "sad";
    first.try_emplace(post.event, post.id);
    last[post.event] = post.time;
  }
  const SimulateOptions options = demo_options();
  ASSERT_EQ(truth_->events.size(), options.events.size());
  EXPECT_EQ(truth_->posts, posts_->size());
  for (std::size_t i = 0; i < options.events.size(); ++i) {
    const PlantedEvent& planted = options.events[i];
    const EventTruth& truth = truth_->events[i];
    SCOPED_TRACE(planted.name);
    EXPECT_EQ(truth.name, planted.name);
    EXPECT_EQ(truth.posts, planted.posts);
    EXPECT_EQ(truth.posts, posts[planted.name]);
    EXPECT_EQ(truth.negative_posts, negative[planted.name]);
    EXPECT_NEAR(static_cast<double>(truth.negative_posts) / static_cast<double>(truth.posts),
                planted.negative_share, 0.05);
    EXPECT_EQ(truth.first_post_id, first[planted.name]);
    EXPECT_THAT(to_ndjson(truth), HasSubstr("\"ended_at\":\"" + last[planted.name]));
    EXPECT_GE(truth.started_at, options.start + planted.start);
    EXPECT_LE(truth.ended_at, options.start + planted.start + planted.duration);
    EXPECT_GE(truth.peak_at, truth.started_at);
    EXPECT_LE(truth.peak_at, truth.ended_at + planted.duration / 30);
    simdjson::dom::parser parser;
    EXPECT_EQ(parser.parse(to_ndjson(truth)).error(), simdjson::SUCCESS);
  }
}

TEST_F(DemoStream, RisesFastAndDecaysSlowly) {
  // The first wave lasts 200 s from second 20: the peak comes in its first third, and the minute
  // around it has several times the posts of the last one.
  const EventTruth& wave = truth_->events.front();
  EXPECT_LT(wave.peak_at - wave.started_at, std::chrono::seconds(70));
  std::map<std::string, int> by_minute;
  for (const Post& post : *posts_) {
    if (post.event == wave.name) ++by_minute[post.time.substr(11, 5)];
  }
  EXPECT_GT(by_minute["08:01"], 2 * by_minute["08:00"]);
  EXPECT_GT(by_minute["08:01"], 3 * by_minute["08:03"]);
  EXPECT_GT(by_minute["08:03"], 0);
}

TEST_F(DemoStream, VariesItsTexts) {
  std::unordered_set<std::string> distinct;
  std::vector<std::size_t> lengths;
  for (const Post& post : *posts_) {
    if (post.repost || post.topic == "spam" || post.event == "fan-flood") continue;
    distinct.insert(post.text);
    lengths.push_back(count_characters(post.text));
  }
  ASSERT_GT(lengths.size(), 15'000U);
  EXPECT_GT(static_cast<double>(distinct.size()), 0.95 * static_cast<double>(lengths.size()));
  std::sort(lengths.begin(), lengths.end());
  const auto quantile = [&](double q) {
    return lengths[static_cast<std::size_t>(q * static_cast<double>(lengths.size() - 1))];
  };
  EXPECT_LE(quantile(0.005), 4U);
  EXPECT_GE(quantile(0.5), 25U);
  EXPECT_LE(quantile(0.5), 50U);
  EXPECT_GE(quantile(0.99), 120U);
  EXPECT_GE(lengths.back(), 180U);
  EXPECT_LE(lengths.back(), 320U);
}

TEST_F(DemoStream, LooksLikeWeibo) {
  std::map<std::string, int> seen;
  std::map<std::string, int> regions_seen, topics, emotions;
  for (const Post& post : *posts_) {
    if (post.repost) ++seen["repost"];
    if (post.repost && post.text.empty()) ++seen["bare repost"];
    if (post.text == "转发微博") ++seen["转发微博"];
    for (const char* mark :
         {"//@", "[心]", "[怒]", "[泪]", "[哈哈]", "[允悲]", "绝绝子", "yyds", "破防了", "emo了",
          "蚌埠住了", "真的会谢", "😭", "http://t.example/", " @", "個"}) {
      if (post.text.find(mark) != std::string::npos) ++seen[mark];
    }
    if (std::count(post.text.begin(), post.text.end(), '#') >= 2) ++seen["hashtag"];
    if (post.region.empty()) ++seen["no region"];
    if (post.region.find(' ') != std::string::npos) ++seen["city"];
    ++regions_seen[post.region.substr(0, post.region.find(' '))];
    ++topics[post.topic];
    ++emotions[post.emotion];
  }
  const auto share = [&](const char* what) {
    return static_cast<double>(seen[what]) / static_cast<double>(posts_->size());
  };
  EXPECT_NEAR(share("repost"), 0.33, 0.04);
  EXPECT_NEAR(share("bare repost"), 0.12, 0.04);
  EXPECT_NEAR(share("city"), 0.19, 0.05);
  EXPECT_NEAR(share("no region"), 0.02, 0.01);
  for (const char* what :
       {"转发微博", "//@", "hashtag", "[心]", "[怒]", "[泪]", "[哈哈]", "[允悲]", "绝绝子", "yyds",
        "破防了", "emo了", "蚌埠住了", "真的会谢", "😭", "http://t.example/", " @", "個"}) {
    EXPECT_GE(seen[what], 5) << what;
  }
  EXPECT_EQ(regions_seen.size(), regions().size() + 1);  // and those without a region
  EXPECT_GT(regions_seen["广东"], 3 * regions_seen["贵州"]);
  EXPECT_EQ(topics.size(), kSimulatedTopics.size() + 1);  // and spam
  EXPECT_EQ(emotions.size(), kSimulatedEmotions.size());
}

TEST_F(DemoStream, AFloodIsOneTextByFewAuthorsAndAWaveIsMany) {
  std::map<std::string, std::set<std::string>> texts, authors;
  for (const Post& post : *posts_) {
    texts[post.event].insert(post.text);
    authors[post.event].insert(post.author);
  }
  EXPECT_EQ(texts["fan-flood"].size(), 1U);
  EXPECT_LE(authors["fan-flood"].size(), 12U);
  EXPECT_GT(texts["canteen"].size(), 900U);
  EXPECT_GT(authors["canteen"].size(), 1000U);
}

TEST(Simulator, WritesEventsWithoutBackgroundAndCutsThemAtTheEnd) {
  SimulateOptions options;
  options.duration = std::chrono::minutes(1);
  options.posts_per_second = 0;
  PlantedEvent event;
  event.name = "a\"b";
  event.topic = "tech";
  event.regions = {"北京"};
  event.start = std::chrono::seconds(30);
  event.duration = std::chrono::seconds(60);
  event.posts = 500;
  event.negative_share = 1;
  event.kind = "wave";
  event.hashtag = "泄露\\";
  event.subject = "泄露\\";
  options.events = {event};
  Simulator simulator(options);
  simdjson::dom::parser parser;
  std::string line;
  std::uint64_t count = 0;
  while (simulator.next(line)) {
    ++count;
    ASSERT_EQ(parser.parse(line).error(), simdjson::SUCCESS) << line;
    ASSERT_EQ(parser.parse(to_ndjson(simulator.last_post())).error(), simdjson::SUCCESS);
    ASSERT_EQ(simulator.last_post().event, "a\"b");
  }
  EXPECT_GT(count, 200U);
  EXPECT_LT(count, 500U);
  EXPECT_EQ(simulator.truth().events.front().posts, count);
  EXPECT_EQ(parser.parse(to_ndjson(simulator.truth().events.front())).error(), simdjson::SUCCESS);
}

TEST(Simulator, HasNothingToSayWithoutRateAndEvents) {
  SimulateOptions options;
  options.posts_per_second = 0;
  Simulator simulator(options);
  std::string line = "kept";
  EXPECT_FALSE(simulator.next(line));
  EXPECT_FALSE(simulator.next(line));
  EXPECT_EQ(line, "kept");
  options.duration = std::chrono::minutes(0);
  options.posts_per_second = 1000;
  EXPECT_FALSE(Simulator(options).next(line));
}

TEST(Background, FollowsTheDayAndKeepsTheMean) {
  const EventTime start = SimulateOptions{}.start - std::chrono::hours(8);  // midnight in China
  Background background(start, std::chrono::hours(24), 2);
  Random random(9);
  std::array<int, 24> by_hour{};
  EventTime at;
  int count = 0;
  EventTime last = start;
  while (background.next(random, at)) {
    ASSERT_GE(at, last);
    last = at;
    ++by_hour[static_cast<std::size_t>(china_hour(at))];
    ++count;
  }
  EXPECT_NEAR(count, 2 * 86'400, 5 * std::sqrt(2 * 86'400.0));
  EXPECT_GT(by_hour[22], 6 * by_hour[4]);
  EXPECT_GT(by_hour[12], by_hour[9]);
}

TEST(Wave, GivesExactlyItsPostsInOrder) {
  for (const WaveKind kind : {WaveKind::kWave, WaveKind::kHappy, WaveKind::kCopypaste}) {
    Random random(4);
    const EventTime start{std::chrono::hours(1000)};
    Wave wave(kind, start, std::chrono::seconds(90), 5000, random);
    EventTime at;
    EventTime last = start;
    int count = 0;
    while (wave.next(random, at)) {
      ASSERT_GE(at, last);
      last = at;
      ++count;
    }
    EXPECT_EQ(count, 5000);
    EXPECT_LE(last, start + std::chrono::seconds(90));
    EXPECT_GT(last, start + std::chrono::seconds(80));
  }
}

TEST(Population, EveryAuthorHasANicknameOfTheirOwn) {
  const Population population;
  std::unordered_map<std::string, int> names;
  int traditional = 0;
  for (std::uint32_t region = 0; region < regions().size(); ++region) {
    for (std::uint32_t rank = 0; rank < 500; ++rank) {
      std::string name;
      population.append_nickname({region, rank}, name);
      EXPECT_EQ(++names[name], 1) << name;
      traditional += population.writes_traditional({region, rank}) ? 1 : 0;
    }
  }
  EXPECT_GT(traditional, 500);  // 香港, 澳门, 台湾
  EXPECT_LT(traditional, 2500);
}

TEST(MakeTraditional, ReplacesOnlyWhatItKnows) {
  std::string text = "这个电视剧😭太好看了abc，谢谢";
  make_traditional(text);
  EXPECT_EQ(text, "這個電視劇😭太好看了abc，謝謝");
}

}  // namespace
}  // namespace tidewatch

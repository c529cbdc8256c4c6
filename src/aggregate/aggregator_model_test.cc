// SPDX-License-Identifier: Apache-2.0
// Random streams through the aggregator and through a slow, obvious model: every second, key and
// count must be equal. The model keeps everything for ever and looks at all of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "aggregate/aggregator.h"
#include "aggregate/event_front.h"

namespace tidewatch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint8_t kNeutral = 2;
constexpr std::int64_t kLateness = 5;
constexpr std::int64_t kWindow = 600;

LabelSchema schema() {
  return {{"angry", "happy", "neutral", "sad"},
          {true, false, false, true},
          {"finance", "sports", "tech"},
          kNeutral};
}

using SecondCounts = std::map<std::int64_t, std::map<std::string, KeyCounts>>;

class Model {
 public:
  explicit Model(std::int64_t settle) : settle_(settle) {}

  void add(const ScoredPost& post) {
    arrivals_.push_back(post);
    const std::int64_t time = post.post.time.time_since_epoch().count();
    if (!near(time)) {
      held_.push_back(post);
      vote();
    } else {
      front_ = std::max(front_, time);
      count(post);
    }
    release();
    closed_until_ = std::max(closed_until_, second_of(front_ - kLateness * 1'000));
    told_until_ = std::max(told_until_, closed_until_);
  }

  void flush() {
    for (const ScoredPost& post : held_) {
      front_ = std::max(front_, post.post.time.time_since_epoch().count());
    }
    release();
  }

  SecondCounts counts;  // by the posts' own seconds
  SecondCounts told;    // by the seconds of ticks
  std::uint64_t late = 0;

 private:
  static std::int64_t second_of(std::int64_t time) {
    return std::chrono::floor<seconds>(milliseconds{time}).count();
  }
  bool near(std::int64_t time) const { return time <= front_ + kLateness * 1'000; }

  void vote() {
    const std::size_t first =
        arrivals_.size() > EventFront::kVoters ? arrivals_.size() - EventFront::kVoters : 0;
    for (std::size_t i = first; i < arrivals_.size(); ++i) {
      const std::int64_t reached = arrivals_[i].post.time.time_since_epoch().count();
      std::set<std::string> authors;
      std::size_t agreeing = 0;
      for (std::size_t k = first; k < arrivals_.size(); ++k) {
        const Post& other = arrivals_[k].post;
        if (other.time.time_since_epoch().count() < reached) continue;
        ++agreeing;
        authors.insert(other.author.empty() ? "?" + other.id : other.author);
      }
      const bool agreed = agreeing >= EventFront::kAgreeing && authors.size() >= 3;
      if (agreed || agreeing == EventFront::kVoters) front_ = std::max(front_, reached);
    }
  }

  void release() {
    std::stable_sort(held_.begin(), held_.end(), [](const ScoredPost& a, const ScoredPost& b) {
      return a.post.time < b.post.time;
    });
    while (!held_.empty() && near(held_.front().post.time.time_since_epoch().count())) {
      count(held_.front());
      held_.erase(held_.begin());
    }
  }

  void count(const ScoredPost& scored) {
    const Post& post = scored.post;
    const std::int64_t second = second_of(post.time.time_since_epoch().count());
    if (second < closed_until_) {
      ++late;
      return;
    }
    told_until_ = std::max(told_until_, std::min(second, second_of(front_)) - settle_);
    const bool bare = post.text.empty();
    std::string topic = "unknown";
    if (!bare) {
      topic = schema().topics[scored.scores.topic];
      const bool head = post.repost_of.empty();
      const std::string cascade = head ? post.id : post.repost_of;
      if (head) heads_.insert(cascade);
      if (head || !heads_.contains(cascade)) cascades_[cascade] = topic;
    } else if (cascades_.contains(post.repost_of)) {
      topic = cascades_[post.repost_of];
    }
    const std::string region = post.region.empty() ? "unknown" : post.region;
    std::set<std::string> keys{topic + "@" + region, topic + "@*", "*@" + region, "*@*"};
    for (const char* tag : {"#a#", "#b#"}) {
      if (post.text.find(tag) != std::string::npos) keys.insert(tag);
    }
    if (post.text.find("词") != std::string::npos) keys.insert("kw:词");
    const std::uint8_t emotion = bare ? kNeutral : scored.scores.emotion;
    const bool negative = schema().is_negative(emotion);
    for (const std::string& key : keys) {
      KeyCounts c;
      ++c.posts;
      ++c.emotions[emotion];
      c.negative += negative;
      c.bare_reposts += bare;
      if (post.author.empty() || is_new(key + "|a|" + post.author, second)) {
        ++c.new_authors;
        c.new_author_negative += negative;
        c.new_author_bare += bare;
      }
      if (!bare && is_new(key + "|t|" + post.text, second)) ++c.new_texts;
      counts[second][key] += c;
      told[std::max(second, told_until_)][key] += c;
    }
  }

  bool is_new(const std::string& what, std::int64_t second) {
    const auto [place, fresh] = seen_.emplace(what, second);
    if (fresh) return true;
    const bool expired = second - place->second > kWindow;
    place->second = std::max(place->second, second);
    return expired;
  }

  std::vector<ScoredPost> arrivals_, held_;
  std::map<std::string, std::int64_t> seen_;
  std::map<std::string, std::string> cascades_;
  std::set<std::string> heads_;
  std::int64_t front_ = INT64_MIN / 2;
  std::int64_t closed_until_ = INT64_MIN / 2;
  std::int64_t told_until_ = INT64_MIN / 2;
  const std::int64_t settle_;
};

// Bursts, quiet stretches, gaps of up to years, posts out of order, late, and in the far future.
std::vector<ScoredPost> random_stream(std::uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  const char* const regions[] = {"广东", "北京", "", "上海"};
  const char* const texts[] = {"", "", "转", "#a# x", "#b#", "词 #a#", "好", "气"};
  std::vector<ScoredPost> posts;
  std::int64_t now = 1'300'000'000'000;
  std::uint64_t step = 200;
  for (int i = 0; i < count; ++i) {
    if (below(200) == 0) step = std::uint64_t{1} << below(16);
    if (below(1'000) == 0) now += static_cast<std::int64_t>(below(100'000'000'000));
    now += static_cast<std::int64_t>(below(step + 1));
    ScoredPost one;
    std::int64_t time = now;
    if (below(10) == 0) time -= static_cast<std::int64_t>(below(8'000));
    if (below(300) == 0) time -= static_cast<std::int64_t>(below(10'000'000));
    if (below(100) == 0) time += static_cast<std::int64_t>(below(20'000));
    if (below(400) == 0) time += static_cast<std::int64_t>(below(4'000'000'000'000));
    one.post.time = EventTime{milliseconds{time}};
    one.post.id = "p" + std::to_string(i);
    one.post.text = texts[below(8)];
    if (below(4) == 0 && !one.post.text.empty()) one.post.text += std::to_string(below(50));
    one.post.author = below(20) == 0 ? "" : "a" + std::to_string(below(60));
    one.post.region = regions[below(4)];
    if (i > 0 && below(2) == 0) {
      one.post.repost_of = "p" + std::to_string(below(static_cast<std::uint64_t>(i)));
    }
    if (!one.post.text.empty()) {
      one.scores.topic = static_cast<std::uint8_t>(below(3));
      one.scores.emotion = static_cast<std::uint8_t>(below(4));
    }
    posts.push_back(std::move(one));
  }
  return posts;
}

struct Outcome {
  SecondCounts counts;
  std::map<std::int64_t, std::map<std::string, KeyCounts>> minutes;
  std::vector<std::string> log;  // every tick in full, to compare runs
  AggregateStats stats;
};

Outcome run(const std::vector<ScoredPost>& posts, AggregateOptions options) {
  options.keywords = {"词"};
  Aggregator aggregator(options, schema());
  Outcome outcome;
  std::vector<Tick> ticks;
  std::int64_t last = INT64_MIN;
  const auto note = [&] {
    for (const Tick& tick : ticks) {
      EXPECT_GT(tick.second, last);
      last = tick.second;
      std::string line = std::to_string(tick.second);
      for (const KeyTick& key : tick.keys) {
        const KeyName* name = aggregator.name(key.key);
        if (name == nullptr) {
          ADD_FAILURE() << "a key in a tick has no name";
          continue;
        }
        EXPECT_TRUE(outcome.counts[tick.second].emplace(to_string(*name), key.counts).second);
        line += " " + std::to_string(key.key.value) + ":" + std::to_string(key.counts.posts) + ":" +
                std::to_string(key.counts.new_authors);
      }
      for (const KeyId key : tick.evicted) line += " -" + std::to_string(key.value);
      outcome.log.push_back(std::move(line));
    }
    ticks.clear();
    for (const MinuteCounts& row : aggregator.take_minutes()) {
      EXPECT_TRUE(outcome.minutes[row.minute].emplace(row.key, row.counts).second)
          << row.key << " twice in " << row.minute;
    }
  };
  for (const ScoredPost& post : posts) {
    aggregator.add(post, ticks);
    note();
  }
  aggregator.flush(ticks);
  note();
  outcome.stats = aggregator.stats();
  return outcome;
}

// Says in one line where two results first differ; empty when they do not.
std::string difference(const SecondCounts& got, const SecondCounts& expected) {
  std::set<std::int64_t> times;
  for (const auto& [time, keys] : got) times.insert(time);
  for (const auto& [time, keys] : expected) times.insert(time);
  for (const std::int64_t time : times) {
    if (!got.contains(time)) return "missing second " + std::to_string(time);
    if (!expected.contains(time)) return "surplus second " + std::to_string(time);
    const auto& expected_keys = expected.at(time);
    for (const auto& [key, counts] : got.at(time)) {
      if (!expected_keys.contains(key)) return std::to_string(time) + ": surplus key " + key;
      if (expected_keys.at(key) == counts) continue;
      return std::to_string(time) + ": counts of " + key + ": posts " +
             std::to_string(counts.posts) + ", expected " +
             std::to_string(expected_keys.at(key).posts);
    }
    if (got.at(time).size() != expected_keys.size()) return std::to_string(time) + ": key missing";
  }
  return "";
}

SecondCounts by_minute(const SecondCounts& counts) {
  SecondCounts minutes;
  for (const auto& [second, keys] : counts) {
    for (const auto& [key, c] : keys) minutes[second / 60 * 60][key] += c;
  }
  return minutes;
}

std::map<std::string, KeyCounts> by_key(const SecondCounts& counts) {
  std::map<std::string, KeyCounts> sums;
  for (const auto& [second, keys] : counts) {
    for (const auto& [key, c] : keys) sums[key] += c;
  }
  return sums;
}

TEST(AggregatorModelTest, EqualsTheSlowModel) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const auto posts = random_stream(seed, 3'000);
    for (const std::int64_t settle : {std::int64_t{0}, std::int64_t{2}, kLateness}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", settle " + std::to_string(settle));
      Model model(settle);
      for (const ScoredPost& post : posts) model.add(post);
      model.flush();
      AggregateOptions options;
      options.settle = seconds{settle};
      const Outcome outcome = run(posts, options);
      ASSERT_EQ(difference(outcome.counts, model.told), "");
      ASSERT_EQ(difference(outcome.minutes, by_minute(model.counts)), "");
      EXPECT_EQ(difference(model.told, model.counts) == "", settle == kLateness);
      ASSERT_EQ(outcome.stats.late, model.late);
      ASSERT_EQ(outcome.stats.posts + outcome.stats.late, posts.size());
      EXPECT_GT(model.late, 10u);
      EXPECT_TRUE(outcome.log == run(posts, options).log);
    }
  }
}

TEST(AggregatorModelTest, TightBoundsKeepTheInvariants) {
  for (std::uint64_t seed = 100; seed < 112; ++seed) {
    auto posts = random_stream(seed, 3'000);
    std::mt19937_64 random(seed);
    for (ScoredPost& post : posts) {
      if (random() % 2 == 0) post.post.region = "r" + std::to_string(random() % 200);
    }
    AggregateOptions options;
    options.keys_max = 40;
    options.unique_pairs_max = 64;
    options.cascades_max = 16;
    options.evidence_posts_max = 64;
    options.recent_seconds_max = 64;
    options.held_posts_max = 48;
    options.settle = seconds{kLateness};
    const Outcome outcome = run(posts, options);
    EXPECT_LE(outcome.stats.keys, 40u);
    EXPECT_GT(outcome.stats.keys_evicted, 100u) << "seed " << seed;
    EXPECT_EQ(outcome.stats.posts + outcome.stats.late + outcome.stats.ahead, posts.size());
    // Minutes are the sums of seconds, also for keys that were evicted and made again.
    EXPECT_EQ(difference(outcome.minutes, by_minute(outcome.counts)), "") << "seed " << seed;
    EXPECT_TRUE(outcome.log == run(posts, options).log) << "seed " << seed;
    options.settle = seconds{0};  // told of sooner, and of each post once
    const Outcome sooner = run(posts, options);
    EXPECT_EQ(difference(sooner.minutes, outcome.minutes), "") << "seed " << seed;
    EXPECT_TRUE(by_key(sooner.counts) == by_key(outcome.counts)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tidewatch

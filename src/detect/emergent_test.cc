// SPDX-License-Identifier: Apache-2.0
#include "detect/emergent.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "detect/discovery.h"

namespace tidewatch {
namespace {

constexpr std::int64_t kStart = 1'700'000'000;

// A stream of people who talk in a language of 2,000 words with Zipf's frequencies.
class Stream {
 public:
  explicit Stream(std::uint32_t seed, const EmergentOptions& options = {})
      : emergent(options), random_(seed) {
    for (int i = 0; i < 2'000; ++i) words_.push_back(word());
  }

  std::string word() {
    std::string out;
    for (std::size_t i = 2 + below(2); i > 0; --i) {
      const std::uint64_t code = 0x4E00 + below(2'500);
      out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
              static_cast<char>(0x80 | (code & 0x3F))};
    }
    return out;
  }
  std::string chatter(std::size_t words) {
    std::string out;
    for (; words > 0; --words) {
      const double u = std::generate_canonical<double, 53>(random_);
      out += words_[static_cast<std::size_t>(std::pow(2'000.0, u)) - 1];
    }
    return out;
  }
  // The word of a rank: 0 is the most frequent.
  const std::string& known(std::size_t rank) const { return words_[rank]; }
  std::size_t below(std::size_t n) { return random_() % n; }

  void say(std::int64_t second, const std::string& text, const std::string& repost_of = {}) {
    ScoredPost post;
    post.post.repost_of = repost_of;
    post.post.id = "p" + std::to_string(++serial_);
    post.post.author = "a" + std::to_string(below(10'000'000));
    post.post.text = text;
    post.post.time = EventTime{std::chrono::seconds{kStart + second}};
    emergent.add(post, 0, below(2) == 0);
  }
  // Seconds [from, until) of ten posts a second, with `also` within each.
  template <typename Also>
  void run(std::int64_t from, std::int64_t until, Also&& also) {
    for (std::int64_t second = from; second < until; ++second) {
      for (int i = 0; i < 10; ++i) say(second, chatter(8));
      also(second);
      emergent.advance(kStart + second, changes);
    }
  }
  void run(std::int64_t from, std::int64_t until) {
    run(from, until, [](std::int64_t) {});
  }
  std::vector<Change> of_phase(ChangePhase phase) const {
    std::vector<Change> out;
    for (const Change& change : changes) {
      if (change.phase == phase) out.push_back(change);
    }
    return out;
  }

  Emergent emergent;
  std::vector<Change> changes;

 private:
  std::mt19937_64 random_;
  std::vector<std::string> words_;
  std::uint64_t serial_ = 0;
};

TEST(EmergentTest, ChatterHasNone) {
  Stream stream(1);
  stream.run(0, 3 * 3'600);
  EXPECT_TRUE(stream.changes.empty()) << to_string(stream.changes.front().name);
}

TEST(EmergentTest, ANewPhraseIsATopicWithItsNameAndPosts) {
  Stream stream(2);
  stream.run(0, 1'800);
  stream.run(1'800, 2'100, [&](std::int64_t second) {
    if (second % 2 == 0) stream.say(second, stream.chatter(3) + "磁暴火车站" + stream.chatter(3));
  });
  const auto started = stream.of_phase(ChangePhase::kStarted);
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(to_string(started[0].name), "emergent:磁暴火车站");
  EXPECT_EQ(started[0].kind, ChangeKind::kEmergent);
  EXPECT_LE(started[0].at, kStart + 1'800 + 90);  // of 30 posts a minute
  EXPECT_GE(started[0].since_onset.new_authors, 20u);
  EXPECT_GE(started[0].score, 1);
  const auto posts = stream.emergent.evidence(started[0].key, 5, false);
  ASSERT_EQ(posts.size(), 5u);
  for (const EvidencePost& post : posts) {
    EXPECT_NE(post.text.find("磁暴火车站"), std::string::npos);
  }
  EXPECT_FALSE(stream.of_phase(ChangePhase::kContinues).empty());
  stream.run(2'100, 3'000);
  ASSERT_EQ(stream.of_phase(ChangePhase::kEnded).size(), 1u);
  EXPECT_EQ(stream.emergent.topics(), 0u);
}

TEST(EmergentTest, KnownWordsThatNeverStoodTogetherAreOne) {
  Stream stream(3);
  stream.run(0, 3'600);
  const std::string& one = stream.known(60);
  const std::string& other = stream.known(80);
  // Each has some 5 posts in half a minute; 15 more are not significant of a word alone.
  stream.run(3'600, 3'900, [&](std::int64_t second) {
    if (second % 2 == 0) {
      stream.say(second, stream.chatter(2) + one + stream.chatter(3) + other + stream.chatter(1));
    }
  });
  const auto started = stream.of_phase(ChangePhase::kStarted);
  ASSERT_EQ(started.size(), 1u);
  const std::string& name = started[0].name.term;
  EXPECT_NE(name.find(' '), std::string::npos) << name;  // two terms
  EXPECT_TRUE(one.find(name.substr(0, name.find(' '))) != std::string::npos ||
              other.find(name.substr(0, name.find(' '))) != std::string::npos)
      << name;
}

TEST(EmergentTest, TwoTopicsAreTwo) {
  Stream stream(4);
  stream.run(0, 1'800);
  stream.run(1'800, 2'100, [&](std::int64_t second) {
    stream.say(second, stream.chatter(3) + "磁暴火车站" + stream.chatter(3));
    stream.say(second, stream.chatter(3) + " #桥塌了# " + stream.chatter(3));
  });
  std::vector<std::string> names;
  for (const Change& change : stream.of_phase(ChangePhase::kStarted)) {
    names.push_back(change.name.term);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"#桥塌了#", "磁暴火车站"}));
}

TEST(EmergentTest, WhatOneCascadeSaysIsOneTopic) {
  Stream stream(7);
  stream.run(0, 1'800);
  stream.run(1'800, 2'100, [&](std::int64_t second) {
    stream.say(second, stream.chatter(2) + "磁暴火车站" + stream.chatter(2), "one");
    stream.say(second, stream.chatter(2) + "站台塌陷了" + stream.chatter(2), "one");
    stream.say(second, stream.chatter(2) + "鲸鱼搁浅" + stream.chatter(2), "another");
  });
  EXPECT_EQ(stream.of_phase(ChangePhase::kStarted).size(), 2u);
}

TEST(EmergentTest, WhatComesAgainSoonKeepsItsName) {
  Stream stream(8);
  const auto wave = [&](std::int64_t second) {
    const int posts = second < 2'000 ? 1 : second < 3'000 ? 4 : 16;  // waves become known
    for (int i = 0; i < posts; ++i) {
      stream.say(second, stream.chatter(3) + "磁暴火车站" + stream.chatter(3));
    }
  };
  stream.run(0, 1'800);
  stream.run(1'800, 2'000, wave);
  stream.run(2'000, 2'800);
  ASSERT_EQ(stream.of_phase(ChangePhase::kEnded).size(), 1u);
  stream.run(2'800, 3'000, wave);
  const auto started = stream.of_phase(ChangePhase::kStarted);
  ASSERT_EQ(started.size(), 2u);
  EXPECT_EQ(started[1].name.term, started[0].name.term);
  EXPECT_NE(started[1].key, started[0].key);
  EXPECT_GE(started[1].onset, kStart + 2'800);
  EXPECT_EQ(stream.emergent.topics(), 1u);
  stream.run(3'000, 6'000);  // forgotten half an hour after its end
  stream.run(6'000, 6'200, wave);
  EXPECT_EQ(stream.of_phase(ChangePhase::kStarted).size(), 3u);
}

TEST(EmergentTest, AWordOfEveryDayIsNoTopicOnceItsWaveIsOver) {
  Stream stream(9);
  stream.run(0, 1'800);
  const std::string& common = stream.known(3);
  stream.run(1'800, 1'900, [&](std::int64_t second) {
    for (int i = 0; i < 12; ++i) stream.say(second, common + "磁暴火车站" + stream.chatter(2));
  });
  ASSERT_EQ(stream.of_phase(ChangePhase::kStarted).size(), 1u);
  stream.run(1'900, 5'000);
  EXPECT_EQ(stream.of_phase(ChangePhase::kStarted).size(), 1u)
      << stream.of_phase(ChangePhase::kStarted).back().name.term;
}

// Posts of a second come before it is closed.
TEST(EmergentTest, StartsAtTheSecondOfTheNewestPostThatItWasDecidedOn) {
  Stream stream(13);
  stream.run(0, 1'800);
  for (std::int64_t second = 1'800; second < 1'860 && stream.changes.empty(); ++second) {
    for (int i = 0; i < 30; ++i) stream.say(second, stream.chatter(3) + "磁暴火车站");
    stream.emergent.advance(kStart + second - 2, stream.changes);
  }
  ASSERT_EQ(stream.changes.size(), 1u);
  const Change& started = stream.changes.front();
  const auto posts = stream.emergent.evidence(started.key, 100, false);
  ASSERT_FALSE(posts.empty());
  EXPECT_EQ(EventTime{std::chrono::seconds{started.at}}, posts.front().time);  // the newest
  EXPECT_LE(started.onset, started.at);
}

// A topic of some minutes that few speak of in the end: up to second 2,550.
template <typename Say>
void run_until_fading(Stream& stream, Say&& say) {
  stream.run(0, 1'800);
  stream.run(1'800, 2'000, say);
  stream.run(2'000, 2'550, [&](std::int64_t second) {
    if (second % 60 == 0) say(second);
  });
}

// What is left of a topic does not take in a large event that some tell in one breath with it.
TEST(EmergentTest, AFadingTopicDoesNotSwallowALargerEvent) {
  Stream stream(10);
  const auto say = [&](std::int64_t second, const char* phrase) {
    stream.say(second, stream.chatter(3) + "，" + phrase + "，" + stream.chatter(3));
  };
  run_until_fading(stream, [&](std::int64_t second) { say(second, "磁暴火车站"); });
  ASSERT_EQ(stream.emergent.topics(), 1u);
  stream.run(2'550, 2'560, [&](std::int64_t second) {
    for (int i = 0; i < 60; ++i) {
      say(second, i % 7 == 0 ? "鲸鱼搁浅海滩，磁暴火车站" : "鲸鱼搁浅海滩");
    }
  });
  const auto started = stream.of_phase(ChangePhase::kStarted);
  ASSERT_EQ(started.size(), 2u);
  EXPECT_EQ(started[1].name.term, "鲸鱼搁浅海滩");
}

// What people call by the hashtag of an open topic is that topic, however much there is of it.
TEST(EmergentTest, ALargerEventUnderTheSameHashtagIsTheTopicGrown) {
  Stream stream(14);
  const auto say = [&](std::int64_t second, const char* phrase) {
    stream.say(second, stream.chatter(3) + "#磁暴#，" + phrase + "，" + stream.chatter(3));
  };
  run_until_fading(stream, [&](std::int64_t second) { say(second, "火车站停运三天"); });
  ASSERT_EQ(stream.emergent.topics(), 1u);
  stream.run(2'550, 2'600, [&](std::int64_t second) {
    for (int i = 0; i < 20; ++i) say(second, "鲸鱼搁浅海滩");
  });
  const auto started = stream.of_phase(ChangePhase::kStarted);
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].name.term, "#磁暴#");
  const auto posts = stream.emergent.evidence(started[0].key, 5, false);
  ASSERT_FALSE(posts.empty());
  EXPECT_NE(posts.front().text.find("鲸鱼"), std::string::npos) << posts.front().text;
}

// Pairs of two events that have a word of every day in common.
TEST(EmergentTest, AWordOfEveryDayInBothDoesNotJoinTwoEvents) {
  Stream stream(11);
  stream.run(0, 3'600);
  const std::string& common = stream.known(12);
  stream.run(3'600, 3'900, [&](std::int64_t second) {
    const std::string& word = stream.known(second % 2 == 0 ? 90 : 120);
    stream.say(second, word + "，" + stream.chatter(1) + "，" + common);
  });
  EXPECT_EQ(stream.of_phase(ChangePhase::kStarted).size(), 2u);
}

// The words of topics that are over make room for those of now; what finds none is counted.
TEST(EmergentTest, EndedTopicsDoNotHoldTheirTerms) {
  EmergentOptions options;
  options.terms_max = 12;
  Stream stream(12, options);
  stream.run(0, 1'800);
  const auto phrase = [&](const std::string& text) {
    return [&stream, text](std::int64_t second) {
      stream.say(second, stream.chatter(3) + text + stream.chatter(3));
    };
  };
  stream.run(1'800, 2'000, phrase("磁暴火车站停运三天全城震惊"));
  ASSERT_EQ(stream.of_phase(ChangePhase::kStarted).size(), 1u);
  stream.run(2'000, 3'000);
  ASSERT_EQ(stream.of_phase(ChangePhase::kEnded).size(), 1u);
  stream.run(3'000, 3'200, phrase("鲸鱼搁浅海滩"));
  const auto started = stream.of_phase(ChangePhase::kStarted);
  ASSERT_EQ(started.size(), 2u);
  EXPECT_EQ(started[1].name.term, "鲸鱼搁浅海滩");
  const std::uint64_t refused = stream.emergent.refused_terms();
  stream.run(3'200, 3'300, phrase("内陆湖泊今晨出现罕见巨型漩涡"));
  EXPECT_GT(stream.emergent.refused_terms(), refused);
  // What is over can still be looked at.
  EXPECT_FALSE(stream.emergent.evidence(started[0].key, 3, false).empty());
}

TEST(EmergentTest, FewAuthorsAreNoTopic) {
  Stream stream(5);
  stream.run(0, 1'800);
  for (std::int64_t second = 1'800; second < 2'000; ++second) {
    ScoredPost post;
    post.post.id = "x" + std::to_string(second);
    post.post.author = "u" + std::to_string(second % 15);
    post.post.text = stream.chatter(3) + "磁暴火车站" + stream.chatter(3);
    post.post.time = EventTime{std::chrono::seconds{kStart + second}};
    stream.emergent.add(post, 0, false);
    stream.emergent.advance(kStart + second, stream.changes);
  }
  EXPECT_TRUE(stream.changes.empty());
}

TEST(EmergentTest, TheSamePostsGiveTheSameChanges) {
  const auto told = [] {
    Stream stream(6);
    stream.run(0, 1'200);
    stream.run(1'200, 1'500, [&](std::int64_t second) {
      stream.say(second, stream.chatter(2) + "磁暴火车站停运了" + stream.chatter(2));
    });
    std::string all;
    for (const Change& change : stream.changes) {
      all += to_string(change.name) + " " + std::to_string(change.at) + " " +
             std::to_string(change.score) + " " + std::to_string(change.to_rate) + "\n";
    }
    return all;
  };
  const std::string first = told();
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(first, told());
}

TEST(EmergentTest, MemoryIsFlat) {
  Stream stream(7);
  stream.run(0, 900);
  const std::size_t before = stream.emergent.memory_bytes();
  // Every minute another phrase that everybody repeats.
  for (int minute = 0; minute < 30; ++minute) {
    const std::string phrase = stream.word() + stream.word();
    stream.run(900 + 60 * minute, 960 + 60 * minute, [&](std::int64_t second) {
      for (int i = 0; i < 5; ++i) stream.say(second, phrase + stream.chatter(4));
    });
  }
  EXPECT_LE(stream.emergent.topics(), 64u);
  EXPECT_LT(stream.emergent.memory_bytes(), before + 3'000'000);
}

TEST(DiscoveryTest, ACopiedTextIsNoTopic) {
  Discovery discovery({});
  Stream stream(8);
  std::vector<Change> changes;
  std::uint64_t serial = 0;
  const auto say = [&](std::int64_t second, const std::string& author, const std::string& text) {
    ScoredPost post;
    post.post.id = "d" + std::to_string(++serial);
    post.post.author = author;
    post.post.text = text;
    post.post.time = EventTime{std::chrono::seconds{kStart + second}};
    return discovery.on_counted(post, 0, false);
  };
  for (std::int64_t second = 0; second < 1'800; ++second) {
    for (int i = 0; i < 5; ++i) {
      say(second, "a" + std::to_string(stream.below(10'000'000)), stream.chatter(8));
    }
    if (second >= 1'500) {
      say(second, "bot" + std::to_string(stream.below(25)),
          "内部消息明天早上九点全场清仓大甩卖加微信");
    }
    discovery.advance(kStart + second, changes);
  }
  ASSERT_FALSE(changes.empty());
  for (const Change& change : changes) EXPECT_EQ(change.kind, ChangeKind::kCoordinated);
  EXPECT_EQ(discovery.evidence(changes.front().key, 3, false).size(), 3u);
}

}  // namespace
}  // namespace tidewatch

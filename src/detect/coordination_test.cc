// SPDX-License-Identifier: Apache-2.0
// Simulated copy-paste and crowds through counting and detection: which is told as what.
#include "detect/coordination.h"

#include <gtest/gtest.h>

#include <random>

#include "detect/detector.h"

namespace tidewatch {
namespace {

constexpr std::int64_t kStart = 1'700'000'000;
constexpr std::int64_t kEventAt = 600, kEnd = 900;  // seconds

// A stream of one topic and region: 1.5 posts/s of people on a quiet day, and what is added to it.
class Stream {
 public:
  explicit Stream(std::uint32_t seed) : random_(seed) {}

  std::string text() {
    std::string out;
    for (std::size_t i = 18 + below(40); i > 0; --i) {
      const std::uint64_t code = 0x4E00 + below(3'000);
      out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
              static_cast<char>(0x80 | (code & 0x3F))};
    }
    return out;
  }
  // As copies are made to look different.
  std::string varied(const std::string& text) {
    static const char* const kTails[] = {"", "😀", "!!", "。", "[笑cry]", " http://t.cn/Abc1", "~"};
    std::string out = text;
    if (below(4) == 0) out.insert(9, "，");  // behind the third character
    if (below(3) == 0) out = "@u" + std::to_string(below(10'000)) + " " + out;
    out += kTails[below(7)];
    if (below(4) == 0) out += "快看";  // a true change of words
    return out;
  }
  void add(double second, const std::string& author, const std::string& text) {
    ScoredPost scored;
    scored.post.id = "p" + std::to_string(posts_.size());
    scored.post.author = author;
    scored.post.text = text;
    scored.post.region = "广东";
    scored.post.time =
        EventTime{std::chrono::milliseconds{static_cast<std::int64_t>((kStart + second) * 1'000)}};
    scored.scores.topic = 0;
    scored.scores.emotion = below(4) == 0 ? 0 : 1;
    posts_.push_back(std::move(scored));
  }
  void add_background() {
    for (double at = 0; at < kEnd; at += gap(1.5)) {
      add(at, "someone" + std::to_string(below(1'000'000)), text());
    }
  }
  double gap(double per_second) {
    return -std::log(1 - std::generate_canonical<double, 53>(random_)) / per_second;
  }
  std::size_t below(std::size_t n) { return random_() % n; }

  struct Told {
    std::vector<Change> crowd, coordinated;
    std::uint64_t posts = 0, coordinated_posts = 0;
  };
  Told run() {
    std::stable_sort(posts_.begin(), posts_.end(), [](const ScoredPost& a, const ScoredPost& b) {
      return a.post.time < b.post.time;
    });
    const LabelSchema labels{{"angry", "happy", "neutral"}, {true, false, false}, {"finance"}, 2};
    Aggregator aggregator({}, labels);
    Coordination coordination({});
    aggregator.set_observer(&coordination);
    Detector detector({});
    const auto names = [&](KeyId key) { return aggregator.name(key); };
    std::vector<Tick> ticks;
    std::vector<Change> changes;
    Told told;
    const auto digest = [&] {
      for (Tick& tick : ticks) {
        leave_out_coordinated(tick);
        detector.observe(tick, names, changes);
        coordination.advance(tick.second, changes);
      }
      ticks.clear();
    };
    for (const ScoredPost& post : posts_) {
      aggregator.add(post, ticks);
      digest();
    }
    aggregator.flush(ticks);
    digest();
    for (Change& change : changes) {
      if (change.phase != ChangePhase::kStarted) continue;
      (change.kind == ChangeKind::kCoordinated ? told.coordinated : told.crowd)
          .push_back(std::move(change));
    }
    told.posts = aggregator.stats().posts;
    told.coordinated_posts = coordination.posts();
    return told;
  }
  std::size_t size() const { return posts_.size(); }

 private:
  std::mt19937_64 random_;
  std::vector<ScoredPost> posts_;
};

TEST(CoordinationTest, CopyPasteFloodsAreToldAsSuchAndAreNoCrowd) {
  constexpr int kCases = 60;
  int labelled = 0, crowds = 0;
  for (int seed = 1; seed <= kCases; ++seed) {
    Stream stream(static_cast<std::uint32_t>(9'000 + seed));
    stream.add_background();
    const std::string text = stream.text();
    const std::size_t accounts = 2 + stream.below(49);
    const double rate = 0.5 + static_cast<double>(stream.below(100)) / 10;  // posts a second
    for (double at = kEventAt; at < kEventAt + 180; at += stream.gap(rate)) {
      stream.add(at, "bot" + std::to_string(stream.below(accounts)), stream.varied(text));
    }
    const Stream::Told told = stream.run();
    EXPECT_EQ(told.posts, stream.size());  // none dropped
    labelled += !told.coordinated.empty();
    crowds += !told.crowd.empty();
    if (told.coordinated.empty() || !told.crowd.empty()) {
      std::printf("seed %d: %zu accounts, %.1f/s: labelled %zu, crowd %zu\n", seed, accounts, rate,
                  told.coordinated.size(), told.crowd.size());
    }
  }
  EXPECT_GE(labelled, kCases * 9 / 10);
  EXPECT_EQ(crowds, 0);
}

// Each of 64 accounts has posted once before any posts again.
TEST(CoordinationTest, ManyAccountsInTurnAreNoCrowdNorAreShortTextsAndTemplates) {
  for (const char* const shape : {"varied", "short", "template"}) {
    int labelled = 0, crowds = 0;
    for (std::uint32_t seed = 101; seed <= 110; ++seed) {
      Stream stream(seed);
      stream.add_background();
      const std::string base = stream.text();
      std::size_t turn = 0;
      for (double at = kEventAt; at < kEventAt + 180; at += stream.gap(2)) {
        std::string text = stream.varied(base);
        if (shape == std::string_view{"short"}) text = base.substr(0, 18) + "😀";  // six units
        if (shape == std::string_view{"template"}) {
          text = base.substr(0, 24) + stream.text().substr(0, 6) + base.substr(24) +
                 std::to_string(stream.below(10'000)) + "元";
        }
        stream.add(at, "bot" + std::to_string(turn++ % 64), text);
      }
      const Stream::Told told = stream.run();
      labelled += !told.coordinated.empty();
      crowds += !told.crowd.empty();
    }
    EXPECT_GE(labelled, 9) << shape;
    EXPECT_EQ(crowds, 0) << shape;
  }
}

TEST(CoordinationTest, ManyAccountsOnATimetableAreCoordinated) {
  int labelled = 0;
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    Stream stream(seed);
    stream.add_background();
    const std::string text = stream.text();
    for (int i = 0; i < 60; ++i) {  // each account once, every 3 s or so
      stream.add(kEventAt + 3 * i + static_cast<double>(stream.below(100)) / 100,
                 "bot" + std::to_string(i), stream.varied(text));
    }
    labelled += !stream.run().coordinated.empty();
  }
  EXPECT_GE(labelled, 18);
}

TEST(CoordinationTest, TheSameAccountsBehindSeveralTextsAreCoordinated) {
  int labelled = 0;
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    Stream stream(seed);
    stream.add_background();
    for (int campaign = 0; campaign < 3; ++campaign) {
      const std::string text = stream.text();
      for (int i = 0; i < 60; ++i) {  // each account once a text, at random times
        stream.add(kEventAt + static_cast<double>(stream.below(20'000)) / 100,
                   "bot" + std::to_string(i), stream.varied(text));
      }
    }
    labelled += stream.run().coordinated.size() >= 2;
  }
  EXPECT_GE(labelled, 18);
}

TEST(CoordinationTest, PeopleWhoCopyATextAreACrowd) {
  int labelled = 0, crowds = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    Stream stream(seed);
    stream.add_background();
    const std::string text = stream.text();
    for (double at = kEventAt; at < kEventAt + 180; at += stream.gap(4)) {
      stream.add(at, "fan" + std::to_string(stream.below(1'000'000)), stream.varied(text));
    }
    const Stream::Told told = stream.run();
    labelled += !told.coordinated.empty();
    crowds += !told.crowd.empty();
  }
  EXPECT_LE(labelled, 1);
  EXPECT_EQ(crowds, 40);
}

// Smaller ones are not told from a flood by as many accounts in turn: see the README.
TEST(CoordinationTest, EightyPeopleWhoCopyATextOnceEachAreACrowd) {
  int labelled = 0, crowds = 0;
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    Stream stream(seed);
    stream.add_background();
    const std::string text = stream.text();
    for (int i = 0; i < 80; ++i) {
      stream.add(kEventAt + static_cast<double>(stream.below(10'000)) / 1'000,
                 "fan" + std::to_string(i), stream.varied(text));
    }
    const Stream::Told told = stream.run();
    labelled += !told.coordinated.empty();
    crowds += !told.crowd.empty();
  }
  EXPECT_EQ(labelled, 0);
  EXPECT_GE(crowds, 15);
}

// What the site puts into a repost is no text of anybody's, whatever is put around it.
TEST(CoordinationTest, BareRepostsByOnePersonEachCountForTheCrowd) {
  for (const char* const text :
       {"转发微博", "转发微博。", "轉發微博!!", " [笑cry]转发微博😀", "@甲 转发微博"}) {
    Coordination coordination({});
    int left_out = 0;
    for (int i = 0; i < 40; ++i) {
      ScoredPost post;
      post.post.id = "p" + std::to_string(i);
      post.post.author = "fan" + std::to_string(i);
      post.post.text = text;
      post.post.repost_of = "original";
      post.post.time = EventTime{std::chrono::seconds{kStart + i * i}};
      left_out += coordination.on_counted(post, 0, false);
    }
    EXPECT_EQ(left_out, 0) << text;
  }
}

TEST(CoordinationTest, ACrowdWithAFloodInItIsStillSeen) {
  int crowds = 0;
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    Stream stream(seed);
    stream.add_background();
    const std::string text = stream.text();
    for (double at = kEventAt; at < kEventAt + 180; at += stream.gap(4)) {
      stream.add(at, "fan" + std::to_string(stream.below(1'000'000)), stream.text());
      stream.add(at, "bot" + std::to_string(stream.below(10)), stream.varied(text));
    }
    crowds += !stream.run().crowd.empty();
  }
  EXPECT_EQ(crowds, 20);
}

TEST(CoordinationTest, TellsAGroupFromItsStartToItsEnd) {
  Coordination coordination({});
  std::vector<Change> changes;
  const std::string text = "内部消息明天早上九点全场清仓大甩卖加微信领取红包先到先得";
  for (int second = 0; second < 200; ++second) {
    ScoredPost post;
    post.post.id = "p" + std::to_string(second);
    post.post.author = "bot" + std::to_string(second % 5);
    post.post.text = text;
    post.post.time = EventTime{std::chrono::seconds{kStart + second}};
    coordination.on_counted(post, 0, true);
    coordination.advance(kStart + second, changes);
  }
  ASSERT_GE(changes.size(), 3u);
  EXPECT_EQ(changes[0].phase, ChangePhase::kStarted);
  EXPECT_EQ(changes[0].at, kStart + 19);
  EXPECT_EQ(changes[0].onset, kStart);
  EXPECT_EQ(changes[0].since_onset.posts, 20u);
  EXPECT_EQ(changes[0].since_onset.new_authors, 5u);
  EXPECT_GE(changes[0].score, 1);
  EXPECT_TRUE(to_string(changes[0].name).starts_with("copy:"));
  EXPECT_TRUE(Coordination::is_group(changes[0].key));
  EXPECT_EQ(changes[1].phase, ChangePhase::kContinues);
  EXPECT_EQ(changes[1].at, kStart + 79);
  EXPECT_EQ(coordination.evidence(changes[0].key, 3, false).size(), 3u);
  changes.clear();
  coordination.advance(kStart + 798, changes);
  coordination.advance(kStart + 799, changes);
  ASSERT_FALSE(changes.empty());
  EXPECT_EQ(changes.back().phase, ChangePhase::kEnded);
  EXPECT_EQ(changes.back().at, kStart + 799);
  coordination.advance(kStart + 860, changes);  // forgotten by the next sweep
  EXPECT_EQ(coordination.groups(), 0u);
}

}  // namespace
}  // namespace tidewatch

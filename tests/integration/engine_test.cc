// SPDX-License-Identifier: Apache-2.0
// All stages in one process, with the real store and the bundled model, but no HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <latch>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "app/engine_api.h"
#include "app/ndjson_session.h"
#include "app/runtime.h"
#include "simulate/simulator.h"

namespace tidewatch {
namespace {

using testing::HasSubstr;

class Recorder final : public CommitListener {
 public:
  void committed(std::uint64_t cookie, Outcome outcome, const Status&) override {
    MutexLock lock(mu_);
    outcomes_.emplace_back(cookie, outcome);
  }
  std::vector<std::pair<std::uint64_t, Outcome>> outcomes() {
    MutexLock lock(mu_);
    return outcomes_;
  }

 private:
  Mutex mu_;
  std::vector<std::pair<std::uint64_t, Outcome>> outcomes_ GUARDED_BY(mu_);
};

class EngineTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/engine_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    config_.store.dir = folder_ / "data";
    config_.models_dir = TIDEWATCH_SOURCE_DIR "/models";
    config_.inference.model = "none";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Runtime> start(Runtime::Mode mode, Runtime::Hooks hooks = {}) {
    auto runtime = Runtime::start(config_, mode, clock_, std::move(hooks));
    EXPECT_TRUE(runtime.ok()) << runtime.error().message;
    return runtime ? std::move(*runtime) : nullptr;
  }
  static Post post(const std::string& id, const std::string& text) {
    Post result;
    result.id = id;
    result.text = text;
    result.time = EventTime{std::chrono::seconds{1'700'000'000}};
    return result;
  }

  std::filesystem::path folder_;
  Config config_;
  SystemClock clock_;
};

// Texts that the model must run and texts that the cache knows overtake each other; what is
// stored comes in the order of admission all the same.
TEST_F(EngineTest, StoresInTheOrderOfAdmission) {
  config_.inference.model = "fast";
  std::vector<std::string> stored;
  Runtime::Hooks hooks;
  hooks.on_stored = [&](std::span<const CommittedPost> posts) {
    for (const CommittedPost& p : posts) stored.push_back(p.post.post.id);
  };
  const auto runtime = start(Runtime::Mode::kReplay, hooks);
  ASSERT_NE(runtime, nullptr);
  const auto listener = std::make_shared<Recorder>();
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    const std::string text = i % 3 == 0   ? ""
                             : i % 3 == 1 ? "转发微博"
                                          : "第" + std::to_string(i) + "条微博 今天天气不错";
    expected.push_back("p" + std::to_string(i));
    ASSERT_EQ(runtime->pipeline().submit(post(expected.back(), text), clock_.steady_now(), listener,
                                         static_cast<std::uint64_t>(i), /*wait=*/true),
              Pipeline::Admission::kAdmitted);
    // Once the repeated text was scored the cache knows it, and it overtakes the others.
    if (i == 30) runtime->pipeline().drain();
  }
  runtime->finish();
  EXPECT_EQ(stored, expected);
  EXPECT_GT(runtime->metrics().cache_hits().value(), 0U);
  const auto outcomes = listener->outcomes();
  ASSERT_EQ(outcomes.size(), 300U);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].first, i);
    EXPECT_EQ(outcomes[i].second, CommitListener::Outcome::kStored);
  }
  EXPECT_EQ(runtime->store().stats().posts, 300U);
}

TEST_F(EngineTest, RefusesWhenFullAndLeavesThePost) {
  config_.pipeline.posts_in_flight_max = 4;
  std::latch release{1};
  Runtime::Hooks hooks;
  hooks.on_stored = [&](std::span<const CommittedPost>) { release.wait(); };
  const auto runtime = start(Runtime::Mode::kServe, hooks);
  ASSERT_NE(runtime, nullptr);
  const auto listener = std::make_shared<Recorder>();
  // The writer is held in on_stored after its first batch, so slots run out after a few posts.
  std::size_t admitted = 0;
  Post refused;
  while (true) {
    refused = post("p" + std::to_string(admitted), "x");
    if (runtime->pipeline().submit(std::move(refused), clock_.steady_now(), listener, 0, false) ==
        Pipeline::Admission::kBehind) {
      break;
    }
    ASSERT_LE(++admitted, 12U) << "more were admitted than two batches of slots hold";
  }
  EXPECT_EQ(refused.text, "x");
  EXPECT_LE(runtime->pipeline().in_flight(), 4U);

  // A body meets the same wall: it stops at that line and says so.
  auto session = make_ndjson_session(config_.decode, clock_, runtime->fresh_ids(),
                                     runtime->pipeline(), runtime->metrics(), runtime->times());
  EXPECT_FALSE(session->feed("{\"text\":\"a\"}\n{\"text\":\"b\"}\n"));
  std::optional<IngestSummary> summary;
  session->finish(true, [&](IngestSummary s) { summary = std::move(s); });
  release.count_down();
  runtime->pipeline().drain();
  ASSERT_TRUE(summary.has_value());
  ASSERT_TRUE(summary->stopped.has_value());
  EXPECT_EQ(summary->stopped->code, Code::kResourceExhausted);
  EXPECT_EQ(summary->unprocessed_from_line, 1U);
  EXPECT_EQ(summary->accepted, 0U);
  EXPECT_EQ(runtime->metrics().shed().value(), 1U);
  EXPECT_EQ(runtime->store().stats().posts, admitted);
}

TEST_F(EngineTest, TellsDuplicatesAndCountsThemOnce) {
  std::size_t passed_on = 0;
  Runtime::Hooks hooks;
  hooks.on_stored = [&](std::span<const CommittedPost> posts) { passed_on += posts.size(); };
  const auto runtime = start(Runtime::Mode::kReplay, hooks);
  ASSERT_NE(runtime, nullptr);
  auto session = make_ndjson_session(config_.decode, clock_, runtime->fresh_ids(),
                                     runtime->pipeline(), runtime->metrics(), runtime->times());
  // Cut anywhere; a bad line in between; no line break at the end.
  const std::string body =
      "{\"id\":\"a\",\"text\":\"一\"}\n[]\n{\"id\":\"a\",\"text\":\"二\"}\n{\"id\":\"b\",\"text\":"
      "\"\"}";
  for (const char byte : body) ASSERT_TRUE(session->feed({&byte, 1}));
  std::optional<IngestSummary> summary;
  session->finish(true, [&](IngestSummary s) { summary = std::move(s); });
  runtime->finish();
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->accepted, 2U);
  EXPECT_EQ(summary->duplicates, 1U);
  EXPECT_EQ(summary->rejected, 1U);
  ASSERT_EQ(summary->errors.size(), 1U);
  EXPECT_EQ(summary->errors[0].line, 2U);
  EXPECT_EQ(passed_on, 2U);
  EXPECT_EQ(runtime->counting().stats().posts, 2U);
}

TEST_F(EngineTest, AVanishedClientLosesOnlyItsUnfinishedLine) {
  const auto runtime = start(Runtime::Mode::kReplay);
  ASSERT_NE(runtime, nullptr);
  auto session = make_ndjson_session(config_.decode, clock_, runtime->fresh_ids(),
                                     runtime->pipeline(), runtime->metrics(), runtime->times());
  ASSERT_TRUE(session->feed("{\"text\":\"whole\"}\n{\"text\":\"ha"));
  std::optional<IngestSummary> summary;
  session->finish(false, [&](IngestSummary s) { summary = std::move(s); });
  runtime->finish();
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->accepted, 1U);
  EXPECT_EQ(summary->rejected, 0U);
}

// A second file into the same folder: posts without ids are new posts, not the first file's.
TEST_F(EngineTest, AReplayIntoAFilledStoreKeepsPostsWithoutIds) {
  for (int run = 1; run <= 3; ++run) {
    const auto runtime = start(Runtime::Mode::kReplay);
    ASSERT_NE(runtime, nullptr);
    auto session = make_ndjson_session(config_.decode, clock_, runtime->fresh_ids(),
                                       runtime->pipeline(), runtime->metrics(), runtime->times());
    ASSERT_TRUE(session->feed("{\"text\":\"a\"}\n{\"text\":\"b\"}\n"));
    std::optional<IngestSummary> summary;
    session->finish(true, [&](IngestSummary s) { summary = std::move(s); });
    runtime->finish();
    ASSERT_TRUE(summary.has_value());
    EXPECT_EQ(summary->accepted, 2U) << "run " << run;
    EXPECT_EQ(runtime->store().stats().posts, static_cast<std::uint64_t>(2 * run));
  }
}

// The same stream gives the same alerts, byte for byte, and a planted wave is among them.
TEST_F(EngineTest, TheSameFileGivesTheSameAlerts) {
  const std::vector<std::string> models{"fast", "fast", "auto", "auto"};
  std::vector<std::string> runs;
  std::string hashtag;
  for (std::size_t run = 0; run < models.size(); ++run) {
    config_.inference.model = models[run];
    config_.inference.margins.emotion = 0.005;  // few: base is slow under sanitizers
    config_.store.dir = folder_ / ("run" + std::to_string(run));
    std::string alerts;
    Runtime::Hooks hooks;
    hooks.on_alert = [&](const AlertUpdate& update) {
      alerts += to_json(update.alert, update.event) + "\n";
    };
    const auto runtime = start(Runtime::Mode::kReplay, hooks);
    ASSERT_NE(runtime, nullptr);
    SimulateOptions options;
    options.seed = 7;
    options.duration = std::chrono::minutes{run < 2 ? 10 : 4};
    options.posts_per_second = 40;
    options.events = *parse_events(demo_events_toml(), "demo");
    hashtag = "九鼎理财通无法提现";  // the fifth planted event: a slow, large negative wave
    Simulator simulator(options);
    PostDecoder decoder(config_.decode, clock_, runtime->fresh_ids());
    std::string line;
    while (simulator.next(line)) {
      auto decoded = decoder.decode(line);
      ASSERT_TRUE(std::holds_alternative<Post>(decoded)) << line;
      ASSERT_EQ(runtime->pipeline().submit(std::move(std::get<Post>(decoded)), clock_.steady_now(),
                                           nullptr, 0, /*wait=*/true),
                Pipeline::Admission::kAdmitted);
    }
    runtime->finish();
    runs.push_back(alerts);
  }
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_EQ(runs[2], runs[3]);
  EXPECT_THAT(runs[2], HasSubstr("\"event\":\"opened\""));
  EXPECT_THAT(runs[0], HasSubstr("\"event\":\"opened\""));
  EXPECT_THAT(runs[0], HasSubstr(hashtag));
}

// A rule has alerts of its own; copy-paste and a new phrase are told as what they are, and all of
// it is the same in a second run.
TEST_F(EngineTest, RulesCopyPasteAndNewTopicsHaveAlertsOfTheirOwn) {
  config_.rules = {{"停电", "停电 NEAR/8 小区 -广告", "", true}};
  std::vector<std::string> runs;
  std::map<std::string, std::string> keys;  // of opened alerts, by kind
  for (int run = 0; run < 2; ++run) {
    config_.store.dir = folder_ / ("run" + std::to_string(run));
    std::string alerts;
    Runtime::Hooks hooks;
    hooks.on_alert = [&](const AlertUpdate& update) {
      alerts += to_json(update.alert, update.event) + "\n";
      if (update.event == AlertEvent::kOpened && update.alert.key.starts_with("rule:")) {
        keys["rule"] = update.alert.key;
      } else if (update.event == AlertEvent::kOpened) {
        keys[update.alert.kind] = update.alert.key;
        EXPECT_GE(update.alert.evidence.size(), 3U);
      }
    };
    const auto runtime = start(Runtime::Mode::kReplay, hooks);
    ASSERT_NE(runtime, nullptr);
    std::mt19937_64 random(5);
    std::uint64_t serial = 0;
    const auto chatter = [&] {
      std::string text;
      for (int i = 0; i < 14; ++i) {
        const std::uint64_t code = 0x4E00 + random() % 600;
        text += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
                 static_cast<char>(0x80 | (code & 0x3F))};
      }
      return text;
    };
    const auto say = [&](std::int64_t second, const std::string& author, const std::string& text) {
      Post one = post("p" + std::to_string(++serial), text);
      one.author = author;
      one.region = "广东 深圳";
      one.time += std::chrono::seconds{second};
      ASSERT_EQ(runtime->pipeline().submit(std::move(one), clock_.steady_now(), nullptr, 0, true),
                Pipeline::Admission::kAdmitted);
    };
    for (std::int64_t second = 0; second < 1'500; ++second) {
      for (int i = 0; i < 3; ++i)
        say(second, "a" + std::to_string(random() % 1'000'000), chatter());
      if (second < 1'200) continue;
      say(second, "b" + std::to_string(random() % 1'000'000), "小区又停电了" + chatter());
      say(second, "bot" + std::to_string(second % 7),
          "内部消息明天早上九点全场清仓大甩卖加微信领红包");
    }
    runtime->finish();
    runs.push_back(alerts);
  }
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_EQ(keys["rule"], "rule:停电");
  EXPECT_THAT(keys["emergent"], HasSubstr("停电"));
  EXPECT_THAT(keys["coordinated"], HasSubstr("内部消息明天早上九点"));
}

// The cascade gives each text the scores of the model that its margin asks for, whatever is queued
// beside it, and says whose they are.
TEST_F(EngineTest, TheCascadeAnswersWithTheScoresOfOneOfItsModels) {
  SimulateOptions options;
  options.seed = 11;
  options.duration = std::chrono::minutes{2};
  options.posts_per_second = 2;
  Simulator simulator(options);
  FreshIds fresh_ids("x");
  PostDecoder decoder(config_.decode, clock_, fresh_ids);
  std::vector<std::string> texts;
  std::string line;
  while (simulator.next(line)) texts.push_back(std::get<Post>(decoder.decode(line)).text);
  ASSERT_GT(texts.size(), 100U);

  ModelRegistry registry(config_.models_dir);
  Inference::Options inference = config_.inference;
  std::map<std::string, std::vector<Scores>> by_model;
  for (const char* name : {"fast", "base", "auto"}) {
    Metrics metrics;
    inference.model = name;
    auto started = Inference::create(registry, inference, clock_, metrics);
    ASSERT_TRUE(started.ok()) << started.error().message;
    const auto scores = (*started)->classify(texts);
    ASSERT_TRUE(scores.ok());
    by_model[name] = *scores;
    EXPECT_EQ((*started)->name(), name);
    if (std::string_view{name} != "auto") continue;
    std::size_t escalated = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      SCOPED_TRACE(texts[i]);
      const bool doubt =
          !texts[i].empty() && cascade_doubt(inference.margins, by_model["fast"][i]).any();
      escalated += doubt;
      const Scores& expected = by_model[doubt ? "base" : "fast"][i];
      EXPECT_EQ((*scores)[i].emotion_prob, expected.emotion_prob);
      EXPECT_EQ((*scores)[i].topic_prob, expected.topic_prob);
      EXPECT_EQ((*started)->answered_by((*scores)[i]),
                texts[i].empty() ? "" : (doubt ? "base" : "fast"));
    }
    EXPECT_GT(escalated, 0U);
    EXPECT_LT(escalated, texts.size());
    const auto again = (*started)->classify(texts);  // from the cache
    ASSERT_TRUE(again.ok());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ((*again)[i].model, (*scores)[i].model);
      EXPECT_EQ((*again)[i].emotion_prob, (*scores)[i].emotion_prob);
    }
    EXPECT_LE(metrics.cascade_escalated().value(), escalated);
  }
}

// A live stream keeps the first answer where the second model has no room, and says so; what was
// skipped is not remembered as final.
TEST_F(EngineTest, LiveTheCascadeDoesNotWaitForItsSecondModel) {
  ModelRegistry registry(config_.models_dir);
  Metrics metrics;
  Inference::Options options = config_.inference;
  options.model = "auto";
  options.margins.emotion = 1.5;  // every text is in doubt
  options.escalation_waits = false;
  options.escalation_tokens_max = 1;  // one text at a time
  const auto started = Inference::create(registry, options, clock_, metrics);
  ASSERT_TRUE(started.ok()) << started.error().message;
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) texts.push_back("第" + std::to_string(i) + "条微博 今天天气不错");
  const auto scores = (*started)->classify(texts);
  ASSERT_TRUE(scores.ok());
  const std::uint64_t escalated = metrics.cascade_escalated().value();
  const std::uint64_t skipped = metrics.cascade_skipped_for_any_reason();
  EXPECT_EQ(escalated + skipped, texts.size());
  EXPECT_GT(escalated, 0U);
  EXPECT_GT(skipped, 0U) << "base is some fifty times slower than fast";
  std::uint64_t by_base = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const bool base = (*started)->answered_by((*scores)[i]) == "base";
    by_base += base;
    std::vector<std::int32_t> ids;
    (*started)->tokenize(texts[i], ids);
    EXPECT_EQ((*started)->cached(ids).has_value(), base) << texts[i];
  }
  EXPECT_EQ(by_base, escalated);
}

TEST_F(EngineTest, RemembersOpenAlertsAcrossARestart) {
  std::vector<std::string> opened;
  Runtime::Hooks hooks;
  hooks.on_alert = [&](const AlertUpdate& update) {
    if (update.event == AlertEvent::kOpened) opened.push_back(update.alert.id);
  };
  const EventTime start_time = clock_.wall_now() - std::chrono::minutes{12};
  const auto feed = [&](Runtime& runtime, int from, int to, int per_second) {
    for (int second = from; second < to; ++second) {
      for (int i = 0; i < per_second; ++i) {
        Post p = post("r-" + std::to_string(second) + "-" + std::to_string(i),
                      "#停水了# 第" + std::to_string(second * 100 + i) + "个人说停水了");
        p.author = "u" + std::to_string(second * 100 + i);
        p.region = "广东";
        p.time = start_time + std::chrono::seconds{second};
        ASSERT_EQ(runtime.pipeline().submit(std::move(p), clock_.steady_now(), nullptr, 0, true),
                  Pipeline::Admission::kAdmitted);
      }
    }
    runtime.pipeline().drain();
  };
  std::size_t before = 0;
  {
    const auto runtime = start(Runtime::Mode::kServe, hooks);
    ASSERT_NE(runtime, nullptr);
    feed(*runtime, 0, 600, 1);
    feed(*runtime, 600, 660, 20);
    runtime->counting().finish();
    before = opened.size();
    ASSERT_GT(before, 0U);
  }
  {
    const auto runtime = start(Runtime::Mode::kServe, hooks);
    ASSERT_NE(runtime, nullptr);
    EXPECT_GT(runtime->counting().stats().posts, 1'000U) << "the last half hour is counted again";
    feed(*runtime, 660, 700, 20);
    runtime->counting().finish();
  }
  EXPECT_EQ(opened.size(), before) << "the wave that goes on is not opened again";
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
// Swaps, rollbacks and canaries in a running engine, with tiny models. The limit on latency is
// off: nothing here depends on how fast the machine is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <latch>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "app/engine_api.h"
#include "app/runtime.h"
#include "infer/engine_file.h"
#include "infer/testing/tiny_model.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The tiny model says "sad" of every text: its [CLS] and [SEP] outweigh the rest. This one's say
// "angry" instead.
std::string worse_weights(std::string weights) {
  const float sad[3] = {0, 0, 90};
  const float angry[3] = {90, 0, 0};
  const std::string from(reinterpret_cast<const char*>(sad), sizeof sad);
  const std::string to(reinterpret_cast<const char*>(angry), sizeof angry);
  // The table is [PAD] [UNK] [CLS] [SEP] …, three floats each.
  std::size_t changed = 0;
  const std::size_t table = weights.find(from);
  for (std::size_t at = table; at != std::string::npos && at < table + 2 * from.size();
       at += from.size()) {
    if (weights.compare(at, from.size(), from) != 0) break;
    weights.replace(at, from.size(), to);
    ++changed;
  }
  EXPECT_EQ(changed, 2U);
  return weights;
}

class SwapTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/swap_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* name : {"fast", "base"}) {
      manifests_[name] = make_tiny_model(folder_ / "models" / name);
      write_manifest(folder_ / "models" / name, manifests_[name]);
    }
    std::ofstream(folder_ / "golden.json")
        << R"({"texts":[{"text":"天","emotion":"sad","topic":"game"},{"text":"地","emotion":"sad"},)"
        << R"({"text":"人人","emotion":"sad","topic":"game"}]})";
    config_.store.dir = folder_ / "data";
    config_.models_dir = folder_ / "models";
    config_.inference.model = "fast";
    config_.control.engines_dir = folder_ / "engines";
    config_.control.golden_file = (folder_ / "golden.json").string();
    config_.control.swap.latency_ratio_max = 0;
    config_.control.canary.latency_ratio_max = 0;
    config_.control.canary.probes_min = 2;
    std::filesystem::create_directories(config_.control.engines_dir);
  }
  void TearDown() override {
    runtime_.reset();
    std::filesystem::remove_all(folder_);
  }

  ModelControl& start() {
    runtime_.reset();
    auto runtime = Runtime::start(config_, Runtime::Mode::kServe, clock_, {});
    EXPECT_TRUE(runtime.ok()) << runtime.error().message;
    runtime_ = *std::move(runtime);
    return runtime_->control();
  }
  void build(const std::string& name, const std::string& model = "fast", bool worse = false,
             const std::function<void(json&)>& change = {}) {
    json manifest = manifests_[model];
    manifest["version"] = name;
    if (change) change(manifest);
    EngineHeader header;
    header.manifest_json = manifest.dump();
    header.kind = kEngineOnnx;
    header.precision = "fp32";
    const std::filesystem::path from = folder_ / "models" / model;
    const std::string graph = read(from / "model.xml");
    const std::string weights =
        worse ? worse_weights(read(from / "model.bin")) : read(from / "model.bin");
    const EnginePart parts[] = {{"model.xml", graph}, {"model.bin", weights}};
    ASSERT_TRUE(write_engine(config_.control.engines_dir / (name + ".engine"), header, parts));
  }
  std::string version(std::size_t slot = 0) {
    return runtime_->inference().models()[slot]->manifest.version;
  }
  std::string emotion_of(const std::string& text) {
    const std::vector<std::string> texts{text};
    const auto scores = runtime_->inference().classify(texts);
    EXPECT_TRUE(scores.ok());
    return std::string(runtime_->inference().labels().emotion_name(scores->front().emotion));
  }
  // Texts that are all different, from several threads, until `done`.
  void load_while(const std::function<void()>& work, std::atomic<std::uint64_t>& answered,
                  std::atomic<std::uint64_t>& failed) {
    std::atomic<bool> done{false};
    std::latch running{3};
    std::vector<std::jthread> clients;
    for (int client = 0; client < 3; ++client) {
      clients.emplace_back([&, client] {
        bool counted = false;
        for (std::uint64_t n = 0; !done; ++n) {
          std::vector<std::string> texts;
          for (std::uint64_t bit = 0; bit < 12; ++bit) {
            texts.push_back((n >> bit & 1U) != 0 ? "天地人" : "人");
          }
          texts.push_back(std::string(static_cast<std::size_t>(client + 1), 'a'));
          const auto scores = runtime_->inference().classify(texts);
          if (scores) {
            for (const Scores& one : *scores) {
              if (one.model.value == 0) ++failed;
            }
            answered += scores->size();
          } else {
            ++failed;
          }
          if (!std::exchange(counted, true)) running.count_down();
        }
      });
    }
    running.wait();
    work();
    done = true;
  }

  std::filesystem::path folder_;
  std::map<std::string, json> manifests_;
  Config config_;
  SystemClock clock_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(SwapTest, FiftySwapsUnderLoadLoseNothingAndFreeTheOld) {
  build("v2");
  build("v3");
  config_.inference.cache_bytes_max = 0;
  ModelControl& control = start();
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> failed{0};
  load_while(
      [&] {
        for (int i = 0; i < 50; ++i) {
          const std::weak_ptr<const Model> old_model = runtime_->inference().model();
          const SwapReport report =
              control.swap("fast", i % 2 == 0 ? "v2.engine" : "v3.engine", config_.control.swap);
          ASSERT_FALSE(report.refused) << report.refused->message;
          EXPECT_EQ(version(), i % 2 == 0 ? "v2" : "v3");
          EXPECT_TRUE(old_model.expired()) << i;
          EXPECT_GT(report.first_answer.count(), 0);
        }
      },
      answered, failed);
  EXPECT_EQ(failed.load(), 0U);
  EXPECT_GT(answered.load(), 0U);
  EXPECT_EQ(runtime_->metrics().swaps("switched").value(), 50U);
  // Of the three versions one is in memory.
  double total = 0;
  for (const char* v : {"1", "v2", "v3"}) {
    total += runtime_->metrics().model_memory_bytes("fast", v).value();
  }
  EXPECT_EQ(total, static_cast<double>(runtime_->inference().model()->backend->memory_bytes()));
}

TEST_F(SwapTest, WhatIsWrongIsRefusedAndTheOldGoesOn) {
  build("worse", "fast", /*worse=*/true);
  build("labels", "fast", false, [](json& m) { m["tasks"][1]["labels"] = {"edu", "car", "game"}; });
  build("words", "fast", false, [](json& m) { m["vocabulary"]["sha256"] = std::string(64, 'a'); });
  build("other", "base");
  build("whole");
  const std::filesystem::path engines = config_.control.engines_dir;
  std::string bytes = read(engines / "whole.engine");
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  std::ofstream(engines / "corrupt.engine", std::ios::binary) << bytes;
  std::ofstream(engines / "short.engine", std::ios::binary) << bytes.substr(0, 900);
  ModelControl& control = start();
  const auto before = runtime_->inference().model();
  struct Case {
    const char* engine;
    Code code;
    const char* says;
  };
  const Case cases[] = {
      {"worse.engine", Code::kFailedPrecondition, "accuracy falls from 100.0 to 0.0 %"},
      {"labels.engine", Code::kFailedPrecondition, "topic labels are [edu, car, game]"},
      {"words.engine", Code::kFailedPrecondition, "vocabulary"},
      {"other.engine", Code::kFailedPrecondition, "'base'"},
      {"corrupt.engine", Code::kDataLoss, "sha256"},
      {"short.engine", Code::kDataLoss, "truncated"},
      {"none.engine", Code::kNotFound, "no such engine"},
      {"../whole.engine", Code::kInvalidArgument, "paths are refused"},
      {"/etc/passwd", Code::kInvalidArgument, "paths are refused"},
  };
  for (const Case& c : cases) {
    const SwapReport report = control.swap("fast", c.engine, config_.control.swap);
    ASSERT_TRUE(report.refused) << c.engine;
    EXPECT_EQ(report.refused->code, c.code) << c.engine << ": " << report.refused->message;
    EXPECT_THAT(report.refused->message, HasSubstr(c.says)) << c.engine;
    EXPECT_EQ(runtime_->inference().model(), before) << c.engine;
    EXPECT_EQ(emotion_of("天"), "sad") << c.engine;
  }
  EXPECT_EQ(control.swap("large", "whole.engine", {}).refused->code, Code::kNotFound);
  EXPECT_EQ(runtime_->metrics().swaps("switched").value(), 0U);
  EXPECT_FALSE(std::filesystem::exists(config_.store.dir / "engines.json"));
  // What limits refuse, other limits allow; the figures are told.
  const SwapReport forced = control.swap("", "worse.engine", {0, 0, 1});
  ASSERT_FALSE(forced.refused) << forced.refused->message;
  EXPECT_DOUBLE_EQ(forced.figures->emotion.agreement, 0);
  EXPECT_EQ(emotion_of("天"), "angry");  // and not what the cache remembers of the old one
}

TEST_F(SwapTest, RollsBackAndRemembersAcrossRestarts) {
  build("v2");
  build("v3");
  EXPECT_EQ(start().rollback("fast").refused->code, Code::kFailedPrecondition);
  ASSERT_FALSE(runtime_->control().swap("fast", "v2.engine", config_.control.swap).refused);
  ASSERT_FALSE(start().swap("fast", "v3.engine", config_.control.swap).refused);
  EXPECT_EQ(version(), "v3");
  start();
  EXPECT_EQ(version(), "v3");
  EXPECT_EQ(runtime_->control().state_of("fast").previous, "v2.engine");
  ASSERT_FALSE(runtime_->control().rollback("fast").refused);
  EXPECT_EQ(version(), "v2");
  start();
  EXPECT_EQ(version(), "v2");
  EXPECT_EQ(runtime_->control().state_of("fast").previous, "v3.engine");

  // A damaged one leaves the bundled model, and is taken up again once it is whole.
  const std::filesystem::path file = config_.control.engines_dir / "v2.engine";
  const std::string whole = read(file);
  std::ofstream(file, std::ios::binary) << whole.substr(0, whole.size() / 2);
  start();
  EXPECT_EQ(version(), "1");
  // Another whole engine under the same name was never validated.
  build("v2", "fast", /*worse=*/true);
  start();
  EXPECT_EQ(version(), "1");
  std::ofstream(file, std::ios::binary) << whole;
  start();
  EXPECT_EQ(version(), "v2");
}

TEST_F(SwapTest, ARollbackValidatesAFileThatIsAnother) {
  build("v2");
  build("v3");
  ASSERT_FALSE(start().swap("fast", "v2.engine", config_.control.swap).refused);
  ASSERT_FALSE(runtime_->control().swap("fast", "v3.engine", config_.control.swap).refused);
  build("v2", "fast", /*worse=*/true);
  for (const bool restarted : {false, true}) {
    if (restarted) start();
    const SwapReport report = runtime_->control().rollback("fast");
    ASSERT_TRUE(report.refused);
    EXPECT_EQ(report.refused->code, Code::kFailedPrecondition);
    EXPECT_THAT(report.refused->message,
                AllOf(HasSubstr("another than the one that answered before"),
                      HasSubstr("accuracy falls from 100.0 to 0.0 %")));
    EXPECT_EQ(version(), "v3");
  }
  // Another one that is as good is taken.
  build("v2", "fast", false, [](json& manifest) { manifest["version"] = "v2b"; });
  const SwapReport other = runtime_->control().rollback("fast");
  ASSERT_FALSE(other.refused) << other.refused->message;
  EXPECT_TRUE(other.figures);
  EXPECT_EQ(version(), "v2b");
  const SwapReport same = runtime_->control().rollback("fast");
  ASSERT_FALSE(same.refused) << same.refused->message;
  EXPECT_FALSE(same.figures);
  EXPECT_EQ(version(), "v3");
}

TEST_F(SwapTest, ADamagedStateFileLeavesTheBundledModel) {
  build("v2");
  ASSERT_FALSE(start().swap("fast", "v2.engine", config_.control.swap).refused);
  const std::filesystem::path file = config_.store.dir / "engines.json";
  const json whole = json::parse(read(file));
  std::vector<json> damaged(5, whole);
  damaged[0]["models"]["fast"]["engine"] = 7;
  damaged[1]["models"]["fast"]["sha256"] = nullptr;
  damaged[2]["models"]["fast"].erase("engine");
  damaged[3]["models"]["fast"] = "v2.engine";
  damaged[4]["models"] = json::array();
  for (const json& state : damaged) {
    runtime_.reset();
    std::ofstream(file) << state;
    testing::internal::CaptureStderr();
    start();
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("CANNOT BE TAKEN UP"), HasSubstr("engines.json: damaged")))
        << state;
    EXPECT_EQ(version(), "1") << state;
  }
  // What a rollback returns to is not needed to take up the active one.
  json odd = whole;
  odd["models"]["fast"]["previous"] = 7;
  runtime_.reset();
  std::ofstream(file) << odd;
  start();
  EXPECT_EQ(version(), "v2");
  EXPECT_EQ(runtime_->control().state_of("fast").previous, std::nullopt);
}

TEST_F(SwapTest, EachModelOfACascadeIsSwappedByItself) {
  build("f2", "fast");
  build("b2", "base");
  config_.inference.model = "auto";
  config_.inference.margins.emotion = 1;  // every text is in doubt
  config_.inference.escalation_waits = true;
  ModelControl& control = start();
  EXPECT_EQ(control.swap("", "b2.engine", config_.control.swap).refused->code,
            Code::kInvalidArgument);
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> failed{0};
  load_while(
      [&] {
        for (int i = 0; i < 10; ++i) {
          const std::weak_ptr<const Model> old_model = runtime_->inference().models()[1];
          const SwapReport base = control.swap("base", "b2.engine", config_.control.swap);
          ASSERT_FALSE(base.refused) << base.refused->message;
          EXPECT_TRUE(old_model.expired()) << i;
          const SwapReport fast = control.swap("fast", "f2.engine", config_.control.swap);
          ASSERT_FALSE(fast.refused) << fast.refused->message;
        }
      },
      answered, failed);
  EXPECT_EQ(failed.load(), 0U);
  EXPECT_EQ(version(0), "f2");
  EXPECT_EQ(version(1), "b2");
  EXPECT_EQ(runtime_->inference().version(), "f2+b2");
}

TEST_F(SwapTest, KServeLoadsAnEngineInThePlaceOfTheModelThatItsFileNames) {
  build("f2", "fast");
  build("b2", "base");
  config_.inference.model = "auto";
  start();
  EngineApi api(*runtime_);
  ASSERT_TRUE(api.load_model("b2"));
  EXPECT_EQ(runtime_->inference().version(), "1+b2");
  ASSERT_TRUE(api.load_model("f2"));
  EXPECT_EQ(runtime_->inference().version(), "f2+b2");
  EXPECT_EQ(api.load_model("none").error().code, Code::kNotFound);
  EXPECT_EQ(api.load_model("../f2").error().code, Code::kInvalidArgument);
  ASSERT_TRUE(api.unload_model("b2"));
  EXPECT_EQ(runtime_->inference().version(), "f2+1");
}

TEST_F(SwapTest, AWorseCanaryRollsItselfBack) {
  build("worse", "fast", /*worse=*/true);
  build("v2");
  ModelControl& control = start();
  CanaryRequest request;
  request.engine = "worse.engine";
  request.percent = 100;
  request.limits = config_.control.canary;
  ASSERT_TRUE(control.start_canary("fast", request));
  // The probe set comes first, without any traffic; its verdict ends the canary.
  while (runtime_->metrics().canaries("rolled_back").value() == 0) std::this_thread::yield();
  const auto report = control.canary("fast");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->state, CanaryState::kRolledBack);
  EXPECT_THAT(report->reason, HasSubstr("accuracy"));
  EXPECT_EQ(version(), "1");
  EXPECT_EQ(emotion_of("天"), "sad");
  EXPECT_EQ(runtime_->metrics().canary("accuracy", "fast", "worse", "emotion").value(), 0);
  EXPECT_EQ(runtime_->metrics().canary("accuracy", "fast", "1", "emotion").value(), 1);
  EXPECT_FALSE(control.end_canary("fast"));
  // And the next one starts from there.
  request.engine = "v2.engine";
  ASSERT_TRUE(control.start_canary("fast", request));
  EXPECT_EQ(control.start_canary("fast", request).error().code, Code::kAborted);
  EXPECT_EQ(control.swap("fast", "v2.engine", config_.control.swap).refused->code, Code::kAborted);
  const auto promoted = control.promote_canary("fast");
  ASSERT_TRUE(promoted) << promoted.error().message;
  EXPECT_EQ(promoted->state, CanaryState::kPromoted);
  EXPECT_EQ(version(), "v2");
  ASSERT_FALSE(control.rollback("fast").refused);
  EXPECT_EQ(version(), "1");
}

TEST_F(SwapTest, ACanaryComparesAndPromotesItself) {
  build("v2");
  build("worse", "fast", /*worse=*/true);
  config_.inference.cache_bytes_max = 0;
  ModelControl& control = start();
  for (const bool shadow : {false, true}) {
    CanaryRequest request;
    request.engine = shadow ? "worse.engine" : "v2.engine";
    request.percent = 100;
    request.shadow = shadow;
    request.limits = config_.control.canary;
    request.limits.accuracy_drop_max = 1;
    request.limits.promote_after = 20;
    const std::uint64_t promoted = runtime_->metrics().canaries("promoted").value();
    const std::weak_ptr<const Model> before = runtime_->inference().model();
    ASSERT_TRUE(control.start_canary("fast", request));
    while (runtime_->metrics().canaries("promoted").value() == promoted) {
      EXPECT_FALSE(emotion_of("地").empty());
    }
    const auto report = control.canary("fast");
    ASSERT_TRUE(report);
    EXPECT_EQ(report->state, CanaryState::kPromoted);
    EXPECT_GE(report->figures.compared, 20U);
    EXPECT_EQ(report->figures.emotion_differs, shadow ? report->figures.compared : 0U);
    EXPECT_TRUE(before.expired());
  }
  EXPECT_EQ(version(), "worse");
  EXPECT_EQ(emotion_of("地"), "angry");
}

TEST_F(SwapTest, ACanaryUnderLoadIsSwappedInAndOutWithoutALoss) {
  build("v2");
  ModelControl& control = start();
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> failed{0};
  load_while(
      [&] {
        for (int i = 0; i < 10; ++i) {
          CanaryRequest request;
          request.engine = "v2.engine";
          request.percent = 50;
          request.shadow = i % 2 == 1;
          request.limits = config_.control.canary;
          ASSERT_TRUE(control.start_canary("fast", request));
          ASSERT_TRUE(control.end_canary("fast"));
        }
      },
      answered, failed);
  EXPECT_EQ(failed.load(), 0U);
  EXPECT_EQ(version(), "1");
  EXPECT_EQ(runtime_->metrics().model_memory_bytes("fast", "v2").value(), 0);
}

// While the other model is swapped a canary decides, and waits for its turn; then it is ended, and
// the next started at once. If a start waited for a thread that waits for it, this would not end.
TEST_F(SwapTest, CanariesThatDecideAndEndAtOnceHoldNothingUp) {
  build("worse", "fast", /*worse=*/true);
  build("b2", "base");
  config_.inference.model = "auto";
  ModelControl& control = start();
  CanaryRequest request;
  request.engine = "worse.engine";
  request.limits = config_.control.canary;
  std::atomic<bool> done{false};
  std::jthread ender([&] {
    while (!done) {
      if (control.swap("base", "b2.engine", config_.control.swap).refused) continue;
      (void)control.end_canary("fast");
    }
  });
  for (int started = 0; started < 8;) {
    const auto canary = control.start_canary("fast", request);
    if (canary) {
      ++started;
    } else {
      EXPECT_EQ(canary.error().code, Code::kAborted) << canary.error().message;
    }
  }
  done = true;
  ender.join();
  // The last one may still run, or be deciding.
  for (auto ended = control.end_canary("fast"); !ended && ended.error().code == Code::kAborted;
       ended = control.end_canary("fast")) {
    std::this_thread::yield();
  }
  EXPECT_EQ(version(), "1");
  EXPECT_EQ(emotion_of("天"), "sad");
}

TEST_F(SwapTest, TheApiTellsFiguresAndKeepsPathsOut) {
  build("worse", "fast", /*worse=*/true);
  build("v2");
  start();
  EngineApi api(*runtime_);
  const ControlAnswer refused =
      api.control_model(ModelAction::kSwap, "", R"({"new_engine":"worse.engine"})");
  ASSERT_TRUE(refused.refused);
  EXPECT_EQ(refused.refused->code, Code::kFailedPrecondition);
  const json members = json::parse("{" + refused.json + "}");
  EXPECT_EQ(members["figures"]["emotion"]["accuracy_new"], 0.0);
  EXPECT_EQ(members["limits"]["agreement_min"], 0.9);
  EXPECT_EQ(members["reasons"].size(), 4U);
  for (const char* bad : {R"({"new_engine":"../v2.engine"})", R"({"new_engine":7})", "[]", "{}",
                          R"({"new_engine":"v2.engine","limits":{"agrement_min":0}})",
                          R"({"new_engine":"v2.engine","model":"base"})"}) {
    const ControlAnswer answer = api.control_model(ModelAction::kSwap, "fast", bad);
    ASSERT_TRUE(answer.refused) << bad;
    EXPECT_EQ(answer.refused->code, Code::kInvalidArgument) << bad;
  }
  const ControlAnswer good =
      api.control_model(ModelAction::kSwap, "fast", R"({"new_engine":"v2.engine"})");
  ASSERT_FALSE(good.refused) << good.refused->message;
  const json answer = json::parse(good.json);
  EXPECT_EQ(answer["to"]["version"], "v2");
  EXPECT_TRUE(answer["times_ms"].contains("first_answer"));
  const json models = json::parse(*api.models());
  EXPECT_EQ(models["models"][0]["engine"], "v2.engine");
  EXPECT_EQ(models["models"][0]["version"], "v2");
  EXPECT_GT(models["models"][0]["memory_bytes"], 0);
  EXPECT_THAT(api.metrics_text(),
              AllOf(HasSubstr(R"(tidewatch_model_info{model="fast",version="v2")"),
                    HasSubstr(R"(tidewatch_swaps_total{result="switched"} 1)"),
                    HasSubstr("tidewatch_swap_seconds_count 1")));
}

}  // namespace
}  // namespace tidewatch

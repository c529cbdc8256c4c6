// SPDX-License-Identifier: Apache-2.0
#include "app/model_slot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <utility>

#include "app/canary_watch.h"

namespace tidewatch {
namespace {

// Says its own label of every text; may fail, and may be held.
class LabelBackend final : public Backend {
 public:
  explicit LabelBackend(std::uint8_t label) : label_(label) {
    shapes_.batch_max = 2;
    shapes_.instances = 2;
  }
  std::string name() const override { return "fake"; }
  std::string precision() const override { return "fp32"; }
  const BackendShapes& shapes() const override { return shapes_; }
  Status run(std::size_t, const RaggedBatch& batch, std::span<Scores> scores) override {
    EXPECT_LE(batch.size(), shapes_.batch_max);
    if (entered != nullptr) entered->count_down();
    if (release != nullptr) release->wait();
    if (fail) return Error{Code::kInternal, "broken"};
    for (Scores& one : scores) one.emotion = label_;
    texts += batch.size();
    return {};
  }
  std::uint64_t memory_bytes() const override { return 1'000; }
  void close() override {}

  std::atomic<bool> fail{false};
  std::atomic<std::size_t> texts{0};
  std::latch* entered = nullptr;
  std::latch* release = nullptr;

 private:
  const std::uint8_t label_;
  BackendShapes shapes_;
};

class Observer final : public CanaryObserver {
 public:
  void ran(CanarySideName side, std::chrono::nanoseconds, std::size_t texts,
           bool failed) noexcept override {
    if (side == CanarySideName::kCandidate) (failed ? failures : runs) += texts;
  }
  void answered(CanarySideName side, std::span<const std::int32_t>,
                const Scores&) noexcept override {
    (side == CanarySideName::kLive ? by_live : by_candidate) += 1;
  }
  std::atomic<std::size_t> runs{0};
  std::atomic<std::size_t> failures{0};
  std::atomic<std::size_t> by_live{0};
  std::atomic<std::size_t> by_candidate{0};
};

class ModelSlotTest : public testing::Test {
 protected:
  std::shared_ptr<const Model> model(std::uint32_t version, LabelBackend** backend = nullptr) {
    auto made = std::make_shared<Model>();
    made->manifest.name = "fast";
    made->manifest.version = "v" + std::to_string(version);
    made->version = ModelVersion{version};
    auto own = std::make_unique<LabelBackend>(static_cast<std::uint8_t>(version));
    if (backend != nullptr) *backend = own.get();
    made->backend = std::move(own);
    return made;
  }
  std::shared_ptr<LiveModel> live(std::uint32_t version, LabelBackend** backend = nullptr) {
    return std::make_shared<LiveModel>(model(version, backend), metrics_);
  }
  // `count` texts, all different.
  static RaggedBatch batch(std::size_t count, std::vector<std::int32_t>& ids,
                           std::vector<std::uint32_t>& offsets) {
    offsets = {0};
    for (std::size_t i = 0; i < count; ++i) {
      ids.insert(ids.end(), {101, static_cast<std::int32_t>(i), 102});
      offsets.push_back(static_cast<std::uint32_t>(ids.size()));
    }
    return {ids, offsets};
  }
  std::vector<Scores> run(ModelSlot& slot, std::size_t count) {
    std::vector<std::int32_t> ids;
    std::vector<std::uint32_t> offsets;
    std::vector<Scores> scores(count);
    EXPECT_TRUE(slot.run(0, batch(count, ids, offsets), scores));
    return scores;
  }

  ManualClock clock_;
  Metrics metrics_;
};

TEST_F(ModelSlotTest, AnswersWithItsModelWhateverTheBatch) {
  ModelSlot slot(model(1), metrics_, clock_);
  for (const Scores& one : run(slot, 7)) {
    EXPECT_EQ(one.emotion, 1);
    EXPECT_EQ(one.model, ModelVersion{1});
  }
  EXPECT_EQ(metrics_.inferred("fast", "v1").value(), 7U);
  EXPECT_EQ(metrics_.model_memory_bytes("fast", "v1").value(), 1'000);
}

TEST_F(ModelSlotTest, ASwapLetsBegunRunsEndAndFreesTheOld) {
  LabelBackend* old_backend = nullptr;
  auto first = model(1, &old_backend);
  std::weak_ptr<const Model> old_model = first;
  ModelSlot slot(std::move(first), metrics_, clock_);
  std::latch entered{1};
  std::latch release{1};
  old_backend->entered = &entered;
  old_backend->release = &release;
  std::vector<Scores> scores;
  std::jthread worker([&] { scores = run(slot, 1); });
  entered.wait();
  ModelSlot::Change change = slot.replace(live(2));
  EXPECT_FALSE(slot.first_run_at().has_value());
  EXPECT_EQ(run(slot, 1)[0].emotion, 2);  // the new one answers while the old one runs
  EXPECT_TRUE(slot.first_run_at().has_value());
  EXPECT_FALSE(old_model.expired());
  release.count_down();
  slot.drain(std::move(change));
  worker.join();
  EXPECT_EQ(scores[0].model, ModelVersion{1});
  EXPECT_TRUE(old_model.expired());
  EXPECT_TRUE(slot.had(ModelVersion{1}));
  EXPECT_TRUE(slot.had(ModelVersion{2}));
  EXPECT_FALSE(slot.had(ModelVersion{3}));
  EXPECT_EQ(metrics_.model_memory_bytes("fast", "v1").value(), 0);
}

TEST_F(ModelSlotTest, ASplitGivesTheSameTextsToTheCandidateEachTime) {
  ModelSlot slot(model(1), metrics_, clock_);
  const auto observer = std::make_shared<Observer>();
  slot.set_canary(ModelSlot::Canary{live(2), 30, false, observer});
  const std::vector<Scores> scores = run(slot, 1'000);
  std::size_t candidates = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::vector<std::int32_t> ids{101, static_cast<std::int32_t>(i), 102};
    EXPECT_EQ(scores[i].model, slot.version_for(ids));
    EXPECT_EQ(scores[i].model.value, scores[i].emotion);
    if (scores[i].model == ModelVersion{2}) ++candidates;
  }
  EXPECT_NEAR(static_cast<double>(candidates), 300, 60);
  EXPECT_EQ(observer->by_candidate.load(), candidates);
  EXPECT_EQ(observer->by_live.load(), 0U);
  slot.set_canary(std::nullopt);
  for (const Scores& one : run(slot, 100)) EXPECT_EQ(one.emotion, 1);
}

TEST_F(ModelSlotTest, WhatTheCandidateFailsOnTheLiveModelAnswers) {
  ModelSlot slot(model(1), metrics_, clock_);
  LabelBackend* candidate = nullptr;
  auto second = live(2, &candidate);
  candidate->fail = true;
  const auto observer = std::make_shared<Observer>();
  slot.set_canary(ModelSlot::Canary{std::move(second), 100, false, observer});
  for (const Scores& one : run(slot, 10)) EXPECT_EQ(one.model, ModelVersion{1});
  EXPECT_EQ(observer->failures.load(), 10U);
  EXPECT_EQ(observer->by_candidate.load(), 0U);
}

TEST_F(ModelSlotTest, AShadowAnswersNothing) {
  ModelSlot slot(model(1), metrics_, clock_);
  const auto observer = std::make_shared<Observer>();
  LabelBackend* candidate = nullptr;
  slot.set_canary(ModelSlot::Canary{live(2, &candidate), 100, true, observer});
  for (const Scores& one : run(slot, 10)) EXPECT_EQ(one.model, ModelVersion{1});
  EXPECT_EQ(observer->by_live.load(), 10U);
  EXPECT_EQ(candidate->texts.load(), 0U);
  const std::vector<std::int32_t> ids{101, 5, 102};
  EXPECT_EQ(slot.version_for(ids), ModelVersion{1});
}

TEST_F(ModelSlotTest, ACanaryIsReviewedEachSecondThoughNothingIsCompared) {
  CanaryWatch::Options options;
  options.limits.runs_min = 10;
  const std::vector<ProbeText> no_probes;
  std::latch decided{1};
  CanaryDecision decision;
  CanaryWatch watch(
      options, live(1), live(2), no_probes, clock_, metrics_, /*busy=*/[] { return true; },
      [&](const CanaryDecision& is) {
        decision = is;
        decided.count_down();
      });
  const auto shed_one = [&] {
    const std::uint64_t before = watch.figures().shed;
    const std::vector<std::int32_t> ids{101, 5, 102};
    watch.answered(CanarySideName::kLive, ids, Scores{});
    while (watch.figures().shed == before) std::this_thread::yield();
  };
  watch.start();
  shed_one();  // the first review is over
  watch.ran(CanarySideName::kCandidate, std::chrono::milliseconds{1}, 10, /*failed=*/true);
  shed_one();
  EXPECT_FALSE(decided.try_wait());
  clock_.advance(std::chrono::seconds{1});
  decided.wait();
  EXPECT_EQ(decision.verdict, CanaryVerdict::kRollBack);
  EXPECT_EQ(watch.figures().compared, 0U);
}

TEST(CanaryTakes, AllOrNothingAtTheEnds) {
  for (std::int32_t i = 0; i < 100; ++i) {
    const std::vector<std::int32_t> ids{i};
    EXPECT_FALSE(canary_takes(ids, 0));
    EXPECT_TRUE(canary_takes(ids, 100));
  }
}

}  // namespace
}  // namespace tidewatch

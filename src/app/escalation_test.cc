// SPDX-License-Identifier: Apache-2.0
#include "app/escalation.h"

#include <gtest/gtest.h>

#include <latch>
#include <map>
#include <string>
#include <thread>

namespace tidewatch {
namespace {

constexpr float kSecondSays = 0.75F;

// Answers every text alike; can be held, and can fail.
class FakeBackend final : public Backend {
 public:
  explicit FakeBackend(std::size_t instances) { shapes_.instances = instances; }
  std::string name() const override { return "fake"; }
  std::string precision() const override { return "fp32"; }
  const BackendShapes& shapes() const override { return shapes_; }
  Status run(std::size_t, const RaggedBatch& batch, std::span<Scores> scores) override {
    if (texts_.fetch_add(batch.size()) == 0 && hold_ != nullptr) {  // the first run only
      entered_->count_down();
      hold_->wait();
    }
    if (fails_) return Error{Code::kInternal, "broken"};
    for (Scores& s : scores) {
      s = Scores{};
      s.emotion = 2;
      s.emotion_prob[2] = kSecondSays;
    }
    return {};
  }
  std::uint64_t memory_bytes() const override { return 0; }
  void close() override {}

  void hold(std::latch& entered, std::latch& release) {
    entered_ = &entered;
    hold_ = &release;
  }
  void fail() { fails_ = true; }
  std::size_t texts() const { return texts_; }

 private:
  BackendShapes shapes_;
  std::latch* entered_ = nullptr;
  std::latch* hold_ = nullptr;
  bool fails_ = false;
  std::atomic<std::size_t> texts_{0};
};

class Sink final : public ScoreSink {
 public:
  struct Told {
    Scores scores;
    ScoreTiming timing;
  };
  void scored(std::uint64_t cookie, const Result<Scores>& scores, const ScoreTiming& t) override {
    MutexLock lock(mu_);
    ASSERT_TRUE(scores.ok());
    ASSERT_TRUE(told_.emplace(cookie, Told{*scores, t}).second) << "told twice";
  }
  std::map<std::uint64_t, Told> told() {
    MutexLock lock(mu_);
    return told_;
  }

 private:
  Mutex mu_;
  std::map<std::uint64_t, Told> told_ GUARDED_BY(mu_);
};

class EscalationTest : public testing::Test {
 protected:
  std::unique_ptr<Escalation> start(Escalation::Options options, std::size_t instances = 1) {
    options.policy.window = std::chrono::microseconds{0};
    options.policy.batch_max = 1;
    auto model = std::make_shared<Model>();
    model->manifest.name = "base";
    model->manifest.version = "1";
    model->version = ModelVersion{2};
    auto backend = std::make_unique<FakeBackend>(instances);
    backend_ = backend.get();
    model->backend = std::move(backend);
    return std::make_unique<Escalation>(options, std::move(model), clock_, metrics_, cache_,
                                        metrics_.answered("fast", "1"));
  }
  BatchItem item(std::uint64_t cookie, std::size_t tokens) {
    BatchItem result;
    result.token_ids.assign(tokens, static_cast<std::int32_t>(cookie));
    result.sink = &sink_;
    result.cookie = cookie;
    return result;
  }
  Escalation::Doubtful doubtful(const BatchItem& of) {
    Escalation::Doubtful result;
    result.key = ScoreCache::key_of(of.token_ids, ModelVersion{1});
    result.first.model = ModelVersion{1};
    result.first.emotion = 0;
    const SteadyTime now = clock_.steady_now();
    result.timing = {now - std::chrono::milliseconds{5}, now - std::chrono::milliseconds{2}, now};
    return result;
  }
  bool offer(Escalation& to, std::uint64_t cookie, std::size_t tokens) {
    BatchItem text = item(cookie, tokens);
    const Escalation::Doubtful about = doubtful(text);
    return static_cast<bool>(to.offer(text, about));
  }

  ManualClock clock_;  // stands still unless moved
  Metrics metrics_;
  ScoreCache cache_{1 << 20};
  Sink sink_;
  FakeBackend* backend_ = nullptr;
};

TEST_F(EscalationTest, TheSecondModelAnswersAndIsRemembered) {
  clock_.advance(std::chrono::seconds{1});
  const auto escalation = start({});
  ASSERT_TRUE(offer(*escalation, 7, 10));
  escalation->drain();
  const auto told = sink_.told();
  ASSERT_EQ(told.size(), 1U);
  const Sink::Told& answer = told.at(7);
  EXPECT_EQ(answer.scores.model, ModelVersion{2});
  EXPECT_EQ(answer.scores.emotion, 2);
  EXPECT_EQ(answer.scores.emotion_prob[2], kSecondSays);
  // The first model's 2 ms count as computing although another model came after it.
  EXPECT_EQ(answer.timing.finished_at - answer.timing.started_at, std::chrono::milliseconds{2});
  EXPECT_EQ(answer.timing.started_at - answer.timing.enqueued_at, std::chrono::milliseconds{3});
  const auto remembered = cache_.find(ScoreCache::key_of(item(7, 10).token_ids, ModelVersion{1}));
  ASSERT_TRUE(remembered.has_value());
  EXPECT_EQ(remembered->model, ModelVersion{2});
  EXPECT_EQ(metrics_.cascade_escalated().value(), 1U);
  EXPECT_EQ(metrics_.answered("base", "1").value(), 1U);
  EXPECT_EQ(metrics_.inferred("base", "1").value(), 1U);
}

TEST_F(EscalationTest, ATextWhoseRunFailsKeepsItsFirstScores) {
  const auto escalation = start({});
  backend_->fail();
  ASSERT_TRUE(offer(*escalation, 7, 10));
  escalation->drain();
  EXPECT_EQ(sink_.told().at(7).scores.model, ModelVersion{1});
  EXPECT_EQ(metrics_.cascade_skipped("failed").value(), 1U);
  EXPECT_EQ(metrics_.answered("fast", "1").value(), 1U);
  EXPECT_FALSE(cache_.find(ScoreCache::key_of(item(7, 10).token_ids, ModelVersion{1})));
}

TEST_F(EscalationTest, LiveItRefusesWhatWouldWaitTooLong) {
  Escalation::Options options;
  options.wait_when_full = false;
  options.tokens_max = 100;
  const auto escalation = start(options);
  std::latch entered{1};
  std::latch release{1};
  backend_->hold(entered, release);
  ASSERT_TRUE(offer(*escalation, 1, 400)) << "nothing before it: it fits whatever its length";
  entered.wait();
  BatchItem refused = item(2, 50);
  const Escalation::Doubtful about = doubtful(refused);
  EXPECT_FALSE(escalation->offer(refused, about));
  EXPECT_EQ(refused.token_ids.size(), 50U) << "left untouched";
  EXPECT_EQ(refused.sink, &sink_);
  release.count_down();
  escalation->drain();
  EXPECT_EQ(sink_.told().size(), 1U);
  EXPECT_TRUE(offer(*escalation, 3, 60)) << "there is room again";
  escalation->drain();
  EXPECT_EQ(sink_.told().size(), 2U);
  EXPECT_EQ(metrics_.cascade_escalated().value(), 2U);
}

TEST_F(EscalationTest, WaitingItTakesEverything) {
  Escalation::Options options;
  options.bucket_items_max = 2;
  options.tokens_max = 1;  // means nothing here
  const auto escalation = start(options, 2);
  {
    std::vector<std::jthread> callers;
    for (std::uint64_t c = 0; c < 4; ++c) {
      callers.emplace_back([&, c] {
        for (std::uint64_t i = 0; i < 50; ++i) {
          EXPECT_TRUE(offer(*escalation, c * 50 + i, 2 + i));
        }
      });
    }
  }
  escalation->drain();
  EXPECT_EQ(sink_.told().size(), 200U);
  EXPECT_EQ(escalation->queue_depth(), 0U);
}

TEST_F(EscalationTest, ATwinThatWaitedIsNotComputedAgain) {
  const auto escalation = start({});
  std::latch entered{1};
  std::latch release{1};
  backend_->hold(entered, release);
  BatchItem first = item(1, 10);
  BatchItem twin = first;
  twin.cookie = 2;
  const Escalation::Doubtful about = doubtful(first);
  ASSERT_TRUE(escalation->offer(first, about));
  entered.wait();
  ASSERT_TRUE(escalation->offer(twin, about));
  release.count_down();
  escalation->drain();
  const auto told = sink_.told();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told.at(1).scores.emotion_prob, told.at(2).scores.emotion_prob);
  EXPECT_EQ(told.at(2).scores.model, ModelVersion{2});
  EXPECT_EQ(backend_->texts(), 1U);
}

TEST_F(EscalationTest, StoppingTellsWhatIsQueued) {
  auto escalation = start({});
  for (std::uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(offer(*escalation, i, 2 + i));
  escalation.reset();
  EXPECT_EQ(sink_.told().size(), 20U);
}

}  // namespace
}  // namespace tidewatch

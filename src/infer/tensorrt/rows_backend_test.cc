// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "infer/manifest.h"
#include "infer/model_registry.h"
#include "infer/tensorrt/tensorrt_backend.h"

namespace tidewatch::tensorrt {
namespace {

using testing::HasSubstr;

constexpr std::size_t kVocabulary = 1'000;

ModelManifest tiny_manifest() {
  ModelManifest manifest;
  manifest.name = "tiny";
  manifest.max_length = 512;
  manifest.vocabulary_size = kVocabulary;
  manifest.labels = bundled_labels();
  manifest.emotion = {"emotion", "emotion_logits", manifest.labels.emotions};
  manifest.topic = {"topic", "topic_logits", manifest.labels.topics};
  return manifest;
}

// What the fake model answers for a text: labels that only all of its ids, in their order, give.
struct Expected {
  std::size_t emotion;
  std::size_t topic;
};
Expected answer_for(std::span<const std::int32_t> ids) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    sum += static_cast<std::uint64_t>(ids[i]) * (i * 31 + 7);
  }
  return {sum % 6, sum / 6 % 14};
}

// Computes on the host from what the backend laid out, as packed_encoder.h says a plan does.
class FakeLane final : public RowRunner {
 public:
  explicit FakeLane(const RowGrid& grid, int* runs) : runs_(runs) {
    std::size_t tokens = 0;
    for (const RowShape& shape : grid.shapes()) tokens = std::max(tokens, shape.tokens());
    ids_.resize(tokens);
    positions_.resize(tokens);
    texts_.resize(tokens);
    numbers_.resize(64);
    shares_.resize(tokens);
    logits_.resize(tokens * 20);
  }
  RowInputs inputs(const RowShape&) override {
    return {ids_.data(),     positions_.data(), texts_.data(),
            numbers_.data(), shares_.data(),    logits_.data()};
  }
  Status run(const RowShape& shape) override {
    if (fail) return Error{Code::kInternal, "the GPU fell off the bus"};
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    ++*runs_;
    std::fill(logits_.begin(), logits_.end(), -1.0F);
    for (std::size_t row = 0; row < shape.rows; ++row) {
      for (std::size_t s = 0; s < shape.slots; ++s) {
        EXPECT_EQ(numbers_[s], static_cast<std::int32_t>(s));
        std::vector<std::int32_t> text;
        for (std::size_t k = 0; k < shape.width; ++k) {
          const std::size_t at = row * shape.width + k;
          if (texts_[at] != static_cast<std::int32_t>(s)) continue;
          EXPECT_EQ(positions_[at], static_cast<std::int32_t>(text.size()));
          text.push_back(ids_[at]);
        }
        const float share = shares_[row * shape.slots + s];
        EXPECT_EQ(share, text.empty() ? 0.0F : 1.0F / static_cast<float>(text.size()));
        if (text.empty()) continue;
        const Expected expected = answer_for(text);
        float* logits = logits_.data() + (row * shape.slots + s) * 20;
        logits[expected.emotion] = 5;
        logits[6 + expected.topic] = 5;
      }
    }
    return {};
  }
  std::uint64_t memory_bytes() const override { return 1'000; }

  bool fail = false;
  std::function<void()> meanwhile;  // once, in the middle of a run

 private:
  int* runs_;
  std::vector<std::int32_t> ids_, positions_, texts_, numbers_;
  std::vector<float> shares_, logits_;
};

class RowsBackendTest : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<std::unique_ptr<RowRunner>> lanes;
    for (int i = 0; i < 2; ++i) {
      auto lane = std::make_unique<FakeLane>(grid_, &runs_[i]);
      lanes_.push_back(lane.get());
      lanes.push_back(std::move(lane));
    }
    backend_ = make_rows_backend(tiny_manifest(), grid_, std::move(lanes), "fp16",
                                 /*instances=*/4, /*weight_bytes=*/500, RowPacker::Layout::kPacked,
                                 [this] { released_ = true; });
  }

  Status run(std::size_t instance, const std::vector<std::vector<std::int32_t>>& texts,
             std::vector<Scores>& scores) {
    std::vector<std::int32_t> ids;
    std::vector<std::uint32_t> offsets{0};
    for (const auto& text : texts) {
      ids.insert(ids.end(), text.begin(), text.end());
      offsets.push_back(static_cast<std::uint32_t>(ids.size()));
    }
    scores.assign(texts.size(), Scores{});
    return backend_->run(instance, {ids, offsets}, scores);
  }

  const RowGrid grid_{6'144};
  int runs_[2] = {0, 0};
  bool released_ = false;
  std::vector<FakeLane*> lanes_;
  std::unique_ptr<Backend> backend_;
};

std::vector<std::vector<std::int32_t>> random_texts(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::vector<std::int32_t>> texts(count);
  for (auto& text : texts) {
    text.resize(1 + random() % (random() % 8 == 0 ? 512 : 120));
    for (auto& id : text) id = static_cast<std::int32_t>(random() % kVocabulary);
  }
  return texts;
}

TEST_F(RowsBackendTest, GivesEachTextItsOwnAnswer) {
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    const auto texts = random_texts(1 + seed * 6, seed);
    std::vector<Scores> scores;
    ASSERT_TRUE(run(seed % 4, texts, scores));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const Expected expected = answer_for(texts[i]);
      ASSERT_EQ(scores[i].emotion, expected.emotion) << "seed " << seed << ", text " << i;
      ASSERT_EQ(scores[i].topic, expected.topic) << "seed " << seed << ", text " << i;
    }
    const double fill = backend_->last_fill(seed % 4);
    EXPECT_GT(fill, 0.0);
    EXPECT_LE(fill, 1.0);
  }
}

TEST_F(RowsBackendTest, InstancesShareLanes) {
  std::vector<std::jthread> threads;
  for (std::size_t instance = 0; instance < 4; ++instance) {
    threads.emplace_back([this, instance] {
      for (std::uint32_t round = 0; round < 50; ++round) {
        const auto texts = random_texts(20, round * 4 + static_cast<std::uint32_t>(instance));
        std::vector<Scores> scores;
        ASSERT_TRUE(run(instance, texts, scores));
        for (std::size_t i = 0; i < texts.size(); ++i) {
          ASSERT_EQ(scores[i].topic, answer_for(texts[i]).topic);
        }
      }
    });
  }
  threads.clear();
  EXPECT_GE(runs_[0] + runs_[1], 200);
}

TEST_F(RowsBackendTest, SaysWhatItTakes) {
  EXPECT_TRUE(backend_->shapes().packs_lengths);
  EXPECT_EQ(backend_->shapes().tokens_a_run, 5'760U);
  EXPECT_EQ(backend_->shapes().instances, 4U);
  EXPECT_EQ(backend_->memory_bytes(), 2'500U);
  std::vector<Scores> scores;
  const auto out_of_range = run(4, {{1}}, scores);
  EXPECT_EQ(out_of_range.error().code, Code::kInvalidArgument);
  const auto empty_text = run(0, {{1}, {}}, scores);
  ASSERT_FALSE(empty_text);
  EXPECT_THAT(empty_text.error().message, HasSubstr("a text of 0 ids"));
  const auto wild = run(0, {{1, kVocabulary}}, scores);
  ASSERT_FALSE(wild);
  EXPECT_THAT(wild.error().message, HasSubstr("outside the vocabulary"));
  EXPECT_FALSE(run(0, {{-1}}, scores));
}

TEST_F(RowsBackendTest, PassesOnWhatTheGpuSays) {
  lanes_[0]->fail = true;
  std::vector<Scores> scores;
  const auto failed = run(0, {{1, 2}}, scores);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("fell off the bus"));
  lanes_[0]->fail = false;
  EXPECT_TRUE(run(0, {{1, 2}}, scores)) << "the lane is there again";
}

TEST_F(RowsBackendTest, ARunTakesWhateverLaneIsIdle) {
  EXPECT_EQ(backend_->shapes().runs_at_once, 2U);
  std::vector<Scores> scores;
  std::vector<Scores> others;
  // Four may ask; numbers 0 and 2 get along although there are two lanes.
  lanes_[0]->meanwhile = [&] { EXPECT_TRUE(run(2, {{3, 4}}, others)); };
  EXPECT_TRUE(run(0, {{1, 2}}, scores));
  EXPECT_EQ(runs_[0], 1);
  EXPECT_EQ(runs_[1], 1);
  EXPECT_EQ(others.at(0).emotion, answer_for(std::vector<std::int32_t>{3, 4}).emotion);
}

TEST_F(RowsBackendTest, LetsTheGpuGoWhenClosed) {
  backend_->close();
  EXPECT_TRUE(released_);
  std::vector<Scores> scores;
  const auto closed = run(0, {{1}}, scores);
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, Code::kFailedPrecondition);
  backend_->close();  // again does nothing
}

}  // namespace
}  // namespace tidewatch::tensorrt

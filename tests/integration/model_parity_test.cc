// SPDX-License-Identifier: Apache-2.0
// The bundled models as the engine runs them, against PyTorch with the same FP16-rounded weights:
// models/<name>/parity.json holds texts of our own, their ids and the logits.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "infer/model_registry.h"
#include "tokenize/tokenizer.h"

namespace tidewatch {
namespace {

using nlohmann::json;

constexpr float kTolerance = 1e-4F;

std::vector<float> softmax(const std::vector<float>& logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  std::vector<float> result;
  for (const float logit : logits) result.push_back(std::exp(logit - top));
  const float sum = std::accumulate(result.begin(), result.end(), 0.0F);
  for (float& p : result) p /= sum;
  return result;
}

class ModelParityTest : public testing::TestWithParam<const char*> {};

TEST_P(ModelParityTest, SaysWhatPyTorchSays) {
  const std::filesystem::path models = TIDEWATCH_SOURCE_DIR "/models";
  ModelRegistry registry(models, BackendOptions{1});
  const auto loaded = registry.load(GetParam());
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  const Model& model = **loaded;
  EXPECT_EQ(model.manifest.labels, bundled_labels());
  EXPECT_EQ(model.backend->precision(), "fp32");
  const auto vocabulary = Vocabulary::load(model.manifest.vocabulary.path);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message;
  const Tokenizer tokenizer(*vocabulary, TokenizerOptions{model.manifest.max_length});

  std::ifstream in(models / GetParam() / "parity.json");
  const json parity = json::parse(in);
  const json& cases = parity.at("cases");
  ASSERT_GE(cases.size(), 30U);
  for (const json& c : cases) {
    const std::string text = c.at("text");
    SCOPED_TRACE(text.substr(0, 60));
    std::vector<std::int32_t> ids(model.manifest.max_length);
    ids.resize(tokenizer.encode(text, ids));
    ASSERT_EQ(ids, c.at("input_ids").get<std::vector<std::int32_t>>());

    const std::vector<std::uint32_t> offsets{0, static_cast<std::uint32_t>(ids.size())};
    std::vector<Scores> scores(1);
    const Status status = model.backend->run(0, RaggedBatch{ids, offsets}, scores);
    ASSERT_TRUE(status.ok()) << status.error().message;
    const auto emotion = softmax(c.at("emotion_logits").get<std::vector<float>>());
    const auto topic = softmax(c.at("topic_logits").get<std::vector<float>>());
    for (std::size_t i = 0; i < emotion.size(); ++i) {
      EXPECT_NEAR(scores[0].emotion_prob[i], emotion[i], kTolerance) << "emotion " << i;
    }
    for (std::size_t i = 0; i < topic.size(); ++i) {
      EXPECT_NEAR(scores[0].topic_prob[i], topic[i], kTolerance) << "topic " << i;
    }
  }
}

// What a text is batched with never changes its scores, bit for bit.
TEST_P(ModelParityTest, IgnoresItsNeighbours) {
  ModelRegistry registry(TIDEWATCH_SOURCE_DIR "/models", BackendOptions{1});
  const auto loaded = registry.load(GetParam());
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  Backend& backend = *(*loaded)->backend;
  const std::vector<std::int32_t> first{101, 2769, 4263, 872, 102};
  const std::vector<std::int32_t> second{101, 678, 7433, 749, 8024, 3766, 2372, 836, 102};
  std::vector<Scores> alone(1);
  ASSERT_TRUE(backend.run(0, RaggedBatch{first, std::vector<std::uint32_t>{0, 5}}, alone).ok());
  std::vector<std::int32_t> both = second;
  both.insert(both.end(), first.begin(), first.end());
  std::vector<Scores> together(2);
  ASSERT_TRUE(
      backend.run(0, RaggedBatch{both, std::vector<std::uint32_t>{0, 9, 14}}, together).ok());
  EXPECT_EQ(alone[0].emotion_prob, together[1].emotion_prob);
  EXPECT_EQ(alone[0].topic_prob, together[1].topic_prob);
}

TEST_P(ModelParityTest, RefusesWhatItCannotTake) {
  ModelRegistry registry(TIDEWATCH_SOURCE_DIR "/models", BackendOptions{1});
  const auto loaded = registry.load(GetParam());
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  Backend& backend = *(*loaded)->backend;
  std::vector<Scores> scores(1);
  const std::vector<std::int32_t> long_text(513, 101);
  const std::vector<std::uint32_t> offsets{0, 513};
  EXPECT_EQ(backend.run(0, RaggedBatch{long_text, offsets}, scores).error().code,
            Code::kInvalidArgument);
  const std::vector<std::uint32_t> fits{0, 3};
  EXPECT_EQ(backend.run(7, RaggedBatch{long_text, fits}, scores).error().code,
            Code::kInvalidArgument)
      << "no such instance";
  backend.close();
  EXPECT_EQ(backend.run(0, RaggedBatch{long_text, fits}, scores).error().code,
            Code::kFailedPrecondition);
}

INSTANTIATE_TEST_SUITE_P(Bundled, ModelParityTest, testing::Values("base", "fast"),
                         [](const auto& name) { return std::string{name.param}; });

}  // namespace
}  // namespace tidewatch

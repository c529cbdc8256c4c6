// SPDX-License-Identifier: Apache-2.0
// The bundled models in INT8: that it runs, what it answers, and how a wrong recipe is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "infer/calibration/recipe.h"
#include "infer/model_registry.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;

BackendOptions int8_options() {
  BackendOptions options;
  options.instances = 1;
  options.precision = Precision::kInt8;
  return options;
}

Scores run_one(Backend& backend, const std::vector<std::int32_t>& ids) {
  std::vector<Scores> scores(1);
  const std::vector<std::uint32_t> offsets{0, static_cast<std::uint32_t>(ids.size())};
  const Status status = backend.run(0, RaggedBatch{ids, offsets}, scores);
  EXPECT_TRUE(status.ok()) << status.error().message;
  return scores[0];
}

class Int8Test : public testing::TestWithParam<const char*> {
 protected:
  std::vector<std::vector<std::int32_t>> texts() const {
    std::ifstream in(std::string{TIDEWATCH_SOURCE_DIR "/models/"} + GetParam() + "/parity.json");
    std::vector<std::vector<std::int32_t>> all;
    const json parity = json::parse(in);
    for (const json& c : parity.at("cases")) all.push_back(c.at("input_ids"));
    EXPECT_GE(all.size(), 30U);
    return all;
  }
};

TEST_P(Int8Test, RunsInInt8AndSaysAlmostTheSame) {
  ModelRegistry fp32(TIDEWATCH_SOURCE_DIR "/models", BackendOptions{1});
  ModelRegistry int8(TIDEWATCH_SOURCE_DIR "/models", int8_options());
  const auto exact = fp32.load(GetParam());
  const auto quick = int8.load(GetParam());
  ASSERT_TRUE(exact.ok() && quick.ok());
  EXPECT_EQ((*quick)->backend->precision(), "int8");
  std::size_t same = 0;
  bool differs = false;
  const auto all = texts();
  for (const auto& ids : all) {
    const Scores a = run_one(*(*exact)->backend, ids);
    const Scores b = run_one(*(*quick)->backend, ids);
    for (std::size_t i = 0; i < kEmotionsMax; ++i) {
      EXPECT_NEAR(a.emotion_prob[i], b.emotion_prob[i], 0.25F);
      differs |= a.emotion_prob[i] != b.emotion_prob[i];
    }
    same += a.emotion == b.emotion ? 1 : 0;
  }
  EXPECT_TRUE(differs) << "nothing was quantised";
  EXPECT_GE(same * 100, all.size() * 93) << same << " of " << all.size();
}

// Bit for bit: what a text is batched with, and what ran before, changes nothing.
TEST_P(Int8Test, ScoresDependOnTheTextAlone) {
  ModelRegistry registry(TIDEWATCH_SOURCE_DIR "/models", int8_options());
  const auto loaded = registry.load(GetParam());
  const auto again = registry.load(GetParam());
  ASSERT_TRUE(loaded.ok() && again.ok());
  const auto all = texts();
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets{0};
  for (std::size_t i = 0; i < 16; ++i) {
    ids.insert(ids.end(), all[i].begin(), all[i].end());
    offsets.push_back(static_cast<std::uint32_t>(ids.size()));
  }
  std::vector<Scores> together(16);
  ASSERT_TRUE((*loaded)->backend->run(0, RaggedBatch{ids, offsets}, together).ok());
  for (std::size_t i = 16; i-- > 0;) {
    const Scores alone = run_one(*(*again)->backend, all[i]);
    EXPECT_EQ(alone.emotion_prob, together[i].emotion_prob) << i;
    EXPECT_EQ(alone.topic_prob, together[i].topic_prob) << i;
  }
}

TEST_P(Int8Test, AutoTakesItOnlyWhereItPays) {
  BackendOptions options;
  options.instances = 1;
  options.precision = Precision::kAuto;
  const auto manifest =
      read_manifest(std::filesystem::path{TIDEWATCH_SOURCE_DIR "/models"} / GetParam());
  ASSERT_TRUE(manifest.ok() && manifest->calibration);
  auto recipe = read_recipe(manifest->calibration->path);
  ASSERT_TRUE(recipe.ok());
  const std::filesystem::path file =
      std::filesystem::path{testing::TempDir()} / (std::string{"auto_"} + GetParam() + ".json");
  for (const double speedup : {1.0, 3.0}) {
    recipe->speedup = speedup;
    ASSERT_TRUE(write_atomically(file, to_json(*recipe)).ok());
    ModelManifest changed = *manifest;
    changed.calibration->path = file;
    const auto backend = load_openvino_backend(changed, options);
    ASSERT_TRUE(backend.ok()) << backend.error().message;
    if (speedup < 2) {
      EXPECT_EQ((*backend)->precision(), "fp32");
    } else {  // and "fp32" on a processor without VNNI
      EXPECT_THAT((*backend)->precision(), testing::AnyOf("int8", "fp32"));
    }
  }
  std::filesystem::remove(file);
  ModelManifest without = *manifest;
  without.calibration.reset();
  const auto plain = load_openvino_backend(without, options);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ((*plain)->precision(), "fp32");
  const auto refused = load_openvino_backend(without, int8_options());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, HasSubstr("tidewatch calibrate --model"));
}

TEST_P(Int8Test, RefusesARecipeThatIsNotItsOwn) {
  const auto manifest =
      read_manifest(std::filesystem::path{TIDEWATCH_SOURCE_DIR "/models"} / GetParam());
  ASSERT_TRUE(manifest.ok() && manifest->calibration);
  const auto recipe = read_recipe(manifest->calibration->path);
  ASSERT_TRUE(recipe.ok());
  struct Case {
    const char* name;
    std::function<void(CalibrationRecipe&)> spoil;
    const char* expected;
  };
  const std::vector<Case> cases{
      {"no such layer", [](auto& r) { r.layers[0].node = "n9_Conv"; }, "'n9_Conv' is not in it"},
      {"other input",
       [](auto& r) {
         r.activations.push_back(r.activations[0]);
         r.activations.back().tensor = r.layers[0].input = "elsewhere";
       },
       "'elsewhere'"},
      {"other weights", [](auto& r) { r.layers[0].weight = "w"; }, "by 'w'"},
      {"other axis", [](auto& r) { r.layers[0].axis = 2; }, "axis 2"},
      {"too few channels", [](auto& r) { r.layers[0].scales.pop_back(); }, "output channels, not"},
      {"input without a scale", [](auto& r) { r.activations.clear(); }, "has no input scale"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    CalibrationRecipe spoilt = *recipe;
    c.spoil(spoilt);
    const auto backend = load_openvino_int8(*manifest, spoilt, int8_options());
    ASSERT_FALSE(backend.ok());
    EXPECT_EQ(backend.error().code, Code::kInvalidArgument);
    EXPECT_THAT(backend.error().message, HasSubstr(c.expected));
    EXPECT_THAT(backend.error().message, HasSubstr(GetParam()));
  }
  ModelManifest other = *manifest;  // as after training again
  other.weights.sha256 = std::string(64, '0');
  const auto old = load_openvino_backend(other, int8_options());
  ASSERT_FALSE(old.ok());
  EXPECT_EQ(old.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(old.error().message, HasSubstr("made for weights with sha256"));
}

// Texts of one length run together; others between them must not matter, nor their order. In both
// precisions, since `fast` and `base` promise it (BackendShapes::batch_invariant).
TEST_P(Int8Test, EquallyLongTextsRunTogetherBitForBit) {
  for (const Precision precision : {Precision::kFp32, Precision::kInt8}) {
    BackendOptions options = int8_options();
    options.precision = precision;
    ModelRegistry registry(TIDEWATCH_SOURCE_DIR "/models", options);
    const auto loaded = registry.load(GetParam());
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    Backend& backend = *(*loaded)->backend;
    std::uint32_t state = 12'345;  // a linear congruential generator: the same texts everywhere
    const auto draw = [&](std::uint32_t below) {
      state = state * 1'664'525U + 1'013'904'223U;
      return (state >> 8) % below;
    };
    for (int round = 0; round < 12; ++round) {
      const std::size_t length = 3 + draw(round < 8 ? 40 : 130);
      const std::size_t count = 2 + draw(31);
      std::vector<std::vector<std::int32_t>> all(count);
      std::vector<std::int32_t> ids;
      std::vector<std::uint32_t> offsets{0};
      for (auto& text : all) {
        const std::size_t tokens = draw(4) == 0 ? length + 1 : length;
        for (std::size_t i = 0; i < tokens; ++i) {
          text.push_back(static_cast<std::int32_t>(106 + draw(20'000)));
        }
        ids.insert(ids.end(), text.begin(), text.end());
        offsets.push_back(static_cast<std::uint32_t>(ids.size()));
      }
      std::vector<Scores> together(count);
      ASSERT_TRUE(backend.run(0, RaggedBatch{ids, offsets}, together).ok());
      for (std::size_t i = 0; i < count; ++i) {
        SCOPED_TRACE(testing::Message() << precision_name(precision) << ", text " << i << " of "
                                        << count << ", " << all[i].size() << " tokens");
        const Scores alone = run_one(backend, all[i]);
        ASSERT_EQ(alone.emotion_prob, together[i].emotion_prob);
        ASSERT_EQ(alone.topic_prob, together[i].topic_prob);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Bundled, Int8Test, testing::Values("base", "fast"),
                         [](const auto& model) { return std::string{model.param}; });

}  // namespace
}  // namespace tidewatch

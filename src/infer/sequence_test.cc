// SPDX-License-Identifier: Apache-2.0
// Token labels by a graph of seven words, with a manifest that chooses the decoder.
#include "infer/sequence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "infer/model_registry.h"
#include "infer/testing/tiny_model.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class SequenceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/sequence_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = std::filesystem::path(pattern);
    manifest_ = make_tiny_model(folder_ / "tiny");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<std::shared_ptr<const Model>> load() const {
    write_manifest(folder_ / "tiny", manifest_);
    return ModelRegistry(folder_, BackendOptions{1}).load("tiny");
  }
  static std::vector<std::string> names(const Model& model, const TokenLabels& labels) {
    std::vector<std::string> result;
    for (const std::uint8_t label : labels) {
      result.push_back(model.manifest.sequence->labels.at(label));
    }
    return result;
  }

  std::filesystem::path folder_;
  json manifest_;
};

TEST_F(SequenceTest, TheManifestChoosesTheDecoder) {
  // 天地天, 人地, and a text without words.
  const std::vector<std::int32_t> ids{2, 4, 5, 4, 3, 2, 6, 5, 3, 2, 3};
  const std::vector<std::uint32_t> offsets{0, 5, 9, 11};
  struct Case {
    const char* decoder;
    std::vector<std::string> first, second;
  };
  for (const Case& c : {Case{"viterbi", {"B", "I", "O"}, {"B", "I"}},
                        Case{"argmax", {"O", "I", "O"}, {"B", "I"}}}) {
    SCOPED_TRACE(c.decoder);
    manifest_["sequence"] = tiny_sequence_task();
    if (c.decoder != std::string{"viterbi"}) {
      for (const char* field : {"transitions", "start", "end"}) manifest_["sequence"].erase(field);
      manifest_["sequence"]["decoder"] = c.decoder;
    }
    const auto model = load();
    ASSERT_TRUE(model.ok()) << model.error().message;
    std::vector<Scores> scores(3);
    std::vector<TokenLabels> sequences(3);
    const Status status =
        (*model)->backend->run_with_sequence(0, RaggedBatch{ids, offsets}, scores, sequences);
    ASSERT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ(names(**model, sequences[0]), c.first);
    EXPECT_EQ(names(**model, sequences[1]), c.second);
    EXPECT_TRUE(sequences[2].empty());
    std::vector<Scores> alone(3);
    ASSERT_TRUE((*model)->backend->run(0, RaggedBatch{ids, offsets}, alone).ok());
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(alone[i].emotion_prob, scores[i].emotion_prob);
  }
}

TEST_F(SequenceTest, WithoutTheTaskThereAreNoLabels) {
  const auto model = load();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const std::vector<std::int32_t> ids{2, 4, 3};
  std::vector<Scores> scores(1);
  std::vector<TokenLabels> sequences{{7}};
  ASSERT_TRUE((*model)
                  ->backend
                  ->run_with_sequence(0, RaggedBatch{ids, std::vector<std::uint32_t>{0, 3}}, scores,
                                      sequences)
                  .ok());
  EXPECT_TRUE(sequences[0].empty());
}

TEST_F(SequenceTest, SaysWhenEveryLabellingIsForbidden) {
  manifest_["sequence"] = tiny_sequence_task();
  manifest_["sequence"]["start"] = {nullptr, nullptr, nullptr};
  const auto model = load();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const std::vector<std::int32_t> ids{2, 4, 3};
  std::vector<Scores> scores(1);
  std::vector<TokenLabels> sequences(1);
  const Status status = (*model)->backend->run_with_sequence(
      0, RaggedBatch{ids, std::vector<std::uint32_t>{0, 3}}, scores, sequences);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("forbid every labelling of 1 tokens"));
}

TEST_F(SequenceTest, RefusesWhatDoesNotFit) {
  struct Case {
    const char* name;
    std::function<void(json&)> spoil;  // of the sequence task
    const char* said;
  };
  const std::vector<Case> cases{
      {"no object", [](json& s) { s = 7; }, "field 'sequence' must be an object"},
      {"no name", [](json& s) { s.erase("name"); }, "field 'sequence.name' is missing"},
      {"a name that is taken", [](json& s) { s["name"] = "topic"; }, "of another task"},
      {"no output", [](json& s) { s.erase("output"); }, "field 'sequence.output' is missing"},
      {"label twice", [](json& s) { s["labels"][1] = "O"; }, "'sequence.labels' lists 'O' twice"},
      {"no labels", [](json& s) { s["labels"] = json::array(); }, "must list 1 to 255 labels"},
      {"no decoder", [](json& s) { s.erase("decoder"); }, "'sequence.decoder' is missing"},
      {"unknown decoder", [](json& s) { s["decoder"] = "crf"; }, "\"viterbi\" or \"argmax\""},
      {"no transitions", [](json& s) { s.erase("transitions"); }, "'sequence.transitions' is miss"},
      {"a row short", [](json& s) { s["transitions"].erase(2); }, "must hold 3 rows"},
      {"a short row", [](json& s) { s["transitions"][1].erase(0); }, "'sequence.transitions[1]'"},
      {"a word", [](json& s) { s["start"][0] = "-inf"; }, "'sequence.start' must hold numbers"},
      {"past FP32", [](json& s) { s["end"][2] = 1e300; }, "'sequence.end' must hold numbers"},
      {"argmax with transitions", [](json& s) { s["decoder"] = "argmax"; }, "means nothing"},
      {"an output that is not there", [](json& s) { s["output"] = "nope"; }, "no output 'nope'"},
      {"an output by text", [](json& s) { s["output"] = "topic_logits"; }, "for each token"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    manifest_["sequence"] = tiny_sequence_task();
    c.spoil(manifest_["sequence"]);
    const auto model = load();
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.error().code, Code::kInvalidArgument);
    EXPECT_THAT(model.error().message, HasSubstr(c.said));
  }
}

}  // namespace
}  // namespace tidewatch

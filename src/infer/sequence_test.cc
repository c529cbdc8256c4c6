// SPDX-License-Identifier: Apache-2.0
// Token labels end to end below the engine: a small graph made here, written as OpenVINO IR, with
// a manifest that chooses the decoder.
#include "infer/sequence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <openvino/openvino.hpp>
#include <openvino/opsets/opset13.hpp>

#include "infer/model_registry.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Scores of O, B and I for each word id: what the graph answers. Ids 0 and 1 stand for [CLS] and
// [SEP], and would spoil any path that they were part of.
const std::vector<float> kTable{
    0, 0, 90,  // [CLS]
    0, 0, 90,  // [SEP]
    2, 1, 0,   // an O
    0, 1, 3,   // an I, where it may be
    0, 2, 1,   // a B
};

class SequenceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/sequence_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = std::filesystem::path(pattern);
    std::filesystem::create_directories(folder_ / "tiny");
    write_graph();
    std::ofstream(folder_ / "tiny" / "vocab.txt") << "[CLS]\n[SEP]\nx\ny\nz\n";
    const auto file = [&](const char* name) {
      return json{{"file", name}, {"sha256", *sha256_of_file(folder_ / "tiny" / name)}};
    };
    manifest_ = {
        {"format", 1},
        {"name", "tiny"},
        {"version", "1"},
        {"precision", "fp32"},
        {"max_length", 512},
        {"weights", file("model.xml")},
        {"vocabulary", file("vocab.txt")},
        {"tasks",
         {{{"name", "emotion"},
           {"output", "emotion_logits"},
           {"labels", {"angry", "neutral", "sad"}},
           {"negative", {"angry", "sad"}}},
          {{"name", "topic"}, {"output", "topic_logits"}, {"labels", {"car", "edu", "game"}}}}}};
    manifest_["vocabulary"]["size"] = 5;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // word_scores [batch, seq, 3] is a look-up; the other two outputs are its mean over the text.
  void write_graph() const {
    using namespace ov::opset13;
    const auto ids = std::make_shared<Parameter>(ov::element::i32, ov::PartialShape{-1, -1});
    const auto mask = std::make_shared<Parameter>(ov::element::i32, ov::PartialShape{-1, -1});
    ids->output(0).set_names({"input_ids"});
    mask->output(0).set_names({"attention_mask"});
    const auto table = Constant::create(ov::element::f32, ov::Shape{5, 3}, kTable);
    const auto axis = Constant::create(ov::element::i64, ov::Shape{}, {0});
    const auto words = std::make_shared<Gather>(table, ids, axis);
    const auto open =
        std::make_shared<Unsqueeze>(std::make_shared<Convert>(mask, ov::element::f32),
                                    Constant::create(ov::element::i64, ov::Shape{1}, {2}));
    const auto masked = std::make_shared<Multiply>(words, open);
    masked->output(0).set_names({"word_scores"});
    ov::ResultVector results{std::make_shared<ov::op::v0::Result>(masked)};
    for (const char* name : {"emotion_logits", "topic_logits"}) {
      const auto mean = std::make_shared<ReduceMean>(
          masked, Constant::create(ov::element::i64, ov::Shape{1}, {1}), false);
      mean->output(0).set_names({name});
      results.push_back(std::make_shared<ov::op::v0::Result>(mean));
    }
    ov::serialize(std::make_shared<ov::Model>(results, ov::ParameterVector{ids, mask}),
                  (folder_ / "tiny" / "model.xml").string());
  }

  json viterbi() const {
    // An I must follow a B or an I; a text does not start with one.
    return {{"name", "words"},
            {"output", "word_scores"},
            {"labels", {"O", "B", "I"}},
            {"decoder", "viterbi"},
            {"transitions", {{0, 0, nullptr}, {0, 0, 0}, {0, 0, 0}}},
            {"start", {0, 0, nullptr}},
            {"end", {0, 0, 0}}};
  }
  ::tidewatch::Result<std::shared_ptr<const Model>> load() const {
    std::ofstream(folder_ / "tiny" / "manifest.json") << manifest_.dump();
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
  // Two texts: x y x, and z y; and one without words.
  const std::vector<std::int32_t> ids{0, 2, 3, 2, 1, 0, 4, 3, 1, 0, 1};
  const std::vector<std::uint32_t> offsets{0, 5, 9, 11};
  struct Case {
    const char* decoder;
    std::vector<std::string> first, second;
  };
  for (const Case& c : {Case{"viterbi", {"B", "I", "O"}, {"B", "I"}},
                        Case{"argmax", {"O", "I", "O"}, {"B", "I"}}}) {
    SCOPED_TRACE(c.decoder);
    manifest_["sequence"] = viterbi();
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
  const std::vector<std::int32_t> ids{0, 2, 1};
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
  manifest_["sequence"] = viterbi();
  manifest_["sequence"]["start"] = {nullptr, nullptr, nullptr};
  const auto model = load();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const std::vector<std::int32_t> ids{0, 2, 1};
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
    manifest_["sequence"] = viterbi();
    c.spoil(manifest_["sequence"]);
    const auto model = load();
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.error().code, Code::kInvalidArgument);
    EXPECT_THAT(model.error().message, HasSubstr(c.said));
  }
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/testing/tiny_model.h"

#include <fstream>
#include <openvino/openvino.hpp>
#include <openvino/opsets/opset13.hpp>
#include <vector>

#include "infer/manifest.h"

namespace tidewatch {
namespace {

using nlohmann::json;

const std::vector<float> kTable{
    0, 0, 0,   // [PAD]
    0, 0, 0,   // [UNK]
    0, 0, 90,  // [CLS]
    0, 0, 90,  // [SEP]
    2, 1, 0,   // 天
    0, 1, 3,   // 地
    0, 2, 1,   // 人
};

void write_graph(const std::filesystem::path& file) {
  using namespace ov::opset13;
  const auto ids = std::make_shared<Parameter>(ov::element::i32, ov::PartialShape{-1, -1});
  const auto mask = std::make_shared<Parameter>(ov::element::i32, ov::PartialShape{-1, -1});
  ids->output(0).set_names({"input_ids"});
  mask->output(0).set_names({"attention_mask"});
  const auto number = [](std::int64_t value) {
    return Constant::create(ov::element::i64, ov::Shape{1}, {value});
  };
  const auto table = Constant::create(ov::element::f32, ov::Shape{kTable.size() / 3, 3}, kTable);
  const auto axis = Constant::create(ov::element::i64, ov::Shape{}, {0});
  const auto words = std::make_shared<Gather>(table, ids, axis);
  const auto open =
      std::make_shared<Unsqueeze>(std::make_shared<Convert>(mask, ov::element::f32), number(2));
  const auto masked = std::make_shared<Multiply>(words, open);
  masked->output(0).set_names({"word_scores"});
  ov::ResultVector results{std::make_shared<ov::op::v0::Result>(masked)};
  for (const char* name : {"emotion_logits", "topic_logits"}) {
    const auto mean = std::make_shared<ReduceMean>(masked, number(1), false);
    mean->output(0).set_names({name});
    results.push_back(std::make_shared<ov::op::v0::Result>(mean));
  }
  ov::serialize(std::make_shared<ov::Model>(results, ov::ParameterVector{ids, mask}),
                file.string());
}

}  // namespace

json make_tiny_model(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  write_graph(folder / "model.xml");
  std::ofstream(folder / "vocab.txt") << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n天\n地\n人\n";
  const auto file = [&](const char* name) {
    return json{{"file", name}, {"sha256", *sha256_of_file(folder / name)}};
  };
  json manifest{
      {"format", 1},
      {"name", folder.filename().string()},
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
  manifest["vocabulary"]["size"] = 7;
  return manifest;
}

json tiny_sequence_task() {
  return {{"name", "words"},
          {"output", "word_scores"},
          {"labels", {"O", "B", "I"}},
          {"decoder", "viterbi"},
          {"transitions", {{0, 0, nullptr}, {0, 0, 0}, {0, 0, 0}}},
          {"start", {0, 0, nullptr}},
          {"end", {0, 0, 0}}};
}

void write_manifest(const std::filesystem::path& folder, const json& manifest) {
  std::ofstream(folder / "manifest.json") << manifest.dump();
}

}  // namespace tidewatch

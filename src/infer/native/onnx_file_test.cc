// SPDX-License-Identifier: Apache-2.0
// Damaged and foreign files: an error, never a crash and never a wrong model.
#include "infer/native/onnx_file.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>

#include "infer/manifest.h"
#include "infer/native/fast_graph.h"
#include "infer/native/fast_weights.h"

namespace tidewatch::native {
namespace {

class OnnxFileTest : public testing::Test {
 protected:
  void SetUp() override {
    auto manifest = read_manifest(TIDEWATCH_SOURCE_DIR "/models/fast");
    ASSERT_TRUE(manifest.ok());
    manifest_ = *manifest;
    auto file = read_file(manifest_.weights.path);
    ASSERT_TRUE(file.ok());
    file_ = std::move(*file);
  }
  // All that is done with a file, up to weights that a kernel may read.
  bool loads(std::span<const std::byte> bytes, bool pack = true) const {
    const auto model = parse_onnx(bytes);
    if (!model) {
      EXPECT_EQ(model.error().code, Code::kDataLoss);
      return false;
    }
    const auto graph = match_fast_graph(*model, manifest_);
    if (!graph) return false;
    if (pack) {
      EXPECT_TRUE(pack_weights(*graph, nullptr).ok());
    }
    return true;
  }
  // Where the tensors' values do not lie: damage there is seen.
  std::vector<std::size_t> structure() const {
    std::vector<char> raw(file_.size(), 0);
    const auto model = parse_onnx(file_);
    for (const OnnxTensor& tensor : model->initializers) {
      const auto at = static_cast<std::size_t>(tensor.raw.data() - file_.data());
      std::fill_n(raw.begin() + static_cast<std::ptrdiff_t>(at), tensor.raw.size(), 1);
    }
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == 0) places.push_back(i);
    }
    return places;
  }

  ModelManifest manifest_;
  std::vector<std::byte> file_;
};

TEST_F(OnnxFileTest, ReadsTheBundledModel) {
  const auto model = parse_onnx(file_);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_TRUE(model->metadata.contains("tidewatch.labels.emotion"));
  EXPECT_EQ(model->outputs.size(), 2U);
  const auto graph = match_fast_graph(*model, manifest_);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(graph->word->dims[0], manifest_.vocabulary_size);
  EXPECT_EQ(graph->bigram_buckets, graph->bigram->dims[0]);
  EXPECT_TRUE(loads(file_));
}

TEST_F(OnnxFileTest, ATruncatedFileIsRefused) {
  std::mt19937 random(5);
  for (int i = 0; i < 2'000; ++i) {
    const std::size_t bytes = i < 200 ? static_cast<std::size_t>(i) : random() % file_.size();
    // A copy of its own, so that a sanitizer sees the first byte past the end.
    const std::vector<std::byte> part(
        file_.begin(),
        file_.begin() + static_cast<std::ptrdiff_t>(std::min(bytes, std::size_t{200'000})));
    EXPECT_FALSE(loads(part)) << part.size();
    EXPECT_FALSE(loads(std::span{file_}.first(bytes))) << bytes;
  }
}

TEST_F(OnnxFileTest, FlippedBitsAndNoiseNeverCrash) {
  std::mt19937 random(6);
  const std::vector<std::size_t> places = structure();
  ASSERT_GT(places.size(), 3'000U);
  std::size_t refused = 0;
  constexpr std::size_t kRounds = 6'000;
  for (std::size_t i = 0; i < kRounds; ++i) {
    std::vector<std::pair<std::size_t, std::byte>> changed;
    for (std::size_t n = 1 + random() % 3; n > 0; --n) {
      const std::size_t at = places[random() % places.size()];
      changed.emplace_back(at, file_[at]);
      file_[at] = random() % 4 == 0 ? static_cast<std::byte>(random())
                                    : file_[at] ^ static_cast<std::byte>(1U << (random() % 8));
    }
    refused += loads(file_, i % 50 == 0) ? 0 : 1;
    while (!changed.empty()) {
      file_[changed.back().first] = changed.back().second;
      changed.pop_back();
    }
  }
  // What is left are names of nodes, producer and description, which mean nothing.
  EXPECT_GT(refused, kRounds / 2);
  EXPECT_TRUE(loads(file_));
}

TEST_F(OnnxFileTest, RandomBytesNeverCrash) {
  std::mt19937 random(8);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> noise(random() % 200);
    for (std::byte& byte : noise) byte = static_cast<std::byte>(random() % (i % 2 == 0 ? 256 : 64));
    EXPECT_FALSE(loads(noise));
  }
}

// The graph with one thing changed is another graph.
TEST_F(OnnxFileTest, AnotherGraphIsNotTaken) {
  struct Case {
    const char* name;
    std::function<void(OnnxModel&)> change;
  };
  const auto node = [](OnnxModel& model, std::string_view op) -> OnnxNode& {
    for (OnnxNode& n : model.nodes) {
      if (n.op == op) return n;
    }
    ADD_FAILURE() << op;
    return model.nodes[0];
  };
  const auto tensor = [](OnnxModel& model, std::string_view name) -> OnnxTensor& {
    for (OnnxTensor& t : model.initializers) {
      if (t.name == name) return t;
    }
    ADD_FAILURE() << name;
    return model.initializers[0];
  };
  const std::vector<Case> cases{
      {"a node less", [](auto& m) { m.nodes.pop_back(); }},
      {"a node more", [](auto& m) { m.nodes.push_back(m.nodes.back()); }},
      {"two nodes swapped", [](auto& m) { std::swap(m.nodes[0], m.nodes[1]); }},
      {"another activation", [&](auto& m) { node(m, "Relu").op = "Sigmoid"; }},
      {"another library's Relu", [&](auto& m) { node(m, "Relu").domain = "com.example"; }},
      {"a dilation", [&](auto& m) { node(m, "Conv").attributes.push_back({"dilations", {2}}); }},
      {"no padding", [&](auto& m) { node(m, "Conv").attributes[1].ints = {0, 0}; }},
      {"softmax over channels", [&](auto& m) { node(m, "Softmax").attributes[0].ints = {1}; }},
      {"another input", [&](auto& m) { node(m, "Softmax").inputs[0] = "input_ids"; }},
      {"a wider convolution", [&](auto& m) { tensor(m, "conv0.weight").dims = {128, 128, 5}; }},
      {"fewer buckets than the hash gives", [&](auto& m) { tensor(m, "bigram").dims[0] -= 1; }},
      {"weights that are not there", [&](auto& m) { tensor(m, "hidden.weight").raw = {}; }},
      {"integers for weights", [&](auto& m) { tensor(m, "word").type = OnnxType::kInt32; }},
  };
  for (const Case& c : cases) {
    auto model = parse_onnx(file_);
    ASSERT_TRUE(model.ok());
    c.change(*model);
    const auto graph = match_fast_graph(*model, manifest_);
    ASSERT_FALSE(graph.ok()) << c.name;
    EXPECT_EQ(graph.error().code, Code::kUnimplemented) << c.name;
  }
  ModelManifest other = manifest_;
  other.emotion.output = "sentiment_logits";
  EXPECT_FALSE(match_fast_graph(*parse_onnx(file_), other).ok());
  other = manifest_;
  other.topic.labels.pop_back();
  EXPECT_EQ(match_fast_graph(*parse_onnx(file_), other).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace tidewatch::native

// SPDX-License-Identifier: Apache-2.0
#include "infer/native/fast_graph.h"

#include <fmt/format.h>

#include <string>

#include "infer/manifest.h"
#include "infer/native/graph_walk.h"
#include "infer/native/kernel.h"

namespace tidewatch::native {
namespace {

constexpr std::int64_t kHiddenMax = 1'024;
constexpr std::int64_t kRowsMax = 1 << 22;  // of a table
constexpr std::int64_t kBigramFactorMax = 1 << 20;

// Word and bigram embeddings, added.
std::string_view walk_embeddings(GraphWalk& walk, FastGraph& graph) {
  constexpr auto kWide = static_cast<std::int64_t>(kWidth);
  const OnnxNode* word = walk.take("Gather", 2);
  graph.word = walk.weights(word, 0, {kAnySize, kWide}, kRowsMax);
  walk.input(word, 1, "input_ids");
  const auto first = walk.with_numbers("Slice", "input_ids", {{0}, {1}, {1}});
  const auto zeros = walk.with_numbers("Mul", first, {{0}});
  const auto longer = walk.binary("Concat", zeros, "input_ids", {{"axis", {1}}});
  const auto previous = walk.with_numbers("Slice", longer, {{0}, {-1}, {1}});
  const OnnxNode* scaled = walk.take("Mul", 2);
  walk.input(scaled, 0, previous);
  graph.bigram_factor = walk.number(scaled, 1, kBigramFactorMax);
  const auto pair = walk.binary("Add", GraphWalk::result(scaled), "input_ids");
  const OnnxNode* bucket = walk.take("Mod", 2);
  walk.input(bucket, 0, pair);
  graph.bigram_buckets = walk.number(bucket, 1, kRowsMax);
  const OnnxNode* bigram = walk.take("Gather", 2);
  graph.bigram = walk.weights(bigram, 0, {graph.bigram_buckets, kWide});
  walk.input(bigram, 1, GraphWalk::result(bucket));
  return walk.binary("Add", GraphWalk::result(word), GraphWalk::result(bigram));
}

// Both convolutions of x [batch, kWidth, seq] and their sum.
std::string_view walk_convolutions(GraphWalk& walk, std::string_view x, std::string_view row,
                                   FastGraph& graph) {
  constexpr auto kWide = static_cast<std::int64_t>(kWidth);
  constexpr auto kKernel = static_cast<std::int64_t>(kTaps);
  for (FastConvolution& layer : graph.convolutions) {
    const OnnxNode* node = walk.take("Conv", 3, {{"kernel_shape", {kKernel}}, {"pads", {1, 1}}});
    walk.input(node, 0, x);
    layer.weight = walk.weights(node, 1, {kWide, kWide, kKernel});
    layer.bias = walk.weights(node, 2, {kWide});
    if (node != nullptr && layer.weight != nullptr) {
      layer.node = node->name;
      layer.input = node->inputs[0];
      layer.weight_name = layer.weight->name;
    }
    const auto y = walk.binary("Mul", walk.unary("Relu", GraphWalk::result(node)), row);
    x = &layer == graph.convolutions ? y : walk.binary("Add", x, y);
  }
  return x;
}

// Two attention pools and the maximum of x, beside one another.
std::string_view walk_pools(GraphWalk& walk, std::string_view x, std::string_view row,
                            FastGraph& graph) {
  constexpr auto kWide = static_cast<std::int64_t>(kWidth);
  const GraphWalk::Attributes turned{{"perm", {0, 2, 1}}};
  const auto tokens = walk.unary("Transpose", x, turned);
  const auto scores =
      walk.unary("Transpose", walk.dense(tokens, kWide, 2, kAnySize, graph.attention), turned);
  const OnnxNode* open = walk.take("Sub", 2);
  walk.numbers(open, 0, {1});
  walk.input(open, 1, row);
  const auto closed = walk.with_numbers("Mul", GraphWalk::result(open), {{-10'000}});
  const auto shares = walk.unary("Softmax", walk.binary("Add", scores, closed), {{"axis", {-1}}});
  const auto pooled =
      walk.with_numbers("Reshape", walk.binary("MatMul", shares, tokens), {{0, 2 * kWide}});
  const auto most = walk.unary("ReduceMax", x, {{"axes", {2}}, {"keepdims", {0}}});
  return walk.binary("Concat", pooled, most, {{"axis", {1}}});
}

}  // namespace

Result<FastGraph> match_fast_graph(const OnnxModel& model, const ModelManifest& manifest) {
  FastGraph graph;
  GraphWalk walk(model);
  const auto share = walk.unary("Cast", "attention_mask", {{"to", {kOnnxFloat}}});
  const auto column = walk.with_numbers("Unsqueeze", share, {{2}});
  const auto row = walk.with_numbers("Unsqueeze", share, {{1}});
  const auto embedded = walk.binary("Mul", walk_embeddings(walk, graph), column);
  const auto x = walk.unary("Transpose", embedded, {{"perm", {0, 2, 1}}});
  const auto pooled = walk_pools(walk, walk_convolutions(walk, x, row, graph), row, graph);
  const auto hidden = walk.unary("Relu", walk.dense(pooled, static_cast<std::int64_t>(kPooled),
                                                    kAnySize, kHiddenMax, graph.hidden));
  const std::int64_t width =
      graph.hidden.weight == nullptr ? kAnySize : graph.hidden.weight->dims[1];
  DenseWeights heads[2];
  std::string_view outputs[2];
  for (std::size_t i = 0; i < 2; ++i)
    outputs[i] = walk.dense(hidden, width, kAnySize, kPanel, heads[i]);
  if (!walk.error() && !walk.at_end()) walk.fail("the graph", "goes on after two tasks");
  const bool first = outputs[0] == manifest.emotion.output;
  if (!walk.error() && (outputs[first ? 0 : 1] != manifest.emotion.output ||
                        outputs[first ? 1 : 0] != manifest.topic.output)) {
    walk.fail("the graph", "has other outputs than the manifest's tasks");
  }
  if (walk.error()) {
    return Error{Code::kUnimplemented,
                 fmt::format("not the graph of the `fast` model, for which alone there is a native "
                             "backend: {}",
                             *walk.error())};
  }
  graph.emotion = heads[first ? 0 : 1];
  graph.topic = heads[first ? 1 : 0];
  const auto labels = [](const DenseWeights& head) {
    return static_cast<std::size_t>(head.weight->dims[1]);
  };
  if (labels(graph.emotion) != manifest.emotion.labels.size() ||
      labels(graph.topic) != manifest.topic.labels.size()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("the graph has {} emotions and {} topics where the manifest lists {} "
                             "and {} labels",
                             labels(graph.emotion), labels(graph.topic),
                             manifest.emotion.labels.size(), manifest.topic.labels.size())};
  }
  return graph;
}

}  // namespace tidewatch::native

// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/encoder_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include "infer/calibration/recipe.h"
#include "infer/manifest.h"
#include "infer/native/graph_walk.h"

namespace tidewatch::tensorrt {
namespace {

using native::DenseWeights;
using native::floats_of;
using native::GraphWalk;
using native::kAnySize;
using native::OnnxNode;
using native::OnnxTensor;

constexpr std::int64_t kRowsMax = 1 << 22;   // of a table
constexpr std::int64_t kWidthMax = 1 << 14;  // of anything else
constexpr std::size_t kHeadMultiple = 16;

struct NormWeights {
  const OnnxTensor* weight = nullptr;
  const OnnxTensor* bias = nullptr;
  float epsilon = 0;
};
struct LayerGraph {
  DenseWeights query, key, value, project, expand, shrink;
  NormWeights attention_norm, output_norm;
};
struct EncoderGraph {
  const OnnxTensor* word = nullptr;
  const OnnxTensor* position = nullptr;
  NormWeights norm;
  std::vector<LayerGraph> layers;
  DenseWeights heads[2];
  std::string_view outputs[2];
  std::int64_t width = 0;
  std::int64_t num_heads = 0;
  float scale = 0;  // of the attention scores
};

// In the order of models/train/graphs.py, base_graph.
class EncoderWalk {
 public:
  explicit EncoderWalk(const native::OnnxModel& model) : walk_(model) {}

  Result<EncoderGraph> read() {
    std::string_view x = embed();
    const auto share = walk_.unary("Cast", "attention_mask", {{"to", {native::kOnnxFloat}}});
    const OnnxNode* open = walk_.take("Sub", 2);
    walk_.numbers(open, 0, {1});
    walk_.input(open, 1, share);
    const auto closed = walk_.with_numbers(
        "Unsqueeze", walk_.with_numbers("Mul", GraphWalk::result(open), {{-10'000}}), {{1, 2}});
    while (!walk_.error() && walk_.next_op() == "MatMul") x = layer(x, closed);
    pool(x, share);
    if (!walk_.error() && !walk_.at_end()) walk_.fail("the graph", "goes on after two tasks");
    if (!walk_.error() && graph_.layers.empty()) walk_.fail("the graph", "has no layer");
    if (walk_.error()) return Error{Code::kUnimplemented, *walk_.error()};
    return std::move(graph_);
  }

 private:
  std::string_view embed() {
    const OnnxNode* word = walk_.take("Gather", 2);
    graph_.word = walk_.weights(word, 0, {kAnySize, kAnySize}, kRowsMax);
    walk_.input(word, 1, "input_ids");
    graph_.width = graph_.word == nullptr ? kAnySize : graph_.word->dims[1];
    const auto sizes = walk_.unary("Shape", "input_ids");
    const auto seq = walk_.with_numbers("Slice", sizes, {{1}, {2}});
    const OnnxNode* place = walk_.take("Slice", 4);
    graph_.position = walk_.weights(place, 0, {kAnySize, graph_.width}, kRowsMax);
    walk_.numbers(place, 1, {0});
    walk_.input(place, 2, seq);
    walk_.numbers(place, 3, {0});
    const auto sum = walk_.binary("Add", GraphWalk::result(word), GraphWalk::result(place));
    return normalise(sum, graph_.norm);
  }

  std::string_view normalise(std::string_view x, NormWeights& norm) {
    const OnnxNode* node = walk_.take("LayerNormalization", 3, {{"axis", {-1}}, {"epsilon", {}}});
    walk_.input(node, 0, x);
    norm.weight = walk_.weights(node, 1, {graph_.width});
    norm.bias = walk_.weights(node, 2, {graph_.width});
    if (node != nullptr) {
      for (const auto& attribute : node->attributes) {
        if (attribute.name == "epsilon") norm.epsilon = attribute.real;
      }
      if (norm.epsilon != graph_.norm.epsilon) walk_.fail(node->name, "has another epsilon");
    }
    return GraphWalk::result(node);
  }

  // One of query, key and value, by head.
  std::string_view part(std::string_view x, DenseWeights& dense,
                        const std::vector<std::int64_t>& order) {
    const auto y = walk_.dense(x, graph_.width, graph_.width, kAnySize, dense);
    const OnnxNode* node = walk_.take("Reshape", 2);
    walk_.input(node, 0, y);
    const auto sizes = walk_.integers(node, 1);
    if (node != nullptr) {
      const bool fits = sizes.size() == 4 && sizes[0] == 0 && sizes[1] == 0 && sizes[2] > 0 &&
                        sizes[2] * sizes[3] == graph_.width &&
                        (graph_.num_heads == 0 || graph_.num_heads == sizes[2]);
      if (!fits) walk_.fail(node->name, "has other heads");
      if (fits) graph_.num_heads = sizes[2];
    }
    return walk_.unary("Transpose", GraphWalk::result(node), {{"perm", order}});
  }

  std::string_view gelu(std::string_view x) {
    const OnnxNode* root = walk_.take("Div", 2);
    walk_.input(root, 0, x);
    const float divisor = walk_.real(root, 1);
    if (root != nullptr && std::abs(divisor - std::sqrt(2.0F)) > 1e-5F) {
      walk_.fail(root->name, "divides by another number");
    }
    const auto bent = walk_.with_numbers("Add", walk_.unary("Erf", GraphWalk::result(root)), {{1}});
    const auto scaled = walk_.binary("Mul", x, bent);
    const OnnxNode* half = walk_.take("Mul", 2);
    walk_.input(half, 0, scaled);
    if (half != nullptr && walk_.real(half, 1) != 0.5F) {
      walk_.fail(half->name, "multiplies by another number");
    }
    return GraphWalk::result(half);
  }

  std::string_view layer(std::string_view x, std::string_view closed) {
    LayerGraph layer;
    const auto query = part(x, layer.query, {0, 2, 1, 3});
    const auto key = part(x, layer.key, {0, 2, 3, 1});
    const auto value = part(x, layer.value, {0, 2, 1, 3});
    const auto raw = walk_.binary("MatMul", query, key);
    const OnnxNode* scaled = walk_.take("Mul", 2);
    walk_.input(scaled, 0, raw);
    const float scale = walk_.real(scaled, 1);
    if (scaled != nullptr && !graph_.layers.empty() && scale != graph_.scale) {
      walk_.fail(scaled->name, "scales otherwise than the layers before");
    }
    graph_.scale = scale;
    const auto shares = walk_.unary(
        "Softmax", walk_.binary("Add", GraphWalk::result(scaled), closed), {{"axis", {-1}}});
    const auto mixed =
        walk_.unary("Transpose", walk_.binary("MatMul", shares, value), {{"perm", {0, 2, 1, 3}}});
    const auto joined = walk_.with_numbers("Reshape", mixed, {{0, 0, graph_.width}});
    const auto projected = walk_.dense(joined, graph_.width, graph_.width, kAnySize, layer.project);
    x = normalise(walk_.binary("Add", x, projected), layer.attention_norm);
    const auto expanded = walk_.dense(x, graph_.width, kAnySize, kWidthMax, layer.expand);
    const std::int64_t inner =
        layer.expand.weight == nullptr ? kAnySize : layer.expand.weight->dims[1];
    const auto shrunk = walk_.dense(gelu(expanded), inner, graph_.width, kAnySize, layer.shrink);
    x = normalise(walk_.binary("Add", x, shrunk), layer.output_norm);
    graph_.layers.push_back(layer);
    return x;
  }

  // [CLS] beside the mean, and the two heads.
  void pool(std::string_view x, std::string_view share) {
    const auto column = walk_.with_numbers("Unsqueeze", share, {{2}});
    const auto total =
        walk_.with_numbers("ReduceSum", walk_.binary("Mul", x, column), {{1}}, {{"keepdims", {0}}});
    const auto count = walk_.with_numbers("ReduceSum", column, {{1}}, {{"keepdims", {0}}});
    const auto mean = walk_.binary("Div", total, walk_.with_numbers("Max", count, {{1}}));
    const auto first = walk_.with_numbers("Gather", x, {{0}}, {{"axis", {1}}});
    const auto pooled = walk_.binary("Concat", first, mean, {{"axis", {1}}});
    for (std::size_t i = 0; i < 2; ++i) {
      graph_.outputs[i] =
          walk_.dense(pooled, 2 * graph_.width, kAnySize, kWidthMax, graph_.heads[i]);
    }
  }

  GraphWalk walk_;
  EncoderGraph graph_;
};

// Scales of the recipe, by the names of its layers.
class Scales {
 public:
  explicit Scales(const CalibrationRecipe* recipe) {
    if (recipe == nullptr) return;
    for (const ActivationScale& scale : recipe->activations) inputs_[scale.tensor] = scale.scale;
    for (const QuantisedLayer& layer : recipe->layers) layers_[layer.node] = &layer;
  }

  void give(const DenseWeights& from, Dense& to) {
    const auto it = layers_.find(from.node);
    if (it == layers_.end()) return;
    const auto input = inputs_.find(it->second->input);
    if (input == inputs_.end() || it->second->input != from.input ||
        it->second->scales.size() != to.out) {
      return;  // counted as unused
    }
    to.input_scale = rounded_scale(input->second);
    for (const float scale : it->second->scales) {
      to.weight_scales.push_back(rounded_scale(scale));
    }
    layers_.erase(it);
  }

  // A layer that no `give` took.
  const QuantisedLayer* unused() const {
    return layers_.empty() ? nullptr : layers_.begin()->second;
  }

 private:
  std::map<std::string_view, float> inputs_;
  std::map<std::string_view, const QuantisedLayer*> layers_;
};

Dense dense_of(const DenseWeights& from, Scales& scales) {
  Dense dense;
  dense.name = from.node;
  dense.in = static_cast<std::size_t>(from.weight->dims[0]);
  dense.out = static_cast<std::size_t>(from.weight->dims[1]);
  dense.weight = floats_of(*from.weight);
  dense.bias = floats_of(*from.bias);
  scales.give(from, dense);
  return dense;
}

Norm norm_of(const NormWeights& from) { return {floats_of(*from.weight), floats_of(*from.bias)}; }

// Columns of each head get zero columns behind them, until there are `padded`; all are scaled.
void pad_columns(Dense& dense, std::size_t heads, std::size_t padded, float factor) {
  const std::size_t each = dense.out / heads;
  Dense wide;
  wide.weight.assign(dense.in * heads * padded, 0.0F);
  wide.bias.assign(heads * padded, 0.0F);
  if (!dense.weight_scales.empty()) wide.weight_scales.assign(heads * padded, 1.0F);
  for (std::size_t h = 0; h < heads; ++h) {
    for (std::size_t c = 0; c < each; ++c) {
      const std::size_t from = h * each + c;
      const std::size_t to = h * padded + c;
      for (std::size_t row = 0; row < dense.in; ++row) {
        wide.weight[row * heads * padded + to] = dense.weight[row * dense.out + from] * factor;
      }
      wide.bias[to] = dense.bias[from] * factor;
      if (!dense.weight_scales.empty()) {
        wide.weight_scales[to] = dense.weight_scales[from] * factor;
      }
    }
  }
  dense.out = heads * padded;
  dense.weight = std::move(wide.weight);
  dense.bias = std::move(wide.bias);
  dense.weight_scales = std::move(wide.weight_scales);
}

// The same for what takes the heads' outputs: rows of zeros.
void pad_rows(Dense& dense, std::size_t heads, std::size_t padded) {
  const std::size_t each = dense.in / heads;
  std::vector<float> wide(heads * padded * dense.out, 0.0F);
  for (std::size_t row = 0; row < dense.in; ++row) {
    const std::size_t to = row / each * padded + row % each;
    std::copy_n(dense.weight.begin() + static_cast<std::ptrdiff_t>(row * dense.out), dense.out,
                wide.begin() + static_cast<std::ptrdiff_t>(to * dense.out));
  }
  dense.in = heads * padded;
  dense.weight = std::move(wide);
}

EncoderLayer layer_of(const LayerGraph& from, const EncoderGraph& graph, std::size_t head_width,
                      Scales& scales) {
  EncoderLayer layer;
  const auto heads = static_cast<std::size_t>(graph.num_heads);
  layer.query = dense_of(from.query, scales);
  layer.key = dense_of(from.key, scales);
  layer.value = dense_of(from.value, scales);
  pad_columns(layer.query, heads, head_width, graph.scale);
  pad_columns(layer.key, heads, head_width, 1.0F);
  pad_columns(layer.value, heads, head_width, 1.0F);
  layer.project = dense_of(from.project, scales);
  pad_rows(layer.project, heads, head_width);
  layer.attention_norm = norm_of(from.attention_norm);
  layer.expand = dense_of(from.expand, scales);
  layer.shrink = dense_of(from.shrink, scales);
  layer.output_norm = norm_of(from.output_norm);
  return layer;
}

// Both heads side by side, emotions first.
Dense join_heads(const DenseWeights& emotion, const DenseWeights& topic) {
  Scales none(nullptr);
  const Dense first = dense_of(emotion, none);
  const Dense second = dense_of(topic, none);
  Dense both;
  both.in = first.in;
  both.out = first.out + second.out;
  for (std::size_t row = 0; row < both.in; ++row) {
    for (const Dense* head : {&first, &second}) {
      const auto begin = head->weight.begin() + static_cast<std::ptrdiff_t>(row * head->out);
      both.weight.insert(both.weight.end(), begin, begin + static_cast<std::ptrdiff_t>(head->out));
    }
  }
  both.bias = first.bias;
  both.bias.insert(both.bias.end(), second.bias.begin(), second.bias.end());
  return both;
}

}  // namespace

Result<EncoderWeights> read_encoder(const native::OnnxModel& model, const ModelManifest& manifest,
                                    const CalibrationRecipe* recipe) {
  const auto refuse = [](std::string_view why) {
    return Error{Code::kUnimplemented,
                 fmt::format("not the graph of an encoder that models/train writes: {}", why)};
  };
  const Result<EncoderGraph> read = EncoderWalk(model).read();
  if (!read) return refuse(read.error().message);
  const EncoderGraph& graph = *read;
  const bool first = graph.outputs[0] == manifest.emotion.output;
  const DenseWeights& emotion = graph.heads[first ? 0 : 1];
  const DenseWeights& topic = graph.heads[first ? 1 : 0];
  if (graph.outputs[first ? 1 : 0] != manifest.topic.output ||
      graph.outputs[first ? 0 : 1] != manifest.emotion.output) {
    return refuse("other outputs than the manifest's tasks");
  }
  EncoderWeights weights;
  weights.width = static_cast<std::size_t>(graph.width);
  weights.heads = static_cast<std::size_t>(graph.num_heads);
  weights.head_width =
      (weights.width / weights.heads + kHeadMultiple - 1) / kHeadMultiple * kHeadMultiple;
  weights.inner = static_cast<std::size_t>(graph.layers.front().expand.weight->dims[1]);
  weights.vocabulary = static_cast<std::size_t>(graph.word->dims[0]);
  weights.positions = static_cast<std::size_t>(graph.position->dims[0]);
  weights.epsilon = graph.norm.epsilon;
  if (weights.positions < manifest.max_length) {
    return Error{Code::kInvalidArgument,
                 fmt::format("the graph knows {} positions, the manifest says texts of up to {}",
                             weights.positions, manifest.max_length)};
  }
  if (weights.vocabulary < manifest.vocabulary_size) {
    return Error{Code::kInvalidArgument,
                 fmt::format("the graph knows {} words where the vocabulary has {}",
                             weights.vocabulary, manifest.vocabulary_size)};
  }
  weights.word = floats_of(*graph.word);
  weights.position = floats_of(*graph.position);
  weights.norm = norm_of(graph.norm);
  Scales scales(recipe);
  for (const LayerGraph& layer : graph.layers) {
    weights.layers.push_back(layer_of(layer, graph, weights.head_width, scales));
  }
  if (const QuantisedLayer* layer = scales.unused(); layer != nullptr) {
    return Error{Code::kInvalidArgument,
                 fmt::format("the calibration names layer '{}' (input '{}', {} scales), which the "
                             "graph does not have so; calibrate again",
                             layer->node, layer->input, layer->scales.size())};
  }
  weights.classify = join_heads(emotion, topic);
  weights.emotions = static_cast<std::size_t>(emotion.weight->dims[1]);
  weights.topics = static_cast<std::size_t>(topic.weight->dims[1]);
  if (weights.emotions != manifest.emotion.labels.size() ||
      weights.topics != manifest.topic.labels.size()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("the graph has {} emotions and {} topics where the manifest lists {} "
                             "and {} labels",
                             weights.emotions, weights.topics, manifest.emotion.labels.size(),
                             manifest.topic.labels.size())};
  }
  return weights;
}

}  // namespace tidewatch::tensorrt

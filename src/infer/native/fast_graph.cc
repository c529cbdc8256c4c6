// SPDX-License-Identifier: Apache-2.0
#include "infer/native/fast_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "infer/manifest.h"
#include "infer/native/kernel.h"

namespace tidewatch::native {
namespace {

constexpr std::int64_t kHiddenMax = 1'024;
constexpr std::int64_t kRowsMax = 1 << 22;  // of a table
constexpr std::int64_t kBigramFactorMax = 1 << 20;
constexpr std::int64_t kAny = -1;       // in a wanted shape
constexpr std::int64_t kOnnxFloat = 1;  // what Cast's `to` says

// The constant's integers, or those that its floats are equal to.
std::optional<std::vector<std::int64_t>> integers_of(const OnnxTensor& tensor) {
  const auto values = [&]<typename T>(T) {
    std::vector<std::int64_t> result;
    for (std::size_t at = 0; at + sizeof(T) <= tensor.raw.size(); at += sizeof(T)) {
      T value;
      std::memcpy(&value, tensor.raw.data() + at, sizeof value);
      if (!(value >= T{-1'000'000'000} && value <= T{1'000'000'000})) return std::vector{kRowsMax};
      result.push_back(static_cast<std::int64_t>(value));
    }
    return result;
  };
  if (tensor.raw.size() > 64) return std::nullopt;
  if (tensor.type == OnnxType::kInt64) return values(std::int64_t{});
  if (tensor.type == OnnxType::kInt32) return values(std::int32_t{});
  if (tensor.type == OnnxType::kFloat) return values(float{});
  return std::nullopt;
}

using Attributes = std::vector<std::pair<std::string_view, std::vector<std::int64_t>>>;

// Walks the graph in the order of the exporter. The first difference stays in `error()`; after it
// every answer is empty.
class Walk {
 public:
  explicit Walk(const OnnxModel& model) {
    for (const OnnxTensor& tensor : model.initializers) constants_.emplace(tensor.name, &tensor);
    for (const OnnxNode& node : model.nodes) {
      // FP16 weights are cast first: the result stands for them.
      if (node.op == "Cast" && node.inputs.size() == 1 && node.outputs.size() == 1) {
        const auto constant = constants_.find(node.inputs[0]);
        if (constant != constants_.end()) {
          if (!has_attributes(node, {{"to", {kOnnxFloat}}})) fail(node.name, "casts otherwise");
          constants_.emplace(node.outputs[0], constant->second);
          continue;
        }
      }
      nodes_.push_back(&node);
    }
  }

  const std::optional<std::string>& error() const { return error_; }
  bool at_end() const { return next_ == nodes_.size(); }
  void fail(std::string_view where, std::string_view what) {
    if (!error_) error_ = fmt::format("'{}' {}", where, what);
  }

  // The next node; null when it is of another kind.
  const OnnxNode* take(std::string_view op, std::size_t inputs, const Attributes& attributes = {}) {
    if (error_) return nullptr;
    if (at_end()) {
      fail("the graph", fmt::format("ends where a {} should come", op));
      return nullptr;
    }
    const OnnxNode* node = nodes_[next_++];
    if (node->op != op || !node->domain.empty()) {
      fail(node->name, fmt::format("is a {}, not a {}", node->op, op));
    } else if (node->inputs.size() != inputs || node->outputs.size() != 1) {
      fail(node->name, "has other inputs");
    } else if (!has_attributes(*node, attributes)) {
      fail(node->name, "has other attributes");
    }
    return error_ ? nullptr : node;
  }
  // Checks that input `i` is the value `name`.
  void input(const OnnxNode* node, std::size_t i, std::string_view name) {
    if (node != nullptr && node->inputs[i] != name) {
      fail(node->name, fmt::format("takes '{}', not '{}'", node->inputs[i], name));
    }
  }
  // Checks that input `i` is a constant of these numbers.
  void numbers(const OnnxNode* node, std::size_t i, const std::vector<std::int64_t>& wanted) {
    if (node == nullptr) return;
    const OnnxTensor* tensor = constant(node->inputs[i]);
    const auto found = tensor == nullptr ? std::nullopt : integers_of(*tensor);
    if (!found || *found != wanted) fail(node->name, fmt::format("has another input {}", i));
  }
  std::int32_t number(const OnnxNode* node, std::size_t i, std::int64_t most) {
    if (node == nullptr) return 0;
    const OnnxTensor* tensor = constant(node->inputs[i]);
    const auto found = tensor == nullptr ? std::nullopt : integers_of(*tensor);
    if (!found || found->size() != 1 || found->front() < 1 || found->front() > most) {
      fail(node->name, fmt::format("has another input {}", i));
      return 0;
    }
    return static_cast<std::int32_t>(found->front());
  }
  // Input `i`, weights of a shape in which kAny fits any number from 1 to `most`.
  const OnnxTensor* weights(const OnnxNode* node, std::size_t i,
                            const std::vector<std::int64_t>& shape, std::int64_t most = kAny) {
    if (node == nullptr) return nullptr;
    const OnnxTensor* tensor = constant(node->inputs[i]);
    const bool real = tensor != nullptr && !tensor->raw.empty() &&
                      (tensor->type == OnnxType::kFloat || tensor->type == OnnxType::kHalf);
    const auto fits = [&](std::int64_t dim, std::int64_t wanted) {
      return wanted == kAny ? dim >= 1 && dim <= most : dim == wanted;
    };
    if (!real ||
        !std::equal(tensor->dims.begin(), tensor->dims.end(), shape.begin(), shape.end(), fits)) {
      fail(node->name, "has weights of another shape or type");
      return nullptr;
    }
    return tensor;
  }
  static std::string_view result(const OnnxNode* node) {
    return node == nullptr ? std::string_view{} : node->outputs[0];
  }

  // Shorter: an operation on one value, on two, and a product with weights and a bias.
  std::string_view unary(std::string_view op, std::string_view x,
                         const Attributes& attributes = {}) {
    const OnnxNode* node = take(op, 1, attributes);
    input(node, 0, x);
    return result(node);
  }
  std::string_view binary(std::string_view op, std::string_view a, std::string_view b,
                          const Attributes& attributes = {}) {
    const OnnxNode* node = take(op, 2, attributes);
    input(node, 0, a);
    input(node, 1, b);
    return result(node);
  }
  std::string_view with_numbers(std::string_view op, std::string_view x,
                                const std::vector<std::vector<std::int64_t>>& wanted) {
    const OnnxNode* node = take(op, 1 + wanted.size());
    input(node, 0, x);
    for (std::size_t i = 0; i < wanted.size(); ++i) numbers(node, i + 1, wanted[i]);
    return result(node);
  }
  std::string_view dense(std::string_view x, std::int64_t in, std::int64_t out, std::int64_t most,
                         FastDense& layer) {
    const OnnxNode* product = take("MatMul", 2);
    input(product, 0, x);
    layer.weight = weights(product, 1, {in, out}, most);
    const OnnxNode* sum = take("Add", 2);
    input(sum, 0, result(product));
    layer.bias = weights(sum, 1, {layer.weight == nullptr ? kAny : layer.weight->dims[1]}, most);
    return result(sum);
  }

 private:
  static bool has_attributes(const OnnxNode& node, const Attributes& wanted) {
    return node.attributes.size() == wanted.size() &&
           std::all_of(wanted.begin(), wanted.end(), [&](const auto& want) {
             return std::any_of(node.attributes.begin(), node.attributes.end(), [&](const auto& a) {
               return a.name == want.first && a.ints == want.second;
             });
           });
  }
  const OnnxTensor* constant(std::string_view name) const {
    const auto it = constants_.find(name);
    return it == constants_.end() ? nullptr : it->second;
  }

  std::map<std::string_view, const OnnxTensor*> constants_;  // casts of them as well
  std::vector<const OnnxNode*> nodes_;                       // without those casts
  std::size_t next_ = 0;
  std::optional<std::string> error_;
};

// Word and bigram embeddings, added.
std::string_view walk_embeddings(Walk& walk, FastGraph& graph) {
  constexpr auto kWide = static_cast<std::int64_t>(kWidth);
  const OnnxNode* word = walk.take("Gather", 2);
  graph.word = walk.weights(word, 0, {kAny, kWide}, kRowsMax);
  walk.input(word, 1, "input_ids");
  const auto first = walk.with_numbers("Slice", "input_ids", {{0}, {1}, {1}});
  const auto zeros = walk.with_numbers("Mul", first, {{0}});
  const auto longer = walk.binary("Concat", zeros, "input_ids", {{"axis", {1}}});
  const auto previous = walk.with_numbers("Slice", longer, {{0}, {-1}, {1}});
  const OnnxNode* scaled = walk.take("Mul", 2);
  walk.input(scaled, 0, previous);
  graph.bigram_factor = walk.number(scaled, 1, kBigramFactorMax);
  const auto pair = walk.binary("Add", Walk::result(scaled), "input_ids");
  const OnnxNode* bucket = walk.take("Mod", 2);
  walk.input(bucket, 0, pair);
  graph.bigram_buckets = walk.number(bucket, 1, kRowsMax);
  const OnnxNode* bigram = walk.take("Gather", 2);
  graph.bigram = walk.weights(bigram, 0, {graph.bigram_buckets, kWide});
  walk.input(bigram, 1, Walk::result(bucket));
  return walk.binary("Add", Walk::result(word), Walk::result(bigram));
}

// Both convolutions of x [batch, kWidth, seq] and their sum.
std::string_view walk_convolutions(Walk& walk, std::string_view x, std::string_view row,
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
    const auto y = walk.binary("Mul", walk.unary("Relu", Walk::result(node)), row);
    x = &layer == graph.convolutions ? y : walk.binary("Add", x, y);
  }
  return x;
}

// Two attention pools and the maximum of x, beside one another.
std::string_view walk_pools(Walk& walk, std::string_view x, std::string_view row,
                            FastGraph& graph) {
  constexpr auto kWide = static_cast<std::int64_t>(kWidth);
  const Attributes turned{{"perm", {0, 2, 1}}};
  const auto tokens = walk.unary("Transpose", x, turned);
  const auto scores =
      walk.unary("Transpose", walk.dense(tokens, kWide, 2, kAny, graph.attention), turned);
  const OnnxNode* open = walk.take("Sub", 2);
  walk.numbers(open, 0, {1});
  walk.input(open, 1, row);
  const auto closed = walk.with_numbers("Mul", Walk::result(open), {{-10'000}});
  const auto shares = walk.unary("Softmax", walk.binary("Add", scores, closed), {{"axis", {-1}}});
  const auto pooled =
      walk.with_numbers("Reshape", walk.binary("MatMul", shares, tokens), {{0, 2 * kWide}});
  const auto most = walk.unary("ReduceMax", x, {{"axes", {2}}, {"keepdims", {0}}});
  return walk.binary("Concat", pooled, most, {{"axis", {1}}});
}

}  // namespace

Result<FastGraph> match_fast_graph(const OnnxModel& model, const ModelManifest& manifest) {
  FastGraph graph;
  Walk walk(model);
  const auto share = walk.unary("Cast", "attention_mask", {{"to", {kOnnxFloat}}});
  const auto column = walk.with_numbers("Unsqueeze", share, {{2}});
  const auto row = walk.with_numbers("Unsqueeze", share, {{1}});
  const auto embedded = walk.binary("Mul", walk_embeddings(walk, graph), column);
  const auto x = walk.unary("Transpose", embedded, {{"perm", {0, 2, 1}}});
  const auto pooled = walk_pools(walk, walk_convolutions(walk, x, row, graph), row, graph);
  const auto hidden = walk.unary("Relu", walk.dense(pooled, static_cast<std::int64_t>(kPooled),
                                                    kAny, kHiddenMax, graph.hidden));
  const std::int64_t width = graph.hidden.weight == nullptr ? kAny : graph.hidden.weight->dims[1];
  FastDense heads[2];
  std::string_view outputs[2];
  for (std::size_t i = 0; i < 2; ++i)
    outputs[i] = walk.dense(hidden, width, kAny, kPanel, heads[i]);
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
  const auto labels = [](const FastDense& head) {
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

// SPDX-License-Identifier: Apache-2.0
#include "infer/native/graph_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace tidewatch::native {
namespace {

constexpr std::int64_t kWholeMax = 1'000'000'000;

// The constant's integers, or those that its floats are equal to.
std::optional<std::vector<std::int64_t>> integers_of(const OnnxTensor& tensor) {
  const auto values = [&]<typename T>(T) -> std::optional<std::vector<std::int64_t>> {
    std::vector<std::int64_t> result;
    for (std::size_t at = 0; at + sizeof(T) <= tensor.raw.size(); at += sizeof(T)) {
      T value;
      std::memcpy(&value, tensor.raw.data() + at, sizeof value);
      if (!(value >= T{-kWholeMax} && value <= T{kWholeMax})) return std::nullopt;
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

float from_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t magnitude = half & 0x7FFFU;
  if (magnitude >= 0x7C00U) return std::bit_cast<float>(sign | 0x7F800000U | (magnitude << 13));
  // Scaling by 2^112 moves the exponent, and makes subnormal halves normal.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(scaled));
}

bool has_attributes(const OnnxNode& node, const GraphWalk::Attributes& wanted) {
  return node.attributes.size() == wanted.size() &&
         std::all_of(wanted.begin(), wanted.end(), [&](const auto& want) {
           return std::any_of(node.attributes.begin(), node.attributes.end(), [&](const auto& a) {
             return a.name == want.first && a.ints == want.second;
           });
         });
}

}  // namespace

std::vector<float> floats_of(const OnnxTensor& tensor) {
  std::vector<float> values;
  if (tensor.type == OnnxType::kFloat) {
    values.resize(tensor.raw.size() / sizeof(float));
    std::memcpy(values.data(), tensor.raw.data(), values.size() * sizeof(float));
    return values;
  }
  std::vector<std::uint16_t> halves(tensor.raw.size() / sizeof(std::uint16_t));
  std::memcpy(halves.data(), tensor.raw.data(), halves.size() * sizeof(std::uint16_t));
  values.reserve(halves.size());
  for (const std::uint16_t half : halves) values.push_back(from_half(half));
  return values;
}

GraphWalk::GraphWalk(const OnnxModel& model) {
  for (const OnnxTensor& tensor : model.initializers) constants_.emplace(tensor.name, &tensor);
  for (const OnnxNode& node : model.nodes) {
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

void GraphWalk::fail(std::string_view where, std::string_view what) {
  if (!error_) error_ = fmt::format("'{}' {}", where, what);
}

const OnnxTensor* GraphWalk::constant(std::string_view name) const {
  const auto it = constants_.find(name);
  return it == constants_.end() ? nullptr : it->second;
}

std::string_view GraphWalk::next_op() const {
  return at_end() ? std::string_view{} : nodes_[next_]->op;
}

const OnnxNode* GraphWalk::take(std::string_view op, std::size_t inputs,
                                const Attributes& attributes) {
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

void GraphWalk::input(const OnnxNode* node, std::size_t i, std::string_view name) {
  if (node != nullptr && node->inputs[i] != name) {
    fail(node->name, fmt::format("takes '{}', not '{}'", node->inputs[i], name));
  }
}

std::vector<std::int64_t> GraphWalk::integers(const OnnxNode* node, std::size_t i) {
  if (node == nullptr) return {};
  const OnnxTensor* tensor = constant(node->inputs[i]);
  return tensor == nullptr ? std::vector<std::int64_t>{}
                           : integers_of(*tensor).value_or(std::vector<std::int64_t>{});
}

void GraphWalk::numbers(const OnnxNode* node, std::size_t i,
                        const std::vector<std::int64_t>& wanted) {
  if (node != nullptr && integers(node, i) != wanted) {
    fail(node->name, fmt::format("has another input {}", i));
  }
}

std::int32_t GraphWalk::number(const OnnxNode* node, std::size_t i, std::int64_t most) {
  if (node == nullptr) return 0;
  const std::vector<std::int64_t> found = integers(node, i);
  if (found.size() != 1 || found.front() < 1 || found.front() > most) {
    fail(node->name, fmt::format("has another input {}", i));
    return 0;
  }
  return static_cast<std::int32_t>(found.front());
}

float GraphWalk::real(const OnnxNode* node, std::size_t i) {
  if (node == nullptr) return 0;
  const OnnxTensor* tensor = constant(node->inputs[i]);
  if (tensor == nullptr || tensor->type != OnnxType::kFloat ||
      tensor->raw.size() != sizeof(float)) {
    fail(node->name, fmt::format("has another input {}", i));
    return 0;
  }
  return floats_of(*tensor).front();
}

const OnnxTensor* GraphWalk::weights(const OnnxNode* node, std::size_t i,
                                     const std::vector<std::int64_t>& shape, std::int64_t most) {
  if (node == nullptr) return nullptr;
  const OnnxTensor* tensor = constant(node->inputs[i]);
  const bool real = tensor != nullptr && !tensor->raw.empty() &&
                    (tensor->type == OnnxType::kFloat || tensor->type == OnnxType::kHalf);
  const auto fits = [&](std::int64_t dim, std::int64_t wanted) {
    return wanted == kAnySize ? dim >= 1 && dim <= most : dim == wanted;
  };
  if (!real ||
      !std::equal(tensor->dims.begin(), tensor->dims.end(), shape.begin(), shape.end(), fits)) {
    fail(node->name, "has weights of another shape or type");
    return nullptr;
  }
  return tensor;
}

std::string_view GraphWalk::unary(std::string_view op, std::string_view x,
                                  const Attributes& attributes) {
  const OnnxNode* node = take(op, 1, attributes);
  input(node, 0, x);
  return result(node);
}

std::string_view GraphWalk::binary(std::string_view op, std::string_view a, std::string_view b,
                                   const Attributes& attributes) {
  const OnnxNode* node = take(op, 2, attributes);
  input(node, 0, a);
  input(node, 1, b);
  return result(node);
}

std::string_view GraphWalk::with_numbers(std::string_view op, std::string_view x,
                                         const std::vector<std::vector<std::int64_t>>& wanted,
                                         const Attributes& attributes) {
  const OnnxNode* node = take(op, 1 + wanted.size(), attributes);
  input(node, 0, x);
  for (std::size_t i = 0; i < wanted.size(); ++i) numbers(node, i + 1, wanted[i]);
  return result(node);
}

std::string_view GraphWalk::dense(std::string_view x, std::int64_t in, std::int64_t out,
                                  std::int64_t most, DenseWeights& layer) {
  const OnnxNode* product = take("MatMul", 2);
  input(product, 0, x);
  layer.weight = weights(product, 1, {in, out}, most);
  if (product != nullptr) {
    layer.node = product->name;
    layer.input = product->inputs[0];
  }
  const OnnxNode* sum = take("Add", 2);
  input(sum, 0, result(product));
  layer.bias = weights(sum, 1, {layer.weight == nullptr ? kAnySize : layer.weight->dims[1]}, most);
  return result(sum);
}

}  // namespace tidewatch::native

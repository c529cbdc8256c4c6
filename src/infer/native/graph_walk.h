// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "infer/native/onnx_file.h"

namespace tidewatch::native {

inline constexpr std::int64_t kAnySize = -1;   // in a wanted shape
inline constexpr std::int64_t kOnnxFloat = 1;  // what Cast's `to` says

// y = x W + b of a graph.
struct DenseWeights {
  std::string_view node;               // of the product, as a calibration recipe names it
  std::string_view input;              // the tensor x
  const OnnxTensor* weight = nullptr;  // [in, out]
  const OnnxTensor* bias = nullptr;    // [out]
};

// Follows a graph node by node in the order in which models/train/graphs.py writes it, and collects
// its weights. The first difference stays in error(); after it every answer is empty, so that the
// caller asks once, at the end. FP16 weights are cast in the graph first: the cast stands for them.
// Ownership: the model must outlive it. Threads: one.
class GraphWalk {
 public:
  using Attributes = std::vector<std::pair<std::string_view, std::vector<std::int64_t>>>;

  explicit GraphWalk(const OnnxModel& model);

  const std::optional<std::string>& error() const { return error_; }
  bool at_end() const { return next_ == nodes_.size(); }
  void fail(std::string_view where, std::string_view what);

  // The next node; null when it is of another kind.
  const OnnxNode* take(std::string_view op, std::size_t inputs, const Attributes& attributes = {});
  // The kind of the next node; empty at the end.
  std::string_view next_op() const;
  // Checks that input `i` is the value `name`.
  void input(const OnnxNode* node, std::size_t i, std::string_view name);
  // Checks that input `i` is a constant of these numbers.
  void numbers(const OnnxNode* node, std::size_t i, const std::vector<std::int64_t>& wanted);
  // Input `i`, one whole number from 1 to `most`.
  std::int32_t number(const OnnxNode* node, std::size_t i, std::int64_t most);
  // Input `i`, one real number.
  float real(const OnnxNode* node, std::size_t i);
  // Input `i`, whole numbers; empty when it is something else.
  std::vector<std::int64_t> integers(const OnnxNode* node, std::size_t i);
  // Input `i`, weights of a shape in which kAnySize fits any number from 1 to `most`.
  const OnnxTensor* weights(const OnnxNode* node, std::size_t i,
                            const std::vector<std::int64_t>& shape, std::int64_t most = kAnySize);
  static std::string_view result(const OnnxNode* node) {
    return node == nullptr ? std::string_view{} : node->outputs[0];
  }

  // Shorter: an operation on one value, on two, on one and constants, and a product with weights
  // and a bias.
  std::string_view unary(std::string_view op, std::string_view x,
                         const Attributes& attributes = {});
  std::string_view binary(std::string_view op, std::string_view a, std::string_view b,
                          const Attributes& attributes = {});
  std::string_view with_numbers(std::string_view op, std::string_view x,
                                const std::vector<std::vector<std::int64_t>>& wanted,
                                const Attributes& attributes = {});
  std::string_view dense(std::string_view x, std::int64_t in, std::int64_t out, std::int64_t most,
                         DenseWeights& layer);

 private:
  const OnnxTensor* constant(std::string_view name) const;

  std::map<std::string_view, const OnnxTensor*> constants_;  // casts of them as well
  std::vector<const OnnxNode*> nodes_;                       // without those casts
  std::size_t next_ = 0;
  std::optional<std::string> error_;
};

// The values of an FP32 or FP16 tensor.
std::vector<float> floats_of(const OnnxTensor& tensor);

}  // namespace tidewatch::native

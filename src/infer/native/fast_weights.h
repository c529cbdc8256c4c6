// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/result.h"
#include "infer/native/arena.h"
#include "infer/native/fast_graph.h"
#include "infer/native/kernel.h"

namespace tidewatch {

struct CalibrationRecipe;

namespace native {

// The weights of a `fast` model, laid out for the kernels. Immutable; shared by all instances.
struct PackedWeights {
  FastWeights view;
  std::size_t vocabulary = 0;  // ids below it may be looked up
  // "int8" with a recipe, "mixed" when it names further layers, which stay in FP32, and else
  // "fp32".
  std::string_view precision;
  Arena arena;
};

// Copies the weights; `recipe` is null for FP32. With one, both convolutions run in INT8 by its
// scales: kInvalidArgument names a layer that does not fit the graph, kUnimplemented a convolution
// that the recipe keeps in FP32. The graph may go afterwards.
Result<PackedWeights> pack_weights(const FastGraph& graph, const CalibrationRecipe* recipe);

}  // namespace native
}  // namespace tidewatch

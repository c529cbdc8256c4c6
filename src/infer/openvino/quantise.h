// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "infer/calibration/recipe.h"

namespace ov {
class CompiledModel;
class Model;
}  // namespace ov

namespace tidewatch {

// A MatMul or Conv whose weights are constant, as the graph has it.
struct GraphLayer {
  std::string node;
  std::string op;
  std::string input;              // ONNX tensor name of what is multiplied
  std::string weight;             // ONNX initializer name
  std::uint32_t axis = 0;         // of the weights: the output channels
  std::vector<float> weight_max;  // largest magnitude of each output channel
};

// In the order of the graph. Layers without ONNX names are left out. May throw ov::Exception.
std::vector<GraphLayer> quantisable_layers(const ov::Model& model);

// Puts the recipe into the graph, which is read from ONNX and not compiled yet: before each of its
// layers a FakeQuantize of the input, and INT8 weights with their scales. The CPU plugin then runs
// these layers in INT8. kInvalidArgument, naming it, when a layer, tensor or number of channels is
// not that of the graph; the graph is then unspecified. May throw ov::Exception.
Status quantise(ov::Model& model, const CalibrationRecipe& recipe);

// How many MatMul and Conv layers of a compiled model really run in INT8. May throw ov::Exception.
std::size_t layers_in_int8(const ov::CompiledModel& compiled);

// Whether this processor multiplies bytes into 32 bits at once (AVX-512 VNNI or AVX-VNNI).
bool cpu_has_vnni() noexcept;

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/openvino/quantise.h"

#include <cpuid.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/fake_quantize.hpp>
#include <openvino/op/matmul.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/openvino.hpp>
#include <set>

namespace tidewatch {
namespace {

constexpr std::string_view kConvolutionSuffix = "/WithoutBiases";  // ONNX Conv is two nodes here
constexpr float kWeightLevelMax = 127;
constexpr float kActivationLow = -128;
constexpr float kActivationHigh = 127;
constexpr std::size_t kActivationLevels = 256;

struct FoundLayer {
  GraphLayer layer;
  std::shared_ptr<ov::Node> node;
  std::shared_ptr<ov::op::v0::Constant> weights;
};

// The FP16 or FP32 weights behind an input, if it is constant.
std::shared_ptr<ov::op::v0::Constant> constant_behind(const ov::Output<ov::Node>& value) {
  std::shared_ptr<ov::Node> node = value.get_node_shared_ptr();
  while (ov::is_type<ov::op::v0::Convert>(node)) node = node->get_input_node_shared_ptr(0);
  return ov::as_type_ptr<ov::op::v0::Constant>(node);
}

std::size_t channel_of(std::size_t flat, const std::vector<std::size_t>& shape, std::size_t axis) {
  std::size_t below = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) below *= shape[i];
  return flat / below % shape[axis];
}

std::vector<FoundLayer> find_layers(const ov::Model& model) {
  std::vector<FoundLayer> found;
  for (const std::shared_ptr<ov::Node>& node : model.get_ordered_ops()) {
    const std::string_view type = node->get_type_name();
    if (type != "MatMul" && type != "Convolution") continue;
    auto weights = constant_behind(node->input_value(1));
    const auto& names = node->input_value(0).get_names();
    if (!weights || names.empty() || weights->get_friendly_name().empty()) continue;
    GraphLayer layer;
    layer.node = node->get_friendly_name();
    if (layer.node.ends_with(kConvolutionSuffix)) {
      layer.node.resize(layer.node.size() - kConvolutionSuffix.size());
    }
    layer.op = type == "MatMul" ? "MatMul" : "Conv";
    layer.input = *std::min_element(names.begin(), names.end());
    layer.weight = weights->get_friendly_name();
    const ov::Shape& shape = weights->get_shape();
    const auto product = ov::as_type_ptr<ov::op::v0::MatMul>(node);
    if (product && product->get_transpose_b()) continue;  // its channels lie along another axis
    layer.axis = product ? static_cast<std::uint32_t>(shape.size() - 1) : 0;
    layer.weight_max.assign(shape[layer.axis], 0);
    const std::vector<float> values = weights->cast_vector<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      float& most = layer.weight_max[channel_of(i, shape, layer.axis)];
      most = std::max(most, std::fabs(values[i]));
    }
    found.push_back({std::move(layer), node, std::move(weights)});
  }
  return found;
}

// The weights as INT8, back to FP32 by their scales: DequantizeLinear, in OpenVINO's words.
ov::Output<ov::Node> dequantised(const ov::op::v0::Constant& weights, const QuantisedLayer& layer) {
  const ov::Shape& shape = weights.get_shape();
  const std::vector<float> values = weights.cast_vector<float>();
  std::vector<std::int8_t> bytes(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float level = std::nearbyint(values[i] / layer.scales[channel_of(i, shape, layer.axis)]);
    bytes[i] = static_cast<std::int8_t>(std::clamp(level, -kWeightLevelMax, kWeightLevelMax));
  }
  ov::Shape scale_shape(shape.size(), 1);
  scale_shape[layer.axis] = shape[layer.axis];
  const auto quantised = ov::op::v0::Constant::create(ov::element::i8, shape, bytes);
  const auto widened = std::make_shared<ov::op::v0::Convert>(quantised, ov::element::f32);
  const auto scales = ov::op::v0::Constant::create(ov::element::f32, scale_shape, layer.scales);
  return std::make_shared<ov::op::v1::Multiply>(widened, scales);
}

ov::Output<ov::Node> fake_quantised(const ov::Output<ov::Node>& value, float scale) {
  const auto bound = [&](float level) {
    return ov::op::v0::Constant::create(ov::element::f32, ov::Shape{}, {level * scale});
  };
  const auto low = bound(kActivationLow);
  const auto high = bound(kActivationHigh);
  return std::make_shared<ov::op::v0::FakeQuantize>(value, low, high, low, high, kActivationLevels);
}

Error wrong_graph(const std::string& layer, std::string_view what) {
  return {Code::kInvalidArgument,
          fmt::format("the calibration does not fit the graph: layer '{}' {}; make it again with "
                      "`tidewatch calibrate`",
                      layer, what)};
}

}  // namespace

std::vector<GraphLayer> quantisable_layers(const ov::Model& model) {
  std::vector<GraphLayer> layers;
  for (FoundLayer& found : find_layers(model)) layers.push_back(std::move(found.layer));
  return layers;
}

Status quantise(ov::Model& model, const CalibrationRecipe& recipe) {
  std::map<std::string, FoundLayer> graph;
  for (FoundLayer& found : find_layers(model)) {
    std::string name = found.layer.node;
    graph.emplace(std::move(name), std::move(found));
  }
  std::map<std::string, ov::Output<ov::Node>> inputs;
  std::set<std::string> done;
  for (const QuantisedLayer& layer : recipe.layers) {
    const auto it = graph.find(layer.node);
    if (it == graph.end()) return wrong_graph(layer.node, "is not in it");
    const GraphLayer& there = it->second.layer;
    if (there.input != layer.input || there.weight != layer.weight || there.op != layer.op ||
        there.axis != layer.axis) {
      return wrong_graph(layer.node,
                         fmt::format("is {} of '{}' by '{}' (axis {}) there, not {} of '{}' by "
                                     "'{}' (axis {})",
                                     there.op, there.input, there.weight, there.axis, layer.op,
                                     layer.input, layer.weight, layer.axis));
    }
    if (there.weight_max.size() != layer.scales.size()) {
      return wrong_graph(layer.node, fmt::format("has {} output channels, not {}",
                                                 there.weight_max.size(), layer.scales.size()));
    }
    if (!done.insert(layer.node).second) return wrong_graph(layer.node, "is listed twice");
    for (std::size_t i = 0; i < layer.scales.size(); ++i) {
      const float needed = there.weight_max[i] / kWeightLevelMax;
      if (needed > 0 && (layer.scales[i] > 4 * needed || layer.scales[i] < needed / 4)) {
        return wrong_graph(layer.node, fmt::format("has a scale of {} in channel {}: its weights "
                                                   "need {}",
                                                   layer.scales[i], i, needed));
      }
    }
    const auto& node = it->second.node;
    auto input = inputs.find(layer.input);
    if (input == inputs.end()) {
      const auto scale =
          std::find_if(recipe.activations.begin(), recipe.activations.end(),
                       [&](const ActivationScale& a) { return a.tensor == layer.input; });
      if (scale == recipe.activations.end()) return wrong_graph(layer.node, "has no input scale");
      input = inputs.emplace(layer.input, fake_quantised(node->input_value(0), scale->scale)).first;
    }
    node->input(0).replace_source_output(input->second);
    node->input(1).replace_source_output(dequantised(*it->second.weights, layer));
  }
  model.validate_nodes_and_infer_types();
  return {};
}

std::size_t layers_in_int8(const ov::CompiledModel& compiled) {
  std::size_t count = 0;
  for (const auto& node : compiled.get_runtime_model()->get_ordered_ops()) {
    const auto& info = node->get_rt_info();
    const auto text = [&](const char* key) {
      const auto it = info.find(key);
      return it == info.end() ? std::string{} : it->second.as<std::string>();
    };
    const std::string type = text("layerType");
    const std::string precision = text("runtimePrecision");
    if ((type == "FullyConnected" || type == "MatMul" || type == "Convolution") &&
        (precision == "i8" || precision == "u8")) {
      ++count;
    }
  }
  return count;
}

bool cpu_has_vnni() noexcept {
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kAvx512Vnni = 1U << 11;  // leaf 7.0, ECX
  constexpr unsigned kAvxVnni = 1U << 4;      // leaf 7.1, EAX
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  if ((c & kAvx512Vnni) != 0) return true;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kAvxVnni) != 0;
#else
  return false;
#endif
}

}  // namespace tidewatch

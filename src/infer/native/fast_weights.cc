// SPDX-License-Identifier: Apache-2.0
#include "infer/native/fast_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "infer/calibration/recipe.h"
#include "infer/native/graph_walk.h"

namespace tidewatch::native {
namespace {

constexpr float kWeightLevelMax = 127;  // as recipe.h says

void copy_to(float* to, const OnnxTensor& tensor) { std::ranges::copy(floats_of(tensor), to); }

// [depth, width] to panels [width / kPanel][depth][kPanel]; columns past the last stay zero.
void copy_panels(float* to, const OnnxTensor& weight) {
  const std::vector<float> values = floats_of(weight);
  const auto depth = static_cast<std::size_t>(weight.dims[0]);
  const auto width = static_cast<std::size_t>(weight.dims[1]);
  for (std::size_t k = 0; k < depth; ++k) {
    for (std::size_t c = 0; c < width; ++c) {
      to[(c / kPanel * depth + k) * kPanel + c % kPanel] = values[k * width + c];
    }
  }
}

void pack_tables(const FastGraph& graph, PackedWeights& packed) {
  FastWeights& view = packed.view;
  packed.vocabulary = static_cast<std::size_t>(graph.word->dims[0]);
  view.bigram_factor = graph.bigram_factor;
  view.bigram_buckets = graph.bigram_buckets;
  view.half_tables = graph.word->type == OnnxType::kHalf && graph.bigram->type == OnnxType::kHalf;
  const auto table = [&](const OnnxTensor& tensor) -> const void* {
    const auto count = static_cast<std::size_t>(tensor.dims[0]) * kWidth;
    if (view.half_tables) {
      auto* halves = packed.arena.take<std::uint16_t>(count);
      std::memcpy(halves, tensor.raw.data(), tensor.raw.size());
      return halves;
    }
    auto* floats = packed.arena.take<float>(count);
    copy_to(floats, tensor);
    return floats;
  };
  view.word = table(*graph.word);
  view.bigram = table(*graph.bigram);
}

void pack_heads(const FastGraph& graph, PackedWeights& packed) {
  FastWeights& view = packed.view;
  const auto floats = [&](std::size_t count) { return packed.arena.take<float>(count); };

  float* attention = floats(2 * kWidth);
  const std::vector<float> columns = floats_of(*graph.attention.weight);
  for (std::size_t i = 0; i < columns.size(); ++i) attention[i % 2 * kWidth + i / 2] = columns[i];
  view.attention = attention;
  copy_to(view.attention_bias, *graph.attention.bias);

  const auto hidden = static_cast<std::size_t>(graph.hidden.weight->dims[1]);
  view.hidden_width = (hidden + kPanel - 1) / kPanel * kPanel;
  float* hidden_weights = floats(view.hidden_width * kPooled);
  copy_panels(hidden_weights, *graph.hidden.weight);
  view.hidden = hidden_weights;
  float* hidden_bias = floats(view.hidden_width);
  copy_to(hidden_bias, *graph.hidden.bias);
  view.hidden_bias = hidden_bias;

  float* heads = floats(view.hidden_width * kPanel);
  float* heads_bias = floats(kPanel);
  std::size_t column = 0;
  for (const DenseWeights* head : {&graph.emotion, &graph.topic}) {
    const std::vector<float> values = floats_of(*head->weight);
    const auto labels = static_cast<std::size_t>(head->weight->dims[1]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      heads[i / labels * kPanel + column + i % labels] = values[i];
    }
    copy_to(heads_bias + column, *head->bias);
    column += labels;
  }
  view.heads = heads;
  view.heads_bias = heads_bias;
  view.labels = column;
}

// Where weight [out][in][tap] of the graph stands in the window of a row.
std::size_t window_at(std::size_t in, std::size_t tap) { return tap * kWidth + in; }

void pack_float_convolution(const FastConvolution& layer, ConvolutionView& view, Arena& arena) {
  auto* to = arena.take<float>(kWidth * kWindow);
  const std::vector<float> values = floats_of(*layer.weight);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t out = i / kWindow;
    const std::size_t k = window_at(i % kWindow / kTaps, i % kTaps);
    to[(out / kPanel * kWindow + k) * kPanel + out % kPanel] = values[i];
  }
  view.floats = to;
}

// `zero`: the byte that stands for 0 in the layer's input.
void pack_byte_convolution(const FastConvolution& layer, const QuantisedLayer& recipe,
                           float input_scale, std::int32_t zero, ConvolutionView& view,
                           Arena& arena) {
  auto* bytes = arena.take<std::int8_t>(kWidth * kWindow);
  auto* start = arena.take<std::int32_t>(kWidth);
  auto* scale = arena.take<float>(kWidth);
  const std::vector<float> values = floats_of(*layer.weight);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t out = i / kWindow;
    const std::size_t k = window_at(i % kWindow / kTaps, i % kTaps);
    const float level = std::clamp(std::nearbyint(values[i] / recipe.scales[out]), -kWeightLevelMax,
                                   kWeightLevelMax);
    const auto byte = static_cast<std::int8_t>(std::isnan(level) ? 0 : level);
    bytes[((out / kPanel * kWindow + k / 4 * 4) * kPanel) + out % kPanel * 4 + k % 4] = byte;
    start[out] -= zero * byte;
  }
  for (std::size_t out = 0; out < kWidth; ++out) scale[out] = input_scale * recipe.scales[out];
  view.bytes = bytes;
  view.start = start;
  view.scale = scale;
  view.input_inverse = 1.0F / input_scale;
}

Error wrong_recipe(std::string_view node, std::string_view what) {
  return {Code::kInvalidArgument,
          fmt::format("the calibration does not fit the graph: layer '{}' {}; make it again with "
                      "`tidewatch calibrate`",
                      node, what)};
}

// The recipe's entry of a convolution, checked against the graph.
Result<const QuantisedLayer*> entry_of(const CalibrationRecipe& recipe,
                                       const FastConvolution& layer) {
  const auto entry = std::ranges::find(recipe.layers, layer.node, &QuantisedLayer::node);
  if (entry == recipe.layers.end()) {
    return Error{Code::kUnimplemented,
                 fmt::format("the calibration keeps '{}' in FP32: natively both convolutions run "
                             "in INT8 or neither",
                             layer.node)};
  }
  if (entry->op != "Conv" || entry->axis != 0 || entry->input != layer.input ||
      entry->weight != layer.weight_name) {
    return wrong_recipe(layer.node, fmt::format("is Conv of '{}' by '{}' (axis 0) there",
                                                layer.input, layer.weight_name));
  }
  if (entry->scales.size() != kWidth) {
    return wrong_recipe(
        layer.node, fmt::format("has {} output channels, not {}", kWidth, entry->scales.size()));
  }
  const std::vector<float> values = floats_of(*layer.weight);
  for (std::size_t out = 0; out < kWidth; ++out) {
    float most = 0;
    for (const float value : std::span{values}.subspan(out * kWindow, kWindow)) {
      most = std::max(most, std::fabs(value));
    }
    const float needed = most / kWeightLevelMax;
    const float scale = entry->scales[out];
    if (needed > 0 && (scale > 4 * needed || scale < needed / 4)) {
      return wrong_recipe(layer.node, fmt::format("has a scale of {} in channel {}: its weights "
                                                  "need {}",
                                                  scale, out, needed));
    }
  }
  return &*entry;
}

}  // namespace

Result<PackedWeights> pack_weights(const FastGraph& graph, const CalibrationRecipe* recipe) {
  PackedWeights packed{};
  packed.precision = recipe == nullptr ? "fp32" : recipe->layers.size() > 2 ? "mixed" : "int8";
  for (std::size_t i = 0; i < 2; ++i) {
    const FastConvolution& layer = graph.convolutions[i];
    ConvolutionView& view = packed.view.convolutions[i];
    auto* bias = packed.arena.take<float>(kWidth);
    copy_to(bias, *layer.bias);
    view.bias = bias;
    if (recipe == nullptr) {
      pack_float_convolution(layer, view, packed.arena);
      continue;
    }
    TRY_ASSIGN(const QuantisedLayer* entry, entry_of(*recipe, layer));
    const auto input =
        std::ranges::find(recipe->activations, entry->input, &ActivationScale::tensor);
    if (input == recipe->activations.end()) {
      return wrong_recipe(layer.node, "has no input scale");
    }
    pack_byte_convolution(layer, *entry, input->scale, i == 0 ? kSignedZero : kUnsignedZero, view,
                          packed.arena);
  }
  pack_tables(graph, packed);
  pack_heads(graph, packed);
  return packed;
}

}  // namespace tidewatch::native

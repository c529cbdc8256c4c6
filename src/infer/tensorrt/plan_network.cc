// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/plan_network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "infer/tensorrt/encoder_weights.h"
#include "infer/tensorrt/half.h"
#include "infer/tensorrt/packed_encoder.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // addNormalization: 10.6 has no other

namespace tidewatch::tensorrt::TIDEWATCH_TENSORRT_RELEASE {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::ElementWiseOperation;
using nvinfer1::ITensor;
using nvinfer1::MatrixOperation;

constexpr float kClosed = -3e4F;  // what a score of another text's id gets; fits FP16
constexpr float kInt8Levels = 127;
constexpr float kFp8Max = 448;  // E4M3

Dims dims_of(std::initializer_list<std::int64_t> sizes) {
  Dims dims{};
  dims.nbDims = static_cast<std::int32_t>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), dims.d);
  return dims;
}

// Adds layers; every step after the first failure does nothing and gives null, so that the caller
// looks once, at the end.
class Network {
 public:
  Network(nvinfer1::INetworkDefinition& network, const EncoderWeights& weights, NumberFormat format,
          HeldWeights& held)
      : network_(network),
        weights_(weights),
        format_(format),
        type_(format == NumberFormat::kFp32 ? DataType::kFLOAT : DataType::kHALF),
        held_(held) {}

  Status build() {
    const auto width = static_cast<std::int64_t>(weights_.width);
    ITensor* ids = input(kTokenIds, DataType::kINT32, {-1, -1});
    ITensor* positions = input(kPositions, DataType::kINT32, {-1, -1});
    ITensor* texts = input(kTexts, DataType::kINT32, {-1, -1});
    ITensor* numbers = input(kSlotNumbers, DataType::kINT32, {-1});
    ITensor* shares = input(kShares, DataType::kFLOAT, {-1, -1});

    // [R, S, W]: which ids belong to a slot.
    ITensor* mine = binary(reshape(numbers, {1, -1, 1}), reshape(texts, {0, 1, -1}),
                           ElementWiseOperation::kEQUAL);
    ITensor* word = gather(table(weights_.word, weights_.vocabulary), ids);
    ITensor* place = gather(table(weights_.position, weights_.positions), positions);
    ITensor* x = normalise(add(word, place), weights_.norm);
    ITensor* closed = closed_scores(mine, positions);
    for (const EncoderLayer& layer : weights_.layers) x = encode(x, closed, layer);

    ITensor* begins =
        binary(reshape(positions, {0, 1, -1}), whole(0), ElementWiseOperation::kEQUAL);
    ITensor* pooled[2] = {pool(binary(mine, begins, ElementWiseOperation::kAND), real(1), x),
                          pool(mine, cast(reshape(shares, {0, 0, 1}), type_), x)};
    if (pooled[0] == nullptr || pooled[1] == nullptr) return failed();
    nvinfer1::IConcatenationLayer* both = network_.addConcatenation(pooled, 2);
    if (both == nullptr) return failed();
    both->setAxis(2);
    const Dense& heads = weights_.classify;
    ITensor* product =
        multiply(both->getOutput(0), MatrixOperation::kNONE,
                 constant(heads.weight, dims_of({1, 2 * width, dim(heads.out)}), DataType::kFLOAT),
                 MatrixOperation::kNONE);
    ITensor* logits =
        add(product, constant(heads.bias, dims_of({1, 1, dim(heads.out)}), DataType::kFLOAT));
    if (logits == nullptr) return failed();
    logits->setName(kLogits);
    network_.markOutput(*logits);
    return {};
  }

 private:
  static std::int64_t dim(std::size_t size) { return static_cast<std::int64_t>(size); }
  static Status failed() {
    return Error{Code::kInternal, "TensorRT refused a layer of the encoder; its log says which"};
  }
  template <typename Layer>
  static ITensor* out(Layer* layer) {
    return layer == nullptr ? nullptr : layer->getOutput(0);
  }

  ITensor* input(const char* name, DataType type, std::initializer_list<std::int64_t> dims) {
    return network_.addInput(name, type, dims_of(dims));
  }

  ITensor* constant(std::span<const float> values, const Dims& dims, DataType type) {
    std::vector<std::byte>& bytes = held_.constants.emplace_back();
    if (type == DataType::kFLOAT) {
      bytes.resize(values.size() * sizeof(float));
      std::memcpy(bytes.data(), values.data(), bytes.size());
    } else {
      const std::vector<std::uint16_t> halves = to_halves(values);
      bytes.resize(halves.size() * sizeof(std::uint16_t));
      std::memcpy(bytes.data(), halves.data(), bytes.size());
    }
    return out(network_.addConstant(dims, {type, bytes.data(), dim(values.size())}));
  }
  ITensor* table(const std::vector<float>& values, std::size_t rows) {
    return constant(values, dims_of({dim(rows), dim(weights_.width)}), type_);
  }
  ITensor* gather(ITensor* from, ITensor* indices) {
    if (from == nullptr || indices == nullptr) return nullptr;
    return out(network_.addGather(*from, *indices, 0));
  }
  ITensor* binary(ITensor* a, ITensor* b, ElementWiseOperation operation) {
    if (a == nullptr || b == nullptr) return nullptr;
    return out(network_.addElementWise(*a, *b, operation));
  }
  ITensor* add(ITensor* a, ITensor* b) { return binary(a, b, ElementWiseOperation::kSUM); }
  ITensor* cast(ITensor* x, DataType type) {
    return x == nullptr ? nullptr : out(network_.addCast(*x, type));
  }
  ITensor* multiply(ITensor* a, MatrixOperation turn_a, ITensor* b, MatrixOperation turn_b) {
    if (a == nullptr || b == nullptr) return nullptr;
    return out(network_.addMatrixMultiply(*a, turn_a, *b, turn_b));
  }
  // 0: as before; -1: what is left. Then, when given, the axes in another order.
  ITensor* reshape(ITensor* x, std::initializer_list<std::int64_t> dims,
                   std::initializer_list<std::int32_t> order = {}) {
    if (x == nullptr) return nullptr;
    nvinfer1::IShuffleLayer* layer = network_.addShuffle(*x);
    if (layer == nullptr) return nullptr;
    layer->setReshapeDimensions(dims_of(dims));
    if (order.size() > 0) layer->setSecondTranspose(permutation(order));
    return layer->getOutput(0);
  }
  ITensor* turned_back(ITensor* x, std::initializer_list<std::int32_t> order,
                       std::initializer_list<std::int64_t> dims) {
    if (x == nullptr) return nullptr;
    nvinfer1::IShuffleLayer* layer = network_.addShuffle(*x);
    if (layer == nullptr) return nullptr;
    layer->setFirstTranspose(permutation(order));
    layer->setReshapeDimensions(dims_of(dims));
    return layer->getOutput(0);
  }
  static nvinfer1::Permutation permutation(std::initializer_list<std::int32_t> order) {
    nvinfer1::Permutation result{};
    std::copy(order.begin(), order.end(), result.order);
    return result;
  }

  ITensor* normalise(ITensor* x, const Norm& norm) {
    const Dims dims = dims_of({1, 1, dim(weights_.width)});
    ITensor* scale = constant(norm.weight, dims, type_);
    ITensor* shift = constant(norm.bias, dims, type_);
    if (x == nullptr || scale == nullptr || shift == nullptr) return nullptr;
    nvinfer1::INormalizationLayer* layer = network_.addNormalization(*x, *scale, *shift, 1U << 2);
    if (layer == nullptr) return nullptr;
    layer->setEpsilon(weights_.epsilon);
    return layer->getOutput(0);
  }

  // Rounds to the 8-bit format and back: what TensorRT takes for "compute in it".
  // `levels`: one, or one for each column of a matrix.
  ITensor* quantised(ITensor* x, std::span<const float> levels, std::int32_t axis) {
    if (x == nullptr) return nullptr;
    const DataType eight = format_ == NumberFormat::kInt8 ? DataType::kINT8 : DataType::kFP8;
    Dims dims{};
    if (levels.size() > 1) dims = dims_of({dim(levels.size())});
    ITensor* scale = constant(levels, dims, DataType::kFLOAT);
    if (scale == nullptr) return nullptr;
    nvinfer1::IQuantizeLayer* down = network_.addQuantize(*x, *scale, eight);
    if (down == nullptr) return nullptr;
    if (axis >= 0) down->setAxis(axis);
    nvinfer1::IDequantizeLayer* up = network_.addDequantize(*down->getOutput(0), *scale, type_);
    if (up == nullptr) return nullptr;
    if (axis >= 0) up->setAxis(axis);
    return up->getOutput(0);
  }
  bool eight_bit(const Dense& dense) const {
    return (format_ == NumberFormat::kInt8 || format_ == NumberFormat::kFp8) &&
           dense.input_scale > 0;
  }
  // The input of one or more products; `dense` gives its level.
  ITensor* quantised_input(ITensor* x, const Dense& dense) {
    if (!eight_bit(dense)) return x;
    // Both formats reach equally far: INT8's 127 levels, or FP8's largest number.
    const float level = format_ == NumberFormat::kInt8 ? dense.input_scale
                                                       : dense.input_scale * kInt8Levels / kFp8Max;
    return quantised(x, {&level, 1}, -1);
  }
  ITensor* linear(ITensor* x, const Dense& dense) {
    ITensor* weight = constant(dense.weight, dims_of({dim(dense.in), dim(dense.out)}), type_);
    if (eight_bit(dense)) {
      if (format_ == NumberFormat::kInt8) {
        weight = quantised(weight, dense.weight_scales, 1);
      } else {
        float most = 1e-6F;
        for (const float value : dense.weight) most = std::max(most, std::abs(value));
        const float level = most / kFp8Max;
        weight = quantised(weight, {&level, 1}, -1);
      }
    }
    weight = reshape(weight, {1, dim(dense.in), dim(dense.out)});
    ITensor* product = multiply(x, MatrixOperation::kNONE, weight, MatrixOperation::kNONE);
    return add(product, constant(dense.bias, dims_of({1, 1, dim(dense.out)}), type_));
  }

  // [R, 1, W, W], added to the scores: 0 where two ids are of one text, else kClosed. As a product
  // of matrices, one row for each slot and a constant one: 1 * kOpen + 1 * kClosed within a slot.
  // TensorRT would fold a comparison into the first attention, and leave that one unfused.
  ITensor* closed_scores(ITensor* mine, ITensor* positions) {
    ITensor* always =
        binary(reshape(positions, {0, 1, -1}), whole(-1), ElementWiseOperation::kGREATER);
    const auto rows = [&](float slot, float last) {
      ITensor* both[2] = {choose(mine, real(slot), real(0)), choose(always, real(last), real(0))};
      if (both[0] == nullptr || both[1] == nullptr) return static_cast<ITensor*>(nullptr);
      nvinfer1::IConcatenationLayer* layer = network_.addConcatenation(both, 2);
      if (layer == nullptr) return static_cast<ITensor*>(nullptr);
      layer->setAxis(1);
      return layer->getOutput(0);
    };
    ITensor* scores = multiply(rows(1, 1), MatrixOperation::kTRANSPOSE, rows(-kClosed, kClosed),
                               MatrixOperation::kNONE);
    return reshape(scores, {0, 1, 0, -1});
  }
  ITensor* choose(ITensor* which, ITensor* yes, ITensor* no) {
    if (which == nullptr || yes == nullptr || no == nullptr) return nullptr;
    return out(network_.addSelect(*which, *yes, *no));
  }
  ITensor* encode(ITensor* x, ITensor* closed, const EncoderLayer& layer) {
    const std::int64_t heads = dim(weights_.heads);
    const std::int64_t each = dim(weights_.head_width);
    const Dense* parts[] = {&layer.query, &layer.key, &layer.value};
    const auto named = std::find_if(std::begin(parts), std::end(parts),
                                    [&](const Dense* dense) { return eight_bit(*dense); });
    ITensor* in = named == std::end(parts) ? x : quantised_input(x, **named);
    const auto part = [&](const Dense& dense) {
      // A layer that the recipe keeps takes the input as it is.
      return reshape(linear(eight_bit(dense) ? in : x, dense), {0, 0, heads, each}, {0, 2, 1, 3});
    };
    ITensor* query = part(layer.query);
    ITensor* key = part(layer.key);
    ITensor* value = part(layer.value);
    ITensor* scores =
        add(multiply(query, MatrixOperation::kNONE, key, MatrixOperation::kTRANSPOSE), closed);
    if (scores == nullptr) return nullptr;
    nvinfer1::ISoftMaxLayer* softmax = network_.addSoftMax(*scores);
    if (softmax == nullptr) return nullptr;
    softmax->setAxes(1U << 3);
    ITensor* mixed =
        multiply(softmax->getOutput(0), MatrixOperation::kNONE, value, MatrixOperation::kNONE);
    mixed = turned_back(mixed, {0, 2, 1, 3}, {0, 0, heads * each});
    x = add(x, linear(quantised_input(mixed, layer.project), layer.project));
    x = normalise(x, layer.attention_norm);
    ITensor* inner = linear(quantised_input(x, layer.expand), layer.expand);
    if (inner == nullptr) return nullptr;
    inner = out(network_.addActivation(*inner, nvinfer1::ActivationType::kGELU_ERF));
    x = add(x, linear(quantised_input(inner, layer.shrink), layer.shrink));
    return normalise(x, layer.output_norm);
  }

  // [1, 1, 1] in the plan's type, or int32.
  ITensor* real(float value) { return constant({&value, 1}, dims_of({1, 1, 1}), type_); }
  ITensor* whole(std::int32_t value) {
    std::vector<std::byte>& bytes = held_.constants.emplace_back(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return out(network_.addConstant(dims_of({1, 1, 1}), {DataType::kINT32, bytes.data(), 1}));
  }

  // [R, S, width] float: the sum of each slot's ids, each times `share`, as a product of matrices.
  ITensor* pool(ITensor* mine, ITensor* share, ITensor* x) {
    return cast(
        multiply(choose(mine, share, real(0)), MatrixOperation::kNONE, x, MatrixOperation::kNONE),
        DataType::kFLOAT);
  }

  nvinfer1::INetworkDefinition& network_;
  const EncoderWeights& weights_;
  const NumberFormat format_;
  const DataType type_;
  HeldWeights& held_;
};

}  // namespace

Status add_encoder(nvinfer1::INetworkDefinition& network, const EncoderWeights& weights,
                   NumberFormat format, HeldWeights& held) {
  return Network(network, weights, format, held).build();
}

}  // namespace tidewatch::tensorrt::TIDEWATCH_TENSORRT_RELEASE

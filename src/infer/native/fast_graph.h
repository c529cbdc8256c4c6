// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "core/result.h"
#include "infer/native/graph_walk.h"
#include "infer/native/onnx_file.h"

namespace tidewatch {

struct ModelManifest;

namespace native {

struct FastConvolution {
  std::string_view node;         // names, as a calibration recipe gives them
  std::string_view input;        //
  std::string_view weight_name;  //
  const OnnxTensor* weight = nullptr;
  const OnnxTensor* bias = nullptr;
};

// The weights of a graph that is, node by node, what models/train/graphs.py (fast_graph) writes for
// a FastModel of kWidth and two layers. Every tensor is FP16 or FP32 with the shape that its place
// asks for. Points into the OnnxModel.
struct FastGraph {
  const OnnxTensor* word = nullptr;    // [vocabulary, kWidth]
  const OnnxTensor* bigram = nullptr;  // [bigram_buckets, kWidth]
  std::int32_t bigram_factor = 0;
  std::int32_t bigram_buckets = 0;
  FastConvolution convolutions[2];
  DenseWeights attention;  // kWidth to 2
  DenseWeights hidden;     // kPooled to any number up to 1,024
  DenseWeights emotion;
  DenseWeights topic;
};

// kUnimplemented, saying where it differs, for a graph of any other shape, order or attribute, or
// with other outputs than the manifest's two tasks.
Result<FastGraph> match_fast_graph(const OnnxModel& model, const ModelManifest& manifest);

}  // namespace native
}  // namespace tidewatch

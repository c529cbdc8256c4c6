// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "infer/native/onnx_file.h"

namespace tidewatch {

struct CalibrationRecipe;
struct ModelManifest;

namespace tensorrt {

// y = x W + b. FP32 on the host, row-major.
struct Dense {
  std::string name;           // of the weights in the ONNX file, without ".weight"
  std::size_t in = 0;         //
  std::size_t out = 0;        //
  std::vector<float> weight;  // [in, out]
  std::vector<float> bias;    // [out]
  // By the calibration recipe; 0 and empty: this layer stays in the floating-point format.
  float input_scale = 0;             // a level of the INT8 input
  std::vector<float> weight_scales;  // [out], a level of each column
};

struct Norm {
  std::vector<float> weight;
  std::vector<float> bias;
};

struct EncoderLayer {
  Dense query;    // [width, heads * head_width], scaled by head_width^-0.5 already
  Dense key;      //
  Dense value;    //
  Dense project;  // [heads * head_width, width]
  Norm attention_norm;
  Dense expand;
  Dense shrink;
  Norm output_norm;
};

// A BERT encoder (post-norm, GELU) whose texts are pooled to [CLS] beside the mean over their
// tokens, with linear heads: what models/train/graphs.py (base_graph) writes. A plain value.
// `head_width` is the model's rounded up to a multiple of 16 with zero columns, which changes no
// answer: the GPU's attention kernels take no other.
struct EncoderWeights {
  std::size_t width = 0;
  std::size_t heads = 0;
  std::size_t head_width = 0;
  std::size_t inner = 0;
  std::size_t vocabulary = 0;
  std::size_t positions = 0;
  std::size_t emotions = 0;
  std::size_t topics = 0;
  float epsilon = 1e-12F;
  std::vector<float> word;      // [vocabulary, width]
  std::vector<float> position;  // [positions, width]
  Norm norm;
  std::vector<EncoderLayer> layers;
  Dense classify;  // [2 * width, emotions + topics]
};

// Reads the weights of an encoder. kUnimplemented, saying where it differs, for a graph that is
// none. With a recipe the layers that it names get their scales; a layer of it that is not there is
// kInvalidArgument.
Result<EncoderWeights> read_encoder(const native::OnnxModel& model, const ModelManifest& manifest,
                                    const CalibrationRecipe* recipe);

}  // namespace tensorrt
}  // namespace tidewatch

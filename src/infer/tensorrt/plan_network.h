// SPDX-License-Identifier: Apache-2.0
#pragma once

// For the sources that are compiled once for each TensorRT release, with TIDEWATCH_TENSORRT_MAJOR
// (10, 11) and TIDEWATCH_TENSORRT_RELEASE (v10, v11): the headers' own namespace is renamed, so
// that both can be linked into one program.

#if TIDEWATCH_TENSORRT_MAJOR == 10
#define nvinfer1 nvinfer1_10
#define nvonnxparser nvonnxparser_10
#else
#define nvinfer1 nvinfer1_11
#define nvonnxparser nvonnxparser_11
#endif
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <NvInfer.h>
#include <NvOnnxParser.h>
#pragma GCC diagnostic pop

#include "core/result.h"
#include "infer/tensorrt/library.h"

namespace tidewatch::tensorrt::TIDEWATCH_TENSORRT_RELEASE {

// Adds the packed encoder to an empty network. `network` keeps pointers into `weights` and into
// `held`, which must live until the plan is built.
struct HeldWeights {
  std::vector<std::vector<std::byte>> constants;
};
Status add_encoder(nvinfer1::INetworkDefinition& network, const EncoderWeights& weights,
                   NumberFormat format, HeldWeights& held);

}  // namespace tidewatch::tensorrt::TIDEWATCH_TENSORRT_RELEASE

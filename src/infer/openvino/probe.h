// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "infer/manifest.h"
#include "infer/openvino/quantise.h"

namespace tidewatch {

// Runs a model in FP32 and shows the tensors that calibration wants to see: the inputs of every
// layer that could be quantised.
// Threads: one at a time; run() computes on every core.
class TensorProbe {
 public:
  // Errors as load_openvino_backend; kInvalidArgument when no layer can be quantised.
  static Result<std::unique_ptr<TensorProbe>> create(const ModelManifest& manifest);
  ~TensorProbe();

  const std::vector<GraphLayer>& layers() const { return layers_; }
  const std::vector<std::string>& tensors() const { return tensors_; }  // distinct inputs

  // Runs one text ([CLS] … [SEP]) and calls `see` with the place in tensors() and the values.
  Status run(std::span<const std::int32_t> ids,
             const std::function<void(std::size_t, std::span<const float>)>& see);

 private:
  struct Request;
  TensorProbe();
  std::vector<GraphLayer> layers_;
  std::vector<std::string> tensors_;
  std::vector<std::int32_t> mask_;
  std::unique_ptr<Request> request_;
};

}  // namespace tidewatch

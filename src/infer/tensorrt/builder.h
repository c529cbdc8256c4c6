// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "infer/tensorrt/library.h"

namespace tidewatch {

struct ModelManifest;

struct TensorRtBuildOptions {
  tensorrt::NumberFormat format = tensorrt::NumberFormat::kFp16;
  std::size_t tokens = 6'144;  // ids of a full run: the batch that kernels are chosen for
  std::size_t workspace_bytes = std::size_t{4} << 30;
  int level = 3;                       // TensorRT's builder optimisation level, 0 to 5
  std::filesystem::path timing_cache;  // read when there, written after; empty: none
  // Told of each step; false stops the build.
  std::function<bool(std::string_view phase, double share)> progress;
};

struct TensorRtPlan {
  std::string bytes;
  std::string shapes;        // "rows of 128 up to 64, …"
  std::string layer_report;  // TensorRT's description of what became of the layers, JSON
};

// Builds a plan of packed rows for the first GPU from manifest.weights: an encoder that
// models/train exports. INT8 and FP8 take their scales from manifest.calibration. Takes minutes.
// Errors: kUnavailable (no TensorRT, no GPU), kUnimplemented (another graph: says where it
// differs), kFailedPrecondition (no calibration), kInternal with TensorRT's words.
Result<TensorRtPlan> build_tensorrt_plan(const ModelManifest& manifest,
                                         const TensorRtBuildOptions& options);

}  // namespace tidewatch

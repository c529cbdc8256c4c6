// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "core/result.h"
#include "infer/backend.h"
#include "infer/manifest.h"

namespace tidewatch {

struct PlainOptions {
  std::filesystem::path plan;  // read when there, else built and written
  std::size_t batch_max = 128;
  std::size_t tokens = 96;  // of the texts that the kernels are chosen for, in batches of 64
  std::size_t lanes = 2;
};

// What the backend of packed rows is measured against: TensorRT as its users have it. The model's
// ONNX file by TensorRT's own parser, FP16 where it likes, one optimisation profile, every batch
// padded to its longest text (in steps of 16 ids); a CUDA graph for each shape that comes,
// page-locked buffers, `lanes` streams. Takes batches in the order in which they come. Answers are
// left unread but for the copy. Errors as build_tensorrt_plan; kUnimplemented on TensorRT 11, which
// has no FP16 flag.
Result<std::unique_ptr<Backend>> make_plain_tensorrt(const ModelManifest& manifest,
                                                     const PlainOptions& options);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>

#include "core/result.h"
#include "infer/backend.h"

namespace tidewatch {

// Loads the `fast` model for our own kernels, without OpenVINO: each text by itself, unpadded, on
// the caller's thread, at nearly the same speed whatever the batch. run() allocates nothing, and a
// text's scores are the same bits on every processor, in every batch. Weights are shared by all
// instances; each has about 1.3 KiB of workspace for each token of max_length (INT8: 0.8 KiB).
//
// INT8 by the manifest's recipe when options.precision is kInt8, or when it is kAuto and this
// processor has AVX-512 VNNI and the recipe is there and fits: decided by what the machine can do,
// never by a clock, so that a machine answers the same after each start.
// Errors: kUnimplemented, saying why, for a model that is not the `fast` graph (also for a file
// that is no ONNX at all) or whose recipe cannot run here; kFailedPrecondition for kInt8 without a
// recipe of these weights; kInvalidArgument for other labels or a recipe that does not fit.
Result<std::unique_ptr<Backend>> load_native_backend(const ModelManifest& manifest,
                                                     const BackendOptions& options);

namespace native {

struct Kernel;

// The kernels that this processor can run, best first; the last is plain C++.
std::span<const Kernel* const> usable_kernels();

// Whether the best of them is one of vectors: the plain one is slower than OpenVINO.
bool has_vector_kernel() noexcept;

// The same on a given kernel: for tests and benchmarks.
Result<std::unique_ptr<Backend>> load_with_kernel(const ModelManifest& manifest,
                                                  const BackendOptions& options,
                                                  const Kernel& kernel);

}  // namespace native
}  // namespace tidewatch

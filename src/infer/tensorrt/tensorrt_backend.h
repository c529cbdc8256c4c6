// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "infer/backend.h"
#include "infer/tensorrt/row_packer.h"
#include "infer/tensorrt/row_runner.h"

namespace tidewatch {

// What a plan is bound to here: TensorRT's release and the GPU, "tensorrt 10.6.0, NVIDIA H100 80GB
// HBM3 (9.0)". kUnavailable says what is missing.
Result<std::string> tensorrt_compatibility();

// Loads a plan that build_tensorrt_plan made, onto the first GPU. `precision` as it was built in.
// options.instances is how many runs may be asked for at once; so many wait for a free lane.
// Errors: kUnavailable (no TensorRT, no GPU), kResourceExhausted (its memory), kInvalidArgument.
Result<std::unique_ptr<Backend>> load_tensorrt_plan(const ModelManifest& manifest,
                                                    std::span<const std::byte> plan,
                                                    const std::string& precision,
                                                    const BackendOptions& options);

// Free bytes of the first GPU. kUnavailable.
Result<std::uint64_t> gpu_free_bytes();

namespace tensorrt {

// Runs texts in packed rows on the lanes of a plan, one run a lane at a time. Lanes belong to the
// backend; `release` is called when it closes, after they are gone.
// Threads and errors as Backend says.
std::unique_ptr<Backend> make_rows_backend(const ModelManifest& manifest, RowGrid grid,
                                           std::vector<std::unique_ptr<RowRunner>> lanes,
                                           std::string precision, std::size_t instances,
                                           std::uint64_t weight_bytes, RowPacker::Layout layout,
                                           std::function<void()> release = nullptr);

}  // namespace tensorrt
}  // namespace tidewatch

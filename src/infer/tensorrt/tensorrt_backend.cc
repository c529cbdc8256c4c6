// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/tensorrt_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "infer/manifest.h"
#include "infer/tensorrt/cuda.h"
#include "infer/tensorrt/graph_runner.h"
#include "infer/tensorrt/library.h"
#include "infer/tensorrt/packed_encoder.h"

namespace tidewatch {
namespace {

using tensorrt::Gpu;
using tensorrt::RowGrid;

// While one lane computes, the next one's texts are laid out and copied.
constexpr std::size_t kLanes = 2;

// $TIDEWATCH_CUDA_GRAPHS: "own" or "off"; unset or "shared": as usual.
Result<tensorrt::GraphUse> graph_use() {
  const char* set = std::getenv("TIDEWATCH_CUDA_GRAPHS");
  const std::string_view word = set == nullptr ? "" : set;
  if (word.empty() || word == "shared") return tensorrt::GraphUse::kShared;
  if (word == "own") return tensorrt::GraphUse::kOwn;
  if (word == "off") return tensorrt::GraphUse::kNone;
  return Error{Code::kInvalidArgument,
               fmt::format("TIDEWATCH_CUDA_GRAPHS is '{}'; write shared, own or off", word)};
}

// A lane that works on any thread.
class GpuLane final : public tensorrt::RowRunner {
 public:
  GpuLane(std::shared_ptr<Gpu> gpu, std::unique_ptr<tensorrt::GraphRunner> runner)
      : gpu_(std::move(gpu)), runner_(std::move(runner)) {}
  ~GpuLane() override {
    gpu_->make_current().ignore("what cannot be freed is gone with the context");
    runner_.reset();
  }
  tensorrt::RowInputs inputs(const tensorrt::RowShape& shape) override {
    return runner_->inputs(shape);
  }
  Status run(const tensorrt::RowShape& shape) override {
    TRY(gpu_->make_current());
    return runner_->run(shape);
  }
  std::uint64_t memory_bytes() const override { return runner_->memory_bytes(); }

 private:
  const std::shared_ptr<Gpu> gpu_;
  std::unique_ptr<tensorrt::GraphRunner> runner_;
};

Status check_logits(const tensorrt::Plan& plan, std::size_t width) {
  for (const tensorrt::TensorInfo& tensor : plan.tensors()) {
    if (tensor.name != tensorrt::kLogits) continue;
    if (!tensor.dims.empty() && tensor.dims.back() == static_cast<std::int64_t>(width)) return {};
    return Error{Code::kInvalidArgument,
                 fmt::format("the plan gives {} numbers a text, the manifest's labels are {}",
                             tensor.dims.empty() ? 0 : tensor.dims.back(), width)};
  }
  return Error{Code::kInvalidArgument, "the plan has no output 'logits'; build the engine again"};
}

}  // namespace

Result<std::string> tensorrt_compatibility() {
  TRY_ASSIGN(const tensorrt::Library* library, tensorrt::open_library());
  TRY_ASSIGN(const auto gpu, Gpu::open());
  return fmt::format("tensorrt {}, {} ({})", library->version(), gpu->identity().name,
                     gpu->identity().compute);
}

Result<std::uint64_t> gpu_free_bytes() {
  TRY_ASSIGN(const auto gpu, Gpu::open());
  return gpu->free_bytes();
}

Result<std::unique_ptr<Backend>> load_tensorrt_plan(const ModelManifest& manifest,
                                                    std::span<const std::byte> bytes,
                                                    const std::string& precision,
                                                    const BackendOptions& options) {
  if (manifest.sequence) {
    return Error{Code::kUnimplemented,
                 fmt::format("model '{}' labels tokens, which the TensorRT backend does not; serve "
                             "it on the CPU",
                             manifest.name)};
  }
  TRY_ASSIGN(tensorrt::Library * library, tensorrt::open_library());
  TRY_ASSIGN(std::shared_ptr<Gpu> gpu, Gpu::open());
  TRY_ASSIGN(const std::uint64_t before, gpu->free_bytes());
  TRY_ASSIGN(std::unique_ptr<tensorrt::Plan> loaded, library->load(bytes));
  std::shared_ptr<tensorrt::Plan> plan = std::move(loaded);
  const std::size_t width = manifest.emotion.labels.size() + manifest.topic.labels.size();
  TRY(check_logits(*plan, width));
  TRY_ASSIGN(RowGrid grid, RowGrid::of_plan(*plan));
  TRY_ASSIGN(const std::uint64_t after, gpu->free_bytes());
  const std::uint64_t weights = before > after ? before - after : 0;
  const std::size_t instances = options.instances == 0 ? kLanes : options.instances;
  const auto own_share = options.lanes_of.find(manifest.name);
  const std::size_t share = own_share == options.lanes_of.end() ? options.lanes : own_share->second;
  const std::size_t num_lanes = std::min(share == 0 ? kLanes : share, instances);
  std::vector<std::unique_ptr<tensorrt::RowRunner>> lanes;
  TRY_ASSIGN(const tensorrt::GraphUse use, graph_use());
  for (std::size_t i = 0; i < num_lanes; ++i) {
    TRY_ASSIGN(auto runner,
               tensorrt::GraphRunner::create(gpu, plan, grid, width, manifest.vocabulary_size,
                                             manifest.max_length, use));
    lanes.push_back(std::make_unique<GpuLane>(gpu, std::move(runner)));
  }
  const auto layout = options.pads_to_longest ? tensorrt::RowPacker::Layout::kOneARow
                                              : tensorrt::RowPacker::Layout::kPacked;
  const auto release = [plan, gpu]() mutable {
    gpu->make_current().ignore("what cannot be freed is gone with the context");
    plan.reset();
  };
  return tensorrt::make_rows_backend(manifest, std::move(grid), std::move(lanes), precision,
                                     instances, weights, layout, release);
}

}  // namespace tidewatch

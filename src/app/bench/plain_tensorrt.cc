// SPDX-License-Identifier: Apache-2.0
#include "app/bench/plain_tensorrt.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "infer/calibration/recipe.h"
#include "infer/tensorrt/cuda.h"
#include "infer/tensorrt/library.h"

namespace tidewatch {
namespace {

using tensorrt::DeviceBuffer;
using tensorrt::Execution;
using tensorrt::Gpu;
using tensorrt::Graph;
using tensorrt::PinnedBuffer;
using tensorrt::Plan;
using tensorrt::Stream;

constexpr const char* kIds = "input_ids";
constexpr const char* kMask = "attention_mask";
constexpr std::size_t kUsualBatch = 64;
constexpr std::size_t kWidthStep = 16;

std::int64_t dim(std::size_t size) { return static_cast<std::int64_t>(size); }

struct Shape {
  std::size_t rows = 0;
  std::size_t width = 0;
  auto operator<=>(const Shape&) const = default;
  std::size_t ids_bytes() const { return (rows * width * sizeof(std::int32_t) + 255) / 256 * 256; }
};

struct Lane {
  explicit Lane(Stream its_stream) : stream(std::move(its_stream)) {}
  Mutex mu;
  Stream stream;
  DeviceBuffer arena;
  DeviceBuffer device;
  PinnedBuffer host;
  std::map<Shape, std::pair<std::unique_ptr<Execution>, Graph>> graphs;
};

class PlainBackend final : public Backend {
 public:
  PlainBackend(const ModelManifest& manifest, std::shared_ptr<Gpu> gpu, std::unique_ptr<Plan> plan,
               const PlainOptions& options)
      : emotion_(manifest.emotion),
        topic_(manifest.topic),
        gpu_(std::move(gpu)),
        plan_(std::move(plan)) {
    shapes_.batch_max = options.batch_max;
    shapes_.tokens_max = manifest.max_length;
    shapes_.instances = options.lanes;
    shapes_.gains_from_batches = true;
    shapes_.batch_invariant = false;
    fill_.assign(options.lanes, 1.0);
  }

  Status open() {
    const std::size_t ids = shapes_.batch_max * shapes_.tokens_max * sizeof(std::int32_t);
    const std::size_t bytes = 2 * ids + logits_bytes(shapes_.batch_max);
    for (std::size_t i = 0; i < shapes_.instances; ++i) {
      TRY_ASSIGN(Stream stream, Stream::create(gpu_));
      auto lane = std::make_unique<Lane>(std::move(stream));
      TRY_ASSIGN(const auto largest, execution(*lane, {shapes_.batch_max, shapes_.tokens_max}));
      TRY_ASSIGN(const std::size_t scratch, largest->scratch_bytes());
      TRY_ASSIGN(lane->arena, DeviceBuffer::allocate(gpu_, std::max<std::size_t>(scratch, 256)));
      TRY_ASSIGN(lane->device, DeviceBuffer::allocate(gpu_, bytes));
      TRY_ASSIGN(lane->host, PinnedBuffer::allocate(gpu_, bytes));
      bytes_ += lane->arena.bytes() + lane->device.bytes();
      lanes_.push_back(std::move(lane));
    }
    return {};
  }

  std::string name() const override { return "tensorrt, plain"; }
  std::string precision() const override { return "fp16"; }
  const BackendShapes& shapes() const override { return shapes_; }
  std::uint64_t memory_bytes() const override { return bytes_; }
  double last_fill(std::size_t instance) const override { return fill_[instance]; }
  void close() override {}

  Status run(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores) override {
    TRY(gpu_->make_current());
    Lane& lane = *lanes_[instance % lanes_.size()];
    const MutexLock lock(lane.mu);
    Shape shape{batch.size(), 0};
    for (std::size_t i = 0; i < batch.size(); ++i) {
      shape.width = std::max<std::size_t>(shape.width, batch.offsets[i + 1] - batch.offsets[i]);
    }
    // Widths in steps, so that the shapes that come are a few dozen.
    shape.width =
        std::min((shape.width + kWidthStep - 1) / kWidthStep * kWidthStep, shapes_.tokens_max);
    auto it = lane.graphs.find(shape);
    if (it == lane.graphs.end()) {
      TRY_ASSIGN(auto recorded, record(lane, shape));
      it = lane.graphs.emplace(shape, std::move(recorded)).first;
    }
    auto* ids = reinterpret_cast<std::int32_t*>(lane.host.data());
    auto* mask = reinterpret_cast<std::int32_t*>(lane.host.data() + shape.ids_bytes());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::size_t length = batch.offsets[i + 1] - batch.offsets[i];
      std::int32_t* row =
          std::copy_n(batch.ids.data() + batch.offsets[i], length, ids + i * shape.width);
      std::fill(row, ids + (i + 1) * shape.width, 0);
      std::fill_n(mask + i * shape.width, length, 1);
      std::fill(mask + i * shape.width + length, mask + (i + 1) * shape.width, 0);
    }
    TRY(it->second.second.launch(lane.stream.handle()));
    TRY(lane.stream.wait());
    const auto* emotion = reinterpret_cast<const float*>(lane.host.data() + 2 * shape.ids_bytes());
    const float* topic = emotion + shape.rows * emotion_.labels.size();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      fill_scores({emotion + i * emotion_.labels.size(), emotion_.labels.size()},
                  {topic + i * topic_.labels.size(), topic_.labels.size()}, scores[i]);
    }
    fill_[instance] =
        static_cast<double>(batch.ids.size()) / static_cast<double>(shape.rows * shape.width);
    return {};
  }

 private:
  std::size_t logits_bytes(std::size_t rows) const {
    return rows * (emotion_.labels.size() + topic_.labels.size()) * sizeof(float);
  }

  Result<std::unique_ptr<Execution>> execution(Lane& lane, const Shape& shape) {
    TRY_ASSIGN(auto made, plan_->execution(0, lane.stream.handle()));
    const std::array<std::int64_t, 2> dims{dim(shape.rows), dim(shape.width)};
    TRY(made->set_shape(kIds, dims));
    TRY(made->set_shape(kMask, dims));
    return made;
  }

  Status queue(Lane& lane, Execution& execution, const Shape& shape) {
    const std::size_t in = 2 * shape.ids_bytes();
    TRY(lane.stream.copy_to_device(lane.device.address(), lane.host.data(), in));
    TRY(execution.enqueue(lane.stream.handle()));
    return lane.stream.copy_to_host(lane.host.data() + in, lane.device.address() + in,
                                    logits_bytes(shape.rows));
  }

  Result<std::pair<std::unique_ptr<Execution>, Graph>> record(Lane& lane, const Shape& shape) {
    TRY_ASSIGN(auto made, execution(lane, shape));
    TRY(made->scratch_bytes());
    TRY(made->lend_scratch(lane.arena.address(), lane.arena.bytes()));
    const tensorrt::DeviceAddress logits = lane.device.address() + 2 * shape.ids_bytes();
    TRY(made->set_address(kIds, lane.device.address()));
    TRY(made->set_address(kMask, lane.device.address() + shape.ids_bytes()));
    TRY(made->set_address(emotion_.output, logits));
    TRY(made->set_address(topic_.output,
                          logits + shape.rows * emotion_.labels.size() * sizeof(float)));
    std::fill_n(lane.host.data(), 2 * shape.ids_bytes(), std::byte{0});
    TRY(queue(lane, *made, shape));
    TRY(lane.stream.wait());
    TRY(lane.stream.begin_capture());
    const Status queued = queue(lane, *made, shape);
    Result<Graph> graph = lane.stream.end_capture();
    TRY(queued);
    if (!graph) return graph.error();
    return std::pair{std::move(made), std::move(*graph)};
  }

  const ManifestTask emotion_;
  const ManifestTask topic_;
  const std::shared_ptr<Gpu> gpu_;
  const std::unique_ptr<Plan> plan_;
  BackendShapes shapes_;
  std::uint64_t bytes_ = 0;
  std::vector<double> fill_;  // by instance
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_plain_tensorrt(const ModelManifest& manifest,
                                                     const PlainOptions& options) {
  TRY_ASSIGN(tensorrt::Library * library, tensorrt::open_library());
  TRY_ASSIGN(auto gpu, Gpu::open());
  std::string bytes;
  if (std::ifstream in(options.plan, std::ios::binary); in) {
    std::ostringstream read;
    read << in.rdbuf();
    bytes = std::move(read).str();
  }
  if (bytes.empty()) {
    tensorrt::BuildOptions build;
    build.half_by_flag = true;
    tensorrt::ProfileRange range;
    for (const char* name : {kIds, kMask}) {
      range.push_back({name,
                       {1, 1},
                       {dim(kUsualBatch), dim(options.tokens)},
                       {dim(options.batch_max), dim(manifest.max_length)}});
    }
    build.profiles.push_back(std::move(range));
    TRY_ASSIGN(tensorrt::BuiltPlan built, library->build_onnx(manifest.weights.path, build));
    bytes = std::move(built.bytes);
    TRY(write_atomically(options.plan, bytes));
  }
  TRY_ASSIGN(auto plan, library->load(std::as_bytes(std::span(bytes))));
  auto backend = std::make_unique<PlainBackend>(manifest, std::move(gpu), std::move(plan), options);
  TRY(backend->open());
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace tidewatch

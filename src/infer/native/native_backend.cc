// SPDX-License-Identifier: Apache-2.0
#include "infer/native/native_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <thread>
#include <utility>
#include <vector>

#include "infer/batch_checks.h"
#include "infer/calibration/recipe.h"
#include "infer/manifest.h"
#include "infer/native/arena.h"
#include "infer/native/fast_graph.h"
#include "infer/native/fast_weights.h"
#include "infer/native/kernel.h"
#include "infer/native/onnx_file.h"
#include "infer/trained_labels.h"

namespace tidewatch {
namespace native {
namespace {

constexpr std::size_t kBatchMax = 256;

// What one run needs beside the weights.
struct Instance {
  Workspace work{};
  float* pooled = nullptr;  // [kTextsTogether, kPooled]
  float* logits = nullptr;  // [kTextsTogether, kPanel]
};

Instance make_instance(Arena& arena, const FastWeights& weights, std::size_t tokens_max) {
  constexpr std::size_t kLanes = 16;
  Instance instance;
  const std::size_t values = (tokens_max + 2) * kWidth;
  if (weights.convolutions[0].bytes != nullptr) {
    for (std::uint8_t*& bytes : instance.work.bytes) bytes = arena.take<std::uint8_t>(values);
    std::fill_n(instance.work.bytes[0], kWidth, kSignedZero);
    std::fill_n(instance.work.bytes[1], kWidth, kUnsignedZero);
  } else {
    instance.work.rows[0] = arena.take<float>(values);
  }
  instance.work.rows[1] = arena.take<float>(values);
  for (float*& scores : instance.work.attention) {
    scores = arena.take<float>((tokens_max + kLanes - 1) / kLanes * kLanes);
  }
  instance.work.hidden = arena.take<float>(kTextsTogether * weights.hidden_width);
  instance.pooled = arena.take<float>(kTextsTogether * kPooled);
  instance.logits = arena.take<float>(kTextsTogether * kPanel);
  return instance;
}

class NativeBackend final : public Backend {
 public:
  NativeBackend(const ModelManifest& manifest, PackedWeights weights, std::size_t instances,
                const Kernel& kernel)
      : emotions_(manifest.emotion.labels.size()),
        topics_(manifest.topic.labels.size()),
        vocabulary_(weights.vocabulary),
        precision_(weights.precision),
        int8_(weights.view.convolutions[0].bytes != nullptr),
        kernel_(kernel),
        weights_(std::move(weights)) {
    shapes_.batch_max = kBatchMax;
    shapes_.tokens_max = manifest.max_length;
    shapes_.instances = instances;
    for (std::size_t i = 0; i < instances; ++i) {
      instances_.push_back(make_instance(workspaces_, weights_->view, shapes_.tokens_max));
    }
    bytes_ = weights_->arena.bytes() + workspaces_.bytes();
  }

  std::string name() const override { return "native"; }
  std::string precision() const override { return std::string{precision_}; }
  const BackendShapes& shapes() const override { return shapes_; }
  std::uint64_t memory_bytes() const override { return bytes_; }

  Status run(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores) override {
    TRY(check_batch(shapes_, instance, batch, scores.size()));
    const std::shared_lock<std::shared_mutex> open(closing_);
    if (!weights_) return Error{Code::kFailedPrecondition, "the model was closed"};
    TRY(check_ids(shapes_, batch, vocabulary_));
    run_texts(weights_->view, instances_[instance], batch, scores);
    return {};
  }

  void close() override {
    const std::unique_lock<std::shared_mutex> closing(closing_);
    weights_.reset();
    instances_.clear();
    workspaces_ = {};
  }

 private:
  void run_texts(const FastWeights& weights, const Instance& instance, const RaggedBatch& batch,
                 std::span<Scores> scores) const {
    const auto pool = int8_ ? kernel_.pool_int8 : kernel_.pool_fp32;
    for (std::size_t done = 0; done < batch.size();) {
      const std::size_t texts = std::min(kTextsTogether, batch.size() - done);
      for (std::size_t k = 0; k < texts; ++k) {
        const std::size_t begin = batch.offsets[done + k];
        pool(weights, batch.ids.data() + begin, batch.offsets[done + k + 1] - begin, instance.work,
             instance.pooled + k * kPooled);
      }
      kernel_.classify(weights, instance.pooled, texts, instance.work, instance.logits);
      for (std::size_t k = 0; k < texts; ++k) {
        const float* logits = instance.logits + k * kPanel;
        fill_scores({logits, emotions_}, {logits + emotions_, topics_}, scores[done + k]);
      }
      done += texts;
    }
  }

  const std::size_t emotions_;
  const std::size_t topics_;
  const std::size_t vocabulary_;
  const std::string_view precision_;
  const bool int8_;
  const Kernel& kernel_;
  BackendShapes shapes_;
  std::uint64_t bytes_ = 0;
  std::shared_mutex closing_;             // shared: a run is under way; exclusive: close()
  std::optional<PackedWeights> weights_;  // until close()
  Arena workspaces_;
  std::vector<Instance> instances_;
};

bool has_vnni(const Kernel& kernel) {
#if defined(__x86_64__)
  return &kernel == &kAvx512Kernel;
#else
  static_cast<void>(kernel);
  return false;
#endif
}

// The graph with the recipe, or with none.
Result<std::unique_ptr<Backend>> load(const ModelManifest& manifest, const FastGraph& graph,
                                      const CalibrationRecipe* recipe, std::size_t instances,
                                      const Kernel& kernel) {
  TRY_ASSIGN(PackedWeights weights, pack_weights(graph, recipe));
  return std::unique_ptr<Backend>(
      std::make_unique<NativeBackend>(manifest, std::move(weights), instances, kernel));
}

Result<std::unique_ptr<Backend>> load_graph(const ModelManifest& manifest,
                                            const BackendOptions& options, const Kernel& kernel,
                                            std::span<const std::byte> file) {
  Result<OnnxModel> model = parse_onnx(file);
  if (!model) return Error{Code::kUnimplemented, model.error().message};
  TRY(check_trained_labels(manifest, model->metadata));
  TRY_ASSIGN(const FastGraph graph, match_fast_graph(*model, manifest));
  if (graph.word->dims[0] < static_cast<std::int64_t>(manifest.vocabulary_size)) {
    return Error{Code::kInvalidArgument,
                 fmt::format("the graph knows {} words where the vocabulary has {}; export the "
                             "model again with models/train",
                             graph.word->dims[0], manifest.vocabulary_size)};
  }
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t instances = options.instances == 0 ? cores : options.instances;
  if (options.precision == Precision::kInt8) {
    TRY_ASSIGN(const CalibrationRecipe recipe, recipe_for(manifest));
    return load(manifest, graph, &recipe, instances, kernel);
  }
  if (options.precision == Precision::kAuto && manifest.calibration && has_vnni(kernel)) {
    // A calibration that is malformed, of other weights or does not fit is as good as none.
    const Result<CalibrationRecipe> recipe = recipe_for(manifest);
    if (recipe) {
      auto backend = load(manifest, graph, &*recipe, instances, kernel);
      if (backend) return backend;
    }
  }
  return load(manifest, graph, nullptr, instances, kernel);
}

}  // namespace

std::span<const Kernel* const> usable_kernels() {
#if defined(__x86_64__)
  static constexpr std::array<const Kernel*, 3> kKernels{&kAvx512Kernel, &kAvx2Kernel,
                                                         &kPortableKernel};
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return std::span{kKernels}.subspan(avx512 ? 0 : avx2 ? 1 : 2);
#else
  static constexpr std::array<const Kernel*, 1> kKernels{&kPortableKernel};
  return kKernels;
#endif
}

bool has_vector_kernel() noexcept { return usable_kernels().front() != &kPortableKernel; }

Result<std::unique_ptr<Backend>> load_with_kernel(const ModelManifest& manifest,
                                                  const BackendOptions& options,
                                                  const Kernel& kernel) {
  if (manifest.sequence) {
    return Error{
        Code::kUnimplemented,
        fmt::format("model '{}' labels tokens, which has no native backend", manifest.name)};
  }
  TRY_ASSIGN(const std::vector<std::byte> file, read_file(manifest.weights.path));
  auto backend = load_graph(manifest, options, kernel, file);
  if (!backend) {
    return Error{backend.error().code,
                 fmt::format("{}: {}", manifest.weights.path.string(), backend.error().message)};
  }
  return backend;
}

}  // namespace native

Result<std::unique_ptr<Backend>> load_native_backend(const ModelManifest& manifest,
                                                     const BackendOptions& options) {
  return native::load_with_kernel(manifest, options, *native::usable_kernels().front());
}

}  // namespace tidewatch

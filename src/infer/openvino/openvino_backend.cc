// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <filesystem>
#include <numeric>
#include <openvino/openvino.hpp>
#include <optional>
#include <shared_mutex>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "infer/backend.h"
#include "infer/batch_checks.h"
#include "infer/calibration/recipe.h"
#include "infer/manifest.h"
#include "infer/openvino/quantise.h"
#include "infer/openvino/shared_core.h"
#include "infer/trained_labels.h"

namespace tidewatch {
namespace {

// One OpenVINO stream of one thread for each instance. Texts of a batch that are equally long run
// together, unpadded: what a text answers is the same bit for bit, alone or not (int8_test). A
// transformer gains little from that (1.0-1.4x measured), the convolutional model 1.5-3x.
// Every request always gets tensors of ours: giving a compiled model some inputs to copy and
// lending it others corrupts OpenVINO's memory (2026.4.1).
class OpenVinoBackend final : public Backend {
 public:
  OpenVinoBackend(const ModelManifest& manifest, ov::CompiledModel compiled, std::string precision,
                  std::size_t instances, std::uint64_t weight_bytes)
      : manifest_(manifest),
        compiled_(std::move(compiled)),
        precision_(std::move(precision)),
        weight_bytes_(weight_bytes) {
    shapes_.batch_max = 32;
    shapes_.tokens_max = manifest.max_length;
    shapes_.instances = instances;
    for (std::size_t i = 0; i < instances; ++i) {
      Instance instance;
      instance.request = compiled_.create_infer_request();
      instance.ids.resize(shapes_.batch_max * manifest.max_length);
      instance.mask.assign(shapes_.batch_max * manifest.max_length, 1);
      instances_.push_back(std::move(instance));
    }
  }

  std::string name() const override { return "openvino"; }
  std::string precision() const override { return precision_; }
  const BackendShapes& shapes() const override { return shapes_; }

  Status run(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores) override {
    return run_with_sequence(instance, batch, scores, {});
  }

  // No sequences: none are decoded.
  Status run_with_sequence(std::size_t instance, const RaggedBatch& batch, std::span<Scores> scores,
                           std::span<TokenLabels> sequences) override {
    assert(sequences.empty() || sequences.size() == batch.size());
    TRY(check_batch(shapes_, instance, batch, scores.size()));
    const std::shared_lock<std::shared_mutex> open(closing_);
    if (instances_.empty()) return Error{Code::kFailedPrecondition, "the model was closed"};
    TRY(check_text_lengths(shapes_, batch));
    if (sequences.empty()) return run_by_length(instances_[instance], batch, scores);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto ids = ids_of(batch, i);
      TRY(run_group(instances_[instance], ids, ids.size(), {&i, 1}, scores));
      sequences[i].clear();
      if (manifest_.sequence) TRY(label_tokens(instances_[instance], ids.size(), sequences[i]));
    }
    return {};
  }

  std::uint64_t memory_bytes() const override {
    const std::uint64_t buffers =
        2 * shapes_.batch_max * shapes_.tokens_max * sizeof(std::int32_t);  // ids and mask
    return weight_bytes_ + shapes_.instances * buffers;
  }

  void close() override {
    const std::unique_lock<std::shared_mutex> closing(closing_);
    instances_.clear();
    compiled_ = {};
  }

 private:
  struct Instance {
    ov::InferRequest request;
    std::vector<std::int32_t> ids;   // of texts that run together
    std::vector<std::int32_t> mask;  // ones
    std::vector<std::size_t> order;  // of the texts of a batch, by length
    ViterbiScratch scratch;
  };

  static std::span<const std::int32_t> ids_of(const RaggedBatch& batch, std::size_t i) {
    return batch.ids.subspan(batch.offsets[i], batch.offsets[i + 1] - batch.offsets[i]);
  }

  Status run_by_length(Instance& instance, const RaggedBatch& batch, std::span<Scores> scores) {
    const auto length = [&](std::size_t i) { return batch.offsets[i + 1] - batch.offsets[i]; };
    std::vector<std::size_t>& order = instance.order;
    order.resize(batch.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::pair{length(a), a} < std::pair{length(b), b};
    });
    for (std::size_t begin = 0; begin < order.size();) {
      std::size_t end = begin + 1;
      while (end < order.size() && length(order[end]) == length(order[begin])) ++end;
      const std::span<const std::size_t> texts = std::span{order}.subspan(begin, end - begin);
      std::span<const std::int32_t> ids = ids_of(batch, texts[0]);
      const std::size_t tokens = ids.size();
      if (texts.size() > 1) {
        auto to = instance.ids.begin();
        for (const std::size_t i : texts) to = std::ranges::copy(ids_of(batch, i), to).out;
        ids = {instance.ids.data(), texts.size() * tokens};
      }
      TRY(run_group(instance, ids, tokens, texts, scores));
      begin = end;
    }
    return {};
  }

  // Runs `texts` of `tokens` ids each, which lie one after another in `ids`.
  Status run_group(Instance& instance, std::span<const std::int32_t> ids, std::size_t tokens,
                   std::span<const std::size_t> texts, std::span<Scores> scores) {
    try {
      lend_inputs(instance.request, ids, instance.mask, {texts.size(), tokens});
      instance.request.infer();
      const ov::Tensor emotion = instance.request.get_tensor(manifest_.emotion.output);
      const ov::Tensor topic = instance.request.get_tensor(manifest_.topic.output);
      const std::size_t emotions = emotion.get_size() / texts.size();
      const std::size_t topics = topic.get_size() / texts.size();
      for (std::size_t k = 0; k < texts.size(); ++k) {
        fill_scores({emotion.data<const float>() + k * emotions, emotions},
                    {topic.data<const float>() + k * topics, topics}, scores[texts[k]]);
      }
    } catch (const std::exception& e) {
      return Error{Code::kInternal,
                   fmt::format("model '{}': OpenVINO: {}", manifest_.name, e.what())};
    }
    return {};
  }

  // Of the text that run_group has just run by itself.
  Status label_tokens(Instance& instance, std::size_t ids, TokenLabels& labels) {
    const SequenceTask& task = *manifest_.sequence;
    try {
      const ov::Tensor output = instance.request.get_tensor(task.output);
      const std::size_t width = task.labels.size();
      if (output.get_size() != ids * width) {
        return Error{
            Code::kInternal,
            fmt::format("model '{}': output '{}' is {} for {} tokens and {} labels", manifest_.name,
                        task.output, output.get_shape().to_string(), ids, width)};
      }
      const std::span<const float> all{output.data<const float>(), output.get_size()};
      const std::size_t inner = ids < 2 ? 0 : ids - 2;  // without [CLS] and [SEP]
      return decode_sequence(task,
                             all.subspan(std::min(ids, std::size_t{1}) * width, inner * width),
                             instance.scratch, labels);
    } catch (const std::exception& e) {
      return Error{Code::kInternal,
                   fmt::format("model '{}': OpenVINO: {}", manifest_.name, e.what())};
    }
  }

  const ModelManifest manifest_;
  ov::CompiledModel compiled_;
  const std::string precision_;
  const std::uint64_t weight_bytes_;
  BackendShapes shapes_;
  std::shared_mutex closing_;  // shared: a run is under way; exclusive: close()
  std::vector<Instance> instances_;
};

// `auto` takes INT8 only from this measured gain on. Deciding by the recipe and not by the clock
// keeps a machine's answers the same from start to start.
constexpr double kAutoSpeedupMin = 1.15;

// `Task`: with name, output and labels, the output's last dimension of `rank`.
template <typename Task>
Status check_output(const ov::CompiledModel& compiled, const Task& task, std::size_t rank) {
  const auto& outputs = compiled.outputs();
  const auto it = std::find_if(outputs.begin(), outputs.end(), [&](const auto& output) {
    return output.get_names().count(task.output) > 0;
  });
  if (it == outputs.end()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("the graph has no output '{}' (task {})", task.output, task.name)};
  }
  const ov::PartialShape shape = it->get_partial_shape();
  const auto last = static_cast<std::ptrdiff_t>(rank) - 1;
  if (shape.rank().is_dynamic() || shape.size() != rank ||
      (shape[last].is_static() &&
       shape[last].get_length() != static_cast<std::int64_t>(task.labels.size()))) {
    return Error{Code::kInvalidArgument,
                 fmt::format("output '{}' is {} but task {} lists {} labels{}", task.output,
                             shape.to_string(), task.name, task.labels.size(),
                             rank == 3 ? " for each token: [batch, seq, labels]" : "")};
  }
  return {};
}

Status check_outputs(const ov::CompiledModel& compiled, const ModelManifest& manifest) {
  TRY(check_output(compiled, manifest.emotion, 2));
  TRY(check_output(compiled, manifest.topic, 2));
  if (manifest.sequence) TRY(check_output(compiled, *manifest.sequence, 3));
  return {};
}

// OpenVINO keeps ONNX's metadata_props in the section "framework" of its run-time information.
WeightsMetadata metadata_of(const ov::Model& model) {
  WeightsMetadata metadata;
  const auto section = model.get_rt_info().find("framework");
  if (section == model.get_rt_info().end() || !section->second.is<ov::AnyMap>()) return metadata;
  for (const auto& [key, value] : section->second.as<ov::AnyMap>()) {
    if (value.is<std::string>()) metadata.emplace(key, value.as<std::string>());
  }
  return metadata;
}

// What really runs: the plugin may leave a layer in FP32.
std::string precision_of(const ov::CompiledModel& compiled, const CalibrationRecipe* recipe) {
  const std::size_t layers = recipe == nullptr ? 0 : layers_in_int8(compiled);
  if (layers == 0) return "fp32";
  return layers == recipe->layers.size() ? "int8" : "mixed";
}

ov::AnyMap compile_options(std::size_t instances) {
  return {ov::hint::inference_precision(ov::element::f32),
          ov::hint::execution_mode(ov::hint::ExecutionMode::ACCURACY),
          ov::num_streams(static_cast<std::int32_t>(instances)),
          ov::inference_num_threads(static_cast<std::int32_t>(instances)),
          ov::hint::enable_cpu_pinning(false)};
}

std::size_t instances_of(const BackendOptions& options) {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  return options.instances == 0 ? cores : options.instances;
}

// What the constants of the executable graph hold: FP16 weights may have become FP32 by then.
// `fallback` where the plugin does not tell.
std::uint64_t weight_bytes_of(const ov::CompiledModel& compiled, std::uint64_t fallback) {
  std::uint64_t bytes = 0;
  for (const auto& node : compiled.get_runtime_model()->get_ordered_ops()) {
    const auto type = node->get_rt_info().find("layerType");
    if (type == node->get_rt_info().end() || type->second.as<std::string>() != "Const") continue;
    const ov::PartialShape& shape = node->get_output_partial_shape(0);
    if (!shape.is_static()) continue;
    std::uint64_t bits = node->get_output_element_type(0).bitwidth();
    if (const auto precision = node->get_rt_info().find("outputPrecisions");
        precision != node->get_rt_info().end()) {
      const ov::element::Type stored{precision->second.as<std::string>()};
      bits = stored.bitwidth();
    }
    bytes += ov::shape_size(shape.to_shape()) * bits / 8;
  }
  return bytes == 0 ? fallback : bytes;
}

Result<ov::CompiledModel> compile(const ModelManifest& manifest, const CalibrationRecipe* recipe,
                                  std::size_t instances) {
  try {
    const auto model = shared_core().read_model(manifest.weights.path.string());
    if (Status status = check_trained_labels(manifest, metadata_of(*model)); !status) {
      return Error{status.error().code,
                   fmt::format("{}: {}", manifest.weights.path.string(), status.error().message)};
    }
    if (recipe != nullptr) {
      if (Status status = quantise(*model, *recipe); !status) {
        return Error{status.error().code,
                     fmt::format("model '{}': {}", manifest.name, status.error().message)};
      }
    }
    ov::CompiledModel compiled =
        shared_core().compile_model(model, "CPU", compile_options(instances));
    if (Status status = check_outputs(compiled, manifest); !status) {
      return Error{status.error().code,
                   fmt::format("{}: {}", manifest.weights.path.string(), status.error().message)};
    }
    return compiled;
  } catch (const std::exception& e) {
    return Error{Code::kInvalidArgument, fmt::format("{}: OpenVINO cannot load it: {}",
                                                     manifest.weights.path.string(), e.what())};
  }
}

Result<std::unique_ptr<Backend>> load(const ModelManifest& manifest,
                                      const CalibrationRecipe* recipe,
                                      const BackendOptions& options) {
  const std::size_t instances = instances_of(options);
  TRY_ASSIGN(ov::CompiledModel compiled, compile(manifest, recipe, instances));
  try {
    const std::uint64_t bytes =
        weight_bytes_of(compiled, std::filesystem::file_size(manifest.weights.path));
    std::string precision = precision_of(compiled, recipe);
    return std::unique_ptr<Backend>(std::make_unique<OpenVinoBackend>(
        manifest, std::move(compiled), std::move(precision), instances, bytes));
  } catch (const std::exception& e) {
    return Error{Code::kInvalidArgument, fmt::format("{}: OpenVINO cannot load it: {}",
                                                     manifest.weights.path.string(), e.what())};
  }
}

// What compiled code depends on, the newest that the processor has.
const char* instruction_set() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") != 0) {
    return __builtin_cpu_supports("avx512vnni") != 0 ? "avx512-vnni" : "avx512";
  }
  if (__builtin_cpu_supports("avx2") != 0) return cpu_has_vnni() ? "avx2-vnni" : "avx2";
  return "x86-64";
#else
  return "generic";
#endif
}

}  // namespace

ov::Core& shared_core() {
  static ov::Core core;
  return core;
}

Result<std::unique_ptr<Backend>> load_openvino_backend(const ModelManifest& manifest,
                                                       const BackendOptions& options) {
  const bool could = manifest.calibration && cpu_has_vnni();
  if (options.precision == Precision::kFp32 || (options.precision == Precision::kAuto && !could)) {
    return load(manifest, nullptr, options);
  }
  const Result<CalibrationRecipe> recipe = recipe_for(manifest);
  if (options.precision == Precision::kInt8) {
    if (!recipe) return recipe.error();
    return load(manifest, &*recipe, options);
  }
  // `auto`: a calibration that is malformed or of other weights is as good as none.
  if (recipe && recipe->speedup >= kAutoSpeedupMin) {
    auto backend = load(manifest, &*recipe, options);
    if (backend) return backend;
  }
  return load(manifest, nullptr, options);
}

Result<std::unique_ptr<Backend>> load_openvino_int8(const ModelManifest& manifest,
                                                    const CalibrationRecipe& recipe,
                                                    const BackendOptions& options) {
  return load(manifest, &recipe, options);
}

Result<WeightsMetadata> read_weights_metadata(const std::filesystem::path& weights) {
  try {
    return metadata_of(*shared_core().read_model(weights.string()));
  } catch (const std::exception& e) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: OpenVINO cannot read it: {}", weights.string(), e.what())};
  }
}

std::string openvino_compatibility() {
  return fmt::format("openvino {}, {}", ov::get_openvino_version().buildNumber, instruction_set());
}

Result<ExportedModel> export_openvino_model(const ModelManifest& manifest,
                                            const BackendOptions& options) {
  std::optional<CalibrationRecipe> recipe;
  if (options.precision == Precision::kInt8) {
    TRY_ASSIGN(recipe, recipe_for(manifest));
  }
  const CalibrationRecipe* used = recipe ? &*recipe : nullptr;
  TRY_ASSIGN(ov::CompiledModel compiled, compile(manifest, used, instances_of(options)));
  try {
    ExportedModel exported;
    exported.precision = precision_of(compiled, used);
    std::ostringstream out;
    compiled.export_model(out);
    exported.bytes = std::move(out).str();
    return exported;
  } catch (const std::exception& e) {
    return Error{Code::kInternal,
                 fmt::format("model '{}': OpenVINO cannot export it: {}", manifest.name, e.what())};
  }
}

Result<std::unique_ptr<Backend>> import_openvino_model(const ModelManifest& manifest,
                                                       const std::string& bytes,
                                                       const std::string& precision,
                                                       const BackendOptions& options) {
  const std::size_t instances = instances_of(options);
  try {
    std::istringstream in(bytes);
    ov::CompiledModel compiled = shared_core().import_model(in, "CPU", compile_options(instances));
    TRY(check_outputs(compiled, manifest));
    const std::uint64_t weights = weight_bytes_of(compiled, bytes.size());
    return std::unique_ptr<Backend>(std::make_unique<OpenVinoBackend>(
        manifest, std::move(compiled), precision, instances, weights));
  } catch (const std::exception& e) {
    return Error{Code::kInvalidArgument,
                 fmt::format("OpenVINO cannot load the compiled model: {}", e.what())};
  }
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/tensorrt/builder.h"

#include <fmt/format.h>

#include <fstream>
#include <optional>
#include <sstream>

#include "infer/calibration/recipe.h"
#include "infer/manifest.h"
#include "infer/native/onnx_file.h"
#include "infer/tensorrt/cuda.h"
#include "infer/tensorrt/encoder_weights.h"
#include "infer/tensorrt/row_grid.h"
#include "infer/trained_labels.h"

namespace tidewatch {
namespace {

std::string read_or_empty(const std::filesystem::path& file) {
  if (file.empty()) return {};
  std::ifstream in(file, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return in ? std::move(bytes).str() : std::string{};
}

}  // namespace

Result<TensorRtPlan> build_tensorrt_plan(const ModelManifest& manifest,
                                         const TensorRtBuildOptions& options) {
  TRY_ASSIGN(tensorrt::Library * library, tensorrt::open_library());
  TRY_ASSIGN(const auto gpu, tensorrt::Gpu::open());
  TRY_ASSIGN(const std::vector<std::byte> file, native::read_file(manifest.weights.path));
  const auto named = [&](const Error& error) {
    return Error{error.code, fmt::format("{}: {}", manifest.weights.path.string(), error.message)};
  };
  const Result<native::OnnxModel> model = native::parse_onnx(file);
  if (!model) return named(model.error());
  TRY(check_trained_labels(manifest, model->metadata));
  std::optional<CalibrationRecipe> recipe;
  if (options.format == tensorrt::NumberFormat::kInt8 ||
      options.format == tensorrt::NumberFormat::kFp8) {
    TRY_ASSIGN(recipe, recipe_for(manifest));
  }
  const Result<tensorrt::EncoderWeights> weights =
      tensorrt::read_encoder(*model, manifest, recipe ? &*recipe : nullptr);
  if (!weights) return named(weights.error());
  const tensorrt::RowGrid grid(options.tokens, manifest.max_length);
  tensorrt::BuildOptions build;
  build.format = options.format;
  build.profiles = grid.profiles();
  build.workspace_bytes = options.workspace_bytes;
  build.level = options.level;
  build.timing_cache = read_or_empty(options.timing_cache);
  build.progress = options.progress;
  Result<tensorrt::BuiltPlan> result = library->build_encoder(*weights, build);
  const bool no_kernel =
      !result && result.error().message.find("fallback kernel") != std::string::npos;
  if (no_kernel && options.format == tensorrt::NumberFormat::kFp8) {
    return Error{result.error().code,
                 fmt::format("{}. TensorRT 10.6 has no FP8 kernels for rows of changing shapes; "
                             "build with --precision int8, which is as fast",
                             result.error().message)};
  }
  if (!result) return result.error();
  tensorrt::BuiltPlan built = *std::move(result);
  if (!options.timing_cache.empty() && !built.timing_cache.empty())
    TRY(write_atomically(options.timing_cache, built.timing_cache));
  TensorRtPlan plan;
  TRY_ASSIGN(const auto loaded, library->load(std::as_bytes(std::span(built.bytes))));
  plan.layer_report = loaded->layer_report();
  plan.shapes = grid.describe();
  plan.bytes = std::move(built.bytes);
  return plan;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/model_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "infer/backend_choice.h"
#include "infer/native/native_backend.h"
#include "infer/plan_engine.h"
#include "infer/tensorrt/tensorrt_backend.h"

namespace tidewatch {
namespace {

// A damaged calibration is an error for who asked for INT8, and as good as none for `auto`.
Status check_calibration(Precision precision, ModelManifest& manifest) {
  if (precision == Precision::kFp32 || !manifest.calibration) return {};
  const Status intact = verify_manifest_file(*manifest.calibration);
  if (intact) return {};
  if (precision == Precision::kInt8) {
    return Error{intact.error().code,
                 fmt::format("{}; or make it again with `tidewatch calibrate --model {}`, or use "
                             "--precision fp32",
                             intact.error().message, manifest.name)};
  }
  manifest.calibration.reset();
  return {};
}

}  // namespace

ModelRegistry::ModelRegistry(std::filesystem::path models_dir, BackendOptions options)
    : models_dir_(std::move(models_dir)), options_(options) {}

std::vector<std::string> ModelRegistry::available() const {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(models_dir_, ignored)) {
    if (std::filesystem::exists(entry.path() / "manifest.json", ignored)) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::shared_ptr<const Model>> ModelRegistry::load(const std::string& name) {
  if (name == "none") {
    ModelManifest manifest;
    manifest.name = "none";
    manifest.version = "0";
    manifest.precision = "none";
    manifest.labels = bundled_labels();
    auto backend = make_null_backend(manifest.labels);
    return std::shared_ptr<const Model>(adopt(std::move(manifest), std::move(backend)));
  }
  TRY_ASSIGN(ModelManifest manifest, checked_manifest(name));
  const bool asked = options_.kind == BackendKind::kTensorRt;
  if (!asked &&
      (options_.kind != BackendKind::kAuto || !has_plan_of(manifest.name, options_.engines_dir))) {
    TRY_ASSIGN(auto model, load_manifest(std::move(manifest), options_.precision));
    return std::shared_ptr<const Model>(std::move(model));
  }
  const Result<std::shared_ptr<Model>> plan = load_plan(manifest);
  if (plan) return std::shared_ptr<const Model>(*plan);
  BackendOptions native = options_;
  native.kind = BackendKind::kNative;
  if (asked && !load_native_backend(manifest, native)) return plan.error();
  TRY_ASSIGN(auto model, load_manifest(std::move(manifest), options_.precision));
  model->note = plan.error().message;
  return std::shared_ptr<const Model>(std::move(model));
}

Result<std::shared_ptr<const Model>> ModelRegistry::load_folder(const std::string& name) {
  TRY_ASSIGN(ModelManifest manifest, checked_manifest(name));
  TRY_ASSIGN(auto model, load_manifest(std::move(manifest), options_.precision));
  return std::shared_ptr<const Model>(std::move(model));
}

Result<ModelManifest> ModelRegistry::checked_manifest(const std::string& name) const {
  const std::vector<std::string> names = available();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return Error{Code::kNotFound, fmt::format("no model '{}' in {}; there are: {}", name,
                                              models_dir_.string(), fmt::join(names, ", "))};
  }
  TRY_ASSIGN(ModelManifest manifest, read_manifest(models_dir_ / name));
  TRY(verify_manifest_files(manifest));
  return manifest;
}

Result<std::shared_ptr<Model>> ModelRegistry::load_plan(const ModelManifest& manifest) {
  TRY_ASSIGN(const std::string here, tensorrt_compatibility());
  TRY_ASSIGN(const PlanChoice chosen, choose_plan(manifest, options_.engines_dir, here));
  auto backend = load_plan_engine(chosen.file, chosen.header, manifest, options_);
  if (!backend) {
    return Error{backend.error().code,
                 fmt::format("{}: {}", chosen.file.string(), backend.error().message)};
  }
  ModelManifest named = chosen.header.manifest;
  named.vocabulary = manifest.vocabulary;
  named.weights.path = chosen.file;
  named.calibration.reset();
  std::shared_ptr<Model> model = adopt(std::move(named), *std::move(backend));
  model->engine = chosen.file.filename().string();
  TRY_ASSIGN(model->engine_sha256, sha256_of_file(chosen.file));
  return model;
}

Result<std::shared_ptr<Model>> ModelRegistry::load_manifest(ModelManifest manifest,
                                                            Precision precision) {
  TRY(check_calibration(precision, manifest));
  BackendOptions options = options_;
  options.precision = precision;
  TRY_ASSIGN(auto backend, load_backend(manifest, options));
  return adopt(std::move(manifest), std::move(backend));
}

std::shared_ptr<Model> ModelRegistry::adopt(ModelManifest manifest,
                                            std::unique_ptr<Backend> backend) {
  auto model = std::make_shared<Model>();
  model->manifest = std::move(manifest);
  model->version = ModelVersion{next_version_.fetch_add(1)};
  model->backend = std::move(backend);
  return model;
}

void ModelRegistry::activate(std::shared_ptr<const Model> model) {
  MutexLock lock(mu_);
  active_ = std::move(model);
}

std::shared_ptr<const Model> ModelRegistry::active() const {
  MutexLock lock(mu_);
  return active_;
}

LabelSchema bundled_labels() {
  LabelSchema labels;
  labels.emotions = {"angry", "fear", "happy", "neutral", "sad", "surprise"};
  labels.negative = {true, true, false, false, true, false};
  labels.topics = {"agriculture", "car",  "culture", "edu",      "entertainment",
                   "finance",     "game", "house",   "military", "sports",
                   "story",       "tech", "travel",  "world"};
  labels.neutral = 3;
  return labels;
}

}  // namespace tidewatch

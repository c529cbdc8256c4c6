// SPDX-License-Identifier: Apache-2.0
#include "infer/model_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "infer/backend_choice.h"

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
  auto model = std::make_shared<Model>();
  model->version = ModelVersion{next_version_.fetch_add(1)};
  if (name == "none") {
    model->manifest.name = "none";
    model->manifest.version = "0";
    model->manifest.precision = "none";
    model->manifest.labels = bundled_labels();
    model->backend = make_null_backend(model->manifest.labels);
    return std::shared_ptr<const Model>(std::move(model));
  }
  const std::vector<std::string> names = available();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return Error{Code::kNotFound, fmt::format("no model '{}' in {}; there are: {}", name,
                                              models_dir_.string(), fmt::join(names, ", "))};
  }
  TRY_ASSIGN(model->manifest, read_manifest(models_dir_ / name));
  TRY(verify_manifest_files(model->manifest));
  TRY(check_calibration(options_.precision, model->manifest));
  TRY_ASSIGN(model->backend, load_backend(model->manifest, options_));
  return std::shared_ptr<const Model>(std::move(model));
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

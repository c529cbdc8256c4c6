// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "core/result.h"
#include "infer/backend.h"
#include "infer/manifest.h"

namespace tidewatch {

// A model that can be run. Immutable but for the backend's own state; shared by whoever uses it,
// freed by the last.
struct Model {
  ModelManifest manifest;
  ModelVersion version;
  std::unique_ptr<Backend> backend;
  // The engine file that it came from; empty: the model's folder.
  std::string engine;
  std::string engine_sha256;
  // Why it runs on the CPU although an engine for a GPU was asked for or is there; else empty.
  std::string note;
};

struct ModelInfo {
  std::string name;
  std::string version;
  bool active = false;
};

// Finds models in a folder (one sub-folder each, with a manifest.json), loads them and says which
// is active. Loading checks the manifest and every sha256 first.
// Threads: every member may be called concurrently; load blocks for up to seconds, active never.
class ModelRegistry {
 public:
  explicit ModelRegistry(std::filesystem::path models_dir, BackendOptions options = {});

  // Loads `name` beside whatever is active. "none" gives the null model, with the labels of the
  // bundled models. kNotFound lists the names there are.
  //
  // With kTensorRt the newest engine of options.engines_dir that fits model and machine
  // (choose_plan), whose errors stand; but a model that our own kernels run, which is no encoder,
  // stays on the CPU. With kAuto the same where there is an engine of this model, and the CPU where
  // it cannot be loaded, `note` saying why.
  Result<std::shared_ptr<const Model>> load(const std::string& name) EXCLUDES(mu_);
  // The model's folder on the CPU, whatever engines there are.
  Result<std::shared_ptr<const Model>> load_folder(const std::string& name) EXCLUDES(mu_);
  // The same of a manifest whose files the caller has checked, in a precision of its own.
  Result<std::shared_ptr<Model>> load_manifest(ModelManifest manifest, Precision precision);
  // Gives a backend that was loaded otherwise a version.
  std::shared_ptr<Model> adopt(ModelManifest manifest, std::unique_ptr<Backend> backend);
  const BackendOptions& options() const { return options_; }

  // Makes a loaded model the one that new texts go to. The old one is freed by its last user.
  void activate(std::shared_ptr<const Model> model) EXCLUDES(mu_);
  std::shared_ptr<const Model> active() const EXCLUDES(mu_);

  // Names of the sub-folders that have a manifest, sorted.
  std::vector<std::string> available() const;

 private:
  Result<ModelManifest> checked_manifest(const std::string& name) const;
  Result<std::shared_ptr<Model>> load_plan(const ModelManifest& manifest);

  const std::filesystem::path models_dir_;
  const BackendOptions options_;
  std::atomic<std::uint32_t> next_version_{1};
  mutable Mutex mu_;
  std::shared_ptr<const Model> active_ GUARDED_BY(mu_);
};

// The labels of the bundled models, for `--model none` and for tests.
LabelSchema bundled_labels();

}  // namespace tidewatch

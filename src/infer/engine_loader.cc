// SPDX-License-Identifier: Apache-2.0
#include "infer/engine_loader.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <string>
#include <utility>

#include "infer/engine_file.h"
#include "infer/plan_engine.h"

namespace tidewatch {
namespace {

// A temporary folder, removed with all it holds.
class UnpackFolder {
 public:
  UnpackFolder() {
    std::error_code error;
    std::string pattern =
        (std::filesystem::temp_directory_path(error) / "tidewatch-engine-XXXXXX").string();
    if (!error && ::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~UnpackFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  UnpackFolder(const UnpackFolder&) = delete;
  UnpackFolder& operator=(const UnpackFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Result<std::shared_ptr<Model>> load_onnx(ModelRegistry& registry, const std::filesystem::path& file,
                                         const EngineHeader& header, const Model& served) {
  const UnpackFolder folder;
  if (folder.path().empty()) {
    return Error{Code::kUnavailable, "no temporary folder to unpack an engine; set TMPDIR"};
  }
  TRY_ASSIGN(ModelManifest manifest,
             unpack_engine(file, header, folder.path(), served.manifest.vocabulary));
  TRY_ASSIGN(const Precision precision, parse_precision(header.precision));
  return registry.load_manifest(std::move(manifest), precision);
}

Result<std::shared_ptr<Model>> load_compiled(ModelRegistry& registry,
                                             const std::filesystem::path& file,
                                             const EngineHeader& header, const Model& served) {
  const std::string here = openvino_compatibility();
  if (header.compatibility != here) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("{}: compiled for '{}', but this program and machine are '{}'; build "
                             "it again here, or without --backend openvino: such an engine runs "
                             "anywhere",
                             file.string(), header.compatibility, here)};
  }
  TRY_ASSIGN(const std::string blob, read_engine_section(file, header, "compiled.blob"));
  ModelManifest manifest = header.manifest;
  manifest.vocabulary = served.manifest.vocabulary;
  TRY_ASSIGN(auto backend,
             import_openvino_model(manifest, blob, header.precision, registry.options()));
  return registry.adopt(std::move(manifest), std::move(backend));
}

Result<std::shared_ptr<Model>> load_plan(ModelRegistry& registry, const std::filesystem::path& file,
                                         const EngineHeader& header, const Model& served) {
  ModelManifest manifest = header.manifest;
  manifest.vocabulary = served.manifest.vocabulary;
  // It takes the place of a model whose workers are there already.
  BackendOptions options = registry.options();
  options.instances = std::max(options.instances, served.backend->shapes().instances);
  TRY_ASSIGN(auto backend, load_plan_engine(file, header, manifest, options));
  return registry.adopt(std::move(manifest), std::move(backend));
}

}  // namespace

Status check_takes_place(const Model& next, const Model& served) {
  const BackendShapes& was = served.backend->shapes();
  const BackendShapes& is = next.backend->shapes();
  if (is.instances >= was.instances && is.tokens_max >= was.tokens_max) return {};
  return Error{Code::kFailedPrecondition,
               fmt::format("{}: takes {} runs at once and {} tokens a text, the served model '{}' "
                           "{} and {}",
                           next.engine.empty() ? next.manifest.name : next.engine, is.instances,
                           is.tokens_max, served.manifest.name, was.instances, was.tokens_max)};
}

Result<std::shared_ptr<const Model>> load_engine(ModelRegistry& registry,
                                                 const std::filesystem::path& file,
                                                 const Model& served) {
  TRY_ASSIGN(const EngineHeader header, read_engine_header(file));
  TRY(check_engine_fits(header, served.manifest));
  auto loaded = header.kind == kEngineOnnx       ? load_onnx(registry, file, header, served)
                : header.kind == kEngineTensorRt ? load_plan(registry, file, header, served)
                                                 : load_compiled(registry, file, header, served);
  if (!loaded) {
    return Error{loaded.error().code,
                 fmt::format("{}: {}", file.filename().string(), loaded.error().message)};
  }
  const std::shared_ptr<Model> model = *std::move(loaded);
  model->manifest.weights.path = file;  // where it can be found from now on
  model->manifest.calibration.reset();
  model->engine = file.filename().string();
  TRY_ASSIGN(model->engine_sha256, sha256_of_file(file));
  TRY(check_takes_place(*model, served));
  return std::shared_ptr<const Model>(model);
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "infer/backend.h"
#include "infer/engine_file.h"

namespace tidewatch {

// Loads the plan of an engine of kind kEngineTensorRt, whose header has been read and fits
// `manifest`. Errors: kFailedPrecondition names what the plan is bound to and what is here;
// kUnavailable (no TensorRT, no GPU); those of read_engine_section and load_tensorrt_plan.
Result<std::unique_ptr<Backend>> load_plan_engine(const std::filesystem::path& file,
                                                  const EngineHeader& header,
                                                  const ModelManifest& manifest,
                                                  const BackendOptions& options);

// Whether an engine of kind kEngineTensorRt may be loaded where tensorrt_compatibility() is `here`.
// kFailedPrecondition names both sides and the remedy.
Status check_plan_bound_to(const EngineHeader& header, std::string_view here);

// The engine of a folder that was made of this model's weights and can be loaded where
// tensorrt_compatibility() is `here`; of several the newest by its built_at. kNotFound lists those
// that were passed over, why, and how to build one.
struct PlanChoice {
  std::filesystem::path file;
  EngineHeader header;
};
Result<PlanChoice> choose_plan(const ModelManifest& manifest,
                               const std::filesystem::path& engines_dir, std::string_view here);

// Whether a folder has any engine of kind kEngineTensorRt of a model of this name.
bool has_plan_of(const std::string& model, const std::filesystem::path& engines_dir);

}  // namespace tidewatch

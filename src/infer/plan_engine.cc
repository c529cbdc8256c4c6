// SPDX-License-Identifier: Apache-2.0
#include "infer/plan_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "infer/tensorrt/tensorrt_backend.h"

namespace tidewatch {
namespace {

std::string name_of(const std::filesystem::path& file) { return file.filename().string(); }

}  // namespace

Status check_plan_bound_to(const EngineHeader& header, std::string_view here) {
  if (header.compatibility == here) return {};
  return Error{Code::kFailedPrecondition,
               fmt::format("built for '{}' ({}), but this machine has '{}'; build it again here "
                           "with `tidewatch build-engine --backend tensorrt`",
                           header.compatibility, header.shapes, here)};
}

Result<std::unique_ptr<Backend>> load_plan_engine(const std::filesystem::path& file,
                                                  const EngineHeader& header,
                                                  const ModelManifest& manifest,
                                                  const BackendOptions& options) {
  TRY_ASSIGN(const std::string here, tensorrt_compatibility());
  TRY(check_plan_bound_to(header, here));
  TRY_ASSIGN(const std::string plan, read_engine_section(file, header, "plan"));
  return load_tensorrt_plan(manifest, std::as_bytes(std::span(plan)), header.precision, options);
}

Result<PlanChoice> choose_plan(const ModelManifest& manifest,
                               const std::filesystem::path& engines_dir, std::string_view here) {
  std::vector<PlanChoice> fitting;
  std::string passed_over;
  const auto pass_over = [&](const std::filesystem::path& file, std::string_view why) {
    passed_over += fmt::format("; {}: {}", name_of(file), why);
  };
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(engines_dir, unreadable)) {
    if (entry.path().extension() != ".engine") continue;
    Result<EngineHeader> header = read_engine_header(entry.path());
    if (!header) {
      pass_over(entry.path(), header.error().message);
    } else if (header->kind != kEngineTensorRt || header->manifest.name != manifest.name) {
      continue;  // another backend's, or another model's
    } else if (const Status fits = check_engine_fits(*header, manifest); !fits) {
      pass_over(entry.path(), fits.error().message);
    } else if (header->manifest.weights.sha256 != manifest.weights.sha256) {
      pass_over(entry.path(), "made of other weights");
    } else if (const Status bound = check_plan_bound_to(*header, here); !bound) {
      pass_over(entry.path(), bound.error().message);
    } else {
      fitting.push_back({entry.path(), std::move(*header)});
    }
  }
  if (fitting.empty()) {
    return Error{
        Code::kNotFound,
        fmt::format("no TensorRT engine of model '{}' for '{}' in {}{}. Build one: "
                    "tidewatch build-engine --backend tensorrt --model {} --precision "
                    "fp16 --output {} (encoders alone: `fast` is for the CPU)",
                    manifest.name, here,
                    engines_dir.empty() ? "no folder (--engines-dir)" : engines_dir.string(),
                    passed_over, manifest.name,
                    (engines_dir / (manifest.name + "-fp16.engine")).string())};
  }
  return *std::max_element(fitting.begin(), fitting.end(),
                           [](const PlanChoice& a, const PlanChoice& b) {
                             return a.header.built_at < b.header.built_at;
                           });
}

bool has_plan_of(const std::string& model, const std::filesystem::path& engines_dir) {
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(engines_dir, unreadable)) {
    if (entry.path().extension() != ".engine") continue;
    const Result<EngineHeader> header = read_engine_header(entry.path());
    if (header && header->kind == kEngineTensorRt && header->manifest.name == model) return true;
  }
  return false;
}

}  // namespace tidewatch

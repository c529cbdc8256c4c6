// SPDX-License-Identifier: Apache-2.0
#include "infer/backend_choice.h"

#include <fmt/format.h>

#include "infer/native/native_backend.h"

namespace tidewatch {

std::string_view backend_kind_name(BackendKind kind) noexcept {
  switch (kind) {
    case BackendKind::kNative:
      return "native";
    case BackendKind::kOpenVino:
      return "openvino";
    case BackendKind::kTensorRt:
      return "tensorrt";
    case BackendKind::kAuto:
      break;
  }
  return "auto";
}

Result<BackendKind> parse_backend_kind(std::string_view text) {
  for (const BackendKind kind :
       {BackendKind::kAuto, BackendKind::kNative, BackendKind::kOpenVino, BackendKind::kTensorRt}) {
    if (text == backend_kind_name(kind)) return kind;
  }
  return Error{Code::kInvalidArgument,
               fmt::format("backend '{}': must be auto, native, openvino or tensorrt", text)};
}

Result<std::unique_ptr<Backend>> load_backend(const ModelManifest& manifest,
                                              const BackendOptions& options) {
  if (options.kind == BackendKind::kNative) return load_native_backend(manifest, options);
  if (options.kind != BackendKind::kOpenVino && native::has_vector_kernel()) {
    auto backend = load_native_backend(manifest, options);
    if (backend) return backend;
  }
  return load_openvino_backend(manifest, options);
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "core/result.h"
#include "infer/backend.h"

namespace tidewatch {

std::string_view backend_kind_name(BackendKind kind) noexcept;  // "auto", "native", …
// kInvalidArgument lists what is allowed.
Result<BackendKind> parse_backend_kind(std::string_view text);

// Loads a model on the CPU, with the backend that options.kind asks for. kAuto and kTensorRt (whose
// plans ModelRegistry::load finds): our own kernels where there are some for this graph, this
// recipe and this processor (x86-64 with AVX2); everything else, and everything that they refuse,
// is OpenVINO's, whose errors then stand. What is taken depends on model and machine alone, never
// on a measurement.
Result<std::unique_ptr<Backend>> load_backend(const ModelManifest& manifest,
                                              const BackendOptions& options);

}  // namespace tidewatch

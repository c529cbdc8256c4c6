// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "infer/tensorrt/library.h"

namespace tidewatch::tensorrt {

// What plan_library.cc makes of an opened libnvinfer; `nvinfer` and `parser` (null: none) are
// dlopen's, `version` is what getInferLibVersion() said.
std::unique_ptr<Library> make_library_10(void* nvinfer, void* parser, std::string version);
std::unique_ptr<Library> make_library_11(void* nvinfer, void* parser, std::string version);

}  // namespace tidewatch::tensorrt

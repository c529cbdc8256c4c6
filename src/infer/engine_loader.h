// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>

#include "core/result.h"
#include "infer/model_registry.h"

namespace tidewatch {

// Whether the workers of `served` can go on with `next`: it must take as many runs at once and
// texts as long. kFailedPrecondition names both sides.
Status check_takes_place(const Model& next, const Model& served);

// Loads an engine beside whatever is served: checks that it fits `served` (check_engine_fits), that
// it is whole, and that this machine can run it. A kOnnx engine is unpacked into a temporary folder
// (TMPDIR) that is gone when this returns.
// Threads: concurrent calls are fine; blocks for up to seconds. Errors: those of engine_file.h and
// of the backend; kFailedPrecondition names both sides of what the payload is bound to.
Result<std::shared_ptr<const Model>> load_engine(ModelRegistry& registry,
                                                 const std::filesystem::path& file,
                                                 const Model& served);

}  // namespace tidewatch

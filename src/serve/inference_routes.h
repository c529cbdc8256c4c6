// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "serve/answer.h"
#include "serve/engine.h"
#include "serve/router.h"

namespace tidewatch {

// The routes of the Open Inference Protocol that only look something up: server, health, model,
// configuration, statistics. Cheap: never blocks. Errors are problems (see as_inference_error).
Answer inference_answer(Engine& engine, const RouteMatch& match);

// POST /v2/repository/…: the index, or loading and unloading a model. May block for seconds.
Result<std::string> repository_answer(Engine& engine, const RouteMatch& match,
                                      const std::string& body);

}  // namespace tidewatch

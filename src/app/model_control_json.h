// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "app/model_control.h"
#include "serve/engine.h"

namespace tidewatch {

// The HTTP side of ModelControl (docs/api.md): reads the request, does what it asks, writes the
// answer. An unknown member of a request is an error, so that a typing mistake is seen. Blocks.
ControlAnswer answer_control(ModelControl& control, const LabelSchema& labels, ModelAction action,
                             const std::string& model, std::string_view request_json);

nlohmann::ordered_json canary_json(const CanaryReport& report, const LabelSchema& labels);

}  // namespace tidewatch

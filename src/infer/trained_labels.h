// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "core/result.h"

namespace tidewatch {

struct ModelManifest;

// What a weights file says of itself (ONNX metadata_props), by key.
using WeightsMetadata = std::map<std::string, std::string, std::less<>>;

// A manifest that lists labels in another order than the weights were trained with would make every
// answer wrong without a sign of it. The exporter therefore writes the labels of each task into
// the weights, under "tidewatch.labels." and the task's name, one a line. kInvalidArgument names
// the task, the first place that differs and what stands there in either. Weights that say nothing
// of a task (made by another exporter) cannot be checked and pass.
Status check_trained_labels(const ModelManifest& manifest, const WeightsMetadata& metadata);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/result.h"

namespace tidewatch {

// How often the classifier is right, as rates that the count-level benchmark needs.
struct Confusion {
  double negative_found = 1;  // share of negative posts that are called negative
  double negative_wrong = 0;  // share of other posts that are called negative
  double topic_right = 1;     // share of posts that get their own topic; the rest get any other
  std::string source = "none: true labels";
};

// Reads a model's metrics.json: all its emotion sets together (angry, fear and sad are negative;
// labels in alphabetical order, as the models have them) and its topic set.
Result<Confusion> read_confusion(const std::string& path);

// The bundled `fast` model, version 2026.11.2, as its metrics.json has it.
Confusion measured_confusion();

}  // namespace tidewatch

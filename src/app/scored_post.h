// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "infer/scored_post.h"
#include "infer/scores.h"
#include "store/stored_post.h"

namespace tidewatch {

// A stored post as the engine counted it. Labels go by name, so that a model swap since then does
// not matter; one that `labels` does not have is kNoLabel. Pure.
ScoredPost scored_post(const StoredPost& stored, const LabelSchema& labels);

}  // namespace tidewatch

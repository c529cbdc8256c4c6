// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "core/result.h"
#include "infer/backend.h"

namespace tidewatch {

// What every backend asks of a run before it looks at a text: kInvalidArgument for an instance or a
// number of texts outside `shapes`, or another number of scores than of texts.
Status check_batch(const BackendShapes& shapes, std::size_t instance, const RaggedBatch& batch,
                   std::size_t num_scores);

// kInvalidArgument for a text without ids or with more than shapes.tokens_max, and for one that
// ends behind the batch.
Status check_text_lengths(const BackendShapes& shapes, const RaggedBatch& batch);

// The same, and for an id that is negative or not below `vocabulary`.
Status check_ids(const BackendShapes& shapes, const RaggedBatch& batch, std::size_t vocabulary);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "infer/batch_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace tidewatch {

Status check_batch(const BackendShapes& shapes, std::size_t instance, const RaggedBatch& batch,
                   std::size_t num_scores) {
  if (instance < shapes.instances && num_scores == batch.size() &&
      batch.size() <= shapes.batch_max) {
    return {};
  }
  return Error{Code::kInvalidArgument,
               fmt::format("batch of {} texts for instance {}: this backend takes {} texts on {} "
                           "instances",
                           batch.size(), instance, shapes.batch_max, shapes.instances)};
}

Status check_text_lengths(const BackendShapes& shapes, const RaggedBatch& batch) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t begin = batch.offsets[i];
    const std::size_t end = batch.offsets[i + 1];
    if (end <= begin || end - begin > shapes.tokens_max || end > batch.ids.size()) {
      return Error{Code::kInvalidArgument,
                   fmt::format("a text of {} ids: 1 to {} are taken", end < begin ? 0 : end - begin,
                               shapes.tokens_max)};
    }
  }
  return {};
}

Status check_ids(const BackendShapes& shapes, const RaggedBatch& batch, std::size_t vocabulary) {
  TRY(check_text_lengths(shapes, batch));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t begin = batch.offsets[i];
    std::uint32_t most = 0;  // a negative id is a large one
    for (const std::int32_t id : batch.ids.subspan(begin, batch.offsets[i + 1] - begin)) {
      most = std::max(most, static_cast<std::uint32_t>(id));
    }
    if (most < vocabulary) continue;
    return Error{Code::kInvalidArgument, fmt::format("id {} is outside the vocabulary of {}",
                                                     static_cast<std::int32_t>(most), vocabulary)};
  }
  return {};
}

}  // namespace tidewatch

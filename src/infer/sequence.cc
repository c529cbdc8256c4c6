// SPDX-License-Identifier: Apache-2.0
#include "infer/sequence.h"

#include <fmt/format.h>

#include <limits>

namespace tidewatch {

Status decode_sequence(const SequenceTask& task, std::span<const float> emissions,
                       ViterbiScratch& scratch, TokenLabels& labels) {
  const std::size_t width = task.labels.size();
  labels.clear();
  if (emissions.size() % width != 0) {
    return Error{Code::kInternal, fmt::format("output '{}' gave {} scores for {} labels",
                                              task.output, emissions.size(), width)};
  }
  labels.resize(emissions.size() / width);
  if (task.decoder == SequenceDecoder::kArgmax) {
    argmax_decode(width, emissions, labels);
    return {};
  }
  const float score =
      viterbi_decode({task.transitions, task.start, task.end}, emissions, scratch, labels);
  if (score == -std::numeric_limits<float>::infinity()) {
    const std::size_t tokens = labels.size();
    labels.clear();
    return Error{Code::kInternal,
                 fmt::format("sequence '{}': its transitions forbid every labelling of {} tokens",
                             task.name, tokens)};
  }
  return {};
}

}  // namespace tidewatch

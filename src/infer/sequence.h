// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "infer/viterbi.h"

namespace tidewatch {

enum class SequenceDecoder : std::uint8_t { kArgmax, kViterbi };

// A task that labels every token of a text, as a manifest describes it. A plain value.
struct SequenceTask {
  std::string name;
  std::string output;               // name of the graph's output, scores [batch, seq, labels]
  std::vector<std::string> labels;  // 1 to kViterbiLabelsMax
  SequenceDecoder decoder = SequenceDecoder::kArgmax;
  // kViterbi only; sizes and meaning as in ViterbiScores.
  std::vector<float> transitions;
  std::vector<float> start;
  std::vector<float> end;
};

// The labels (indexes) of one text's tokens, without [CLS] and [SEP].
using TokenLabels = std::vector<std::uint8_t>;

// Labels the tokens of one text from its row of the output: `emissions` is [tokens, labels],
// [CLS] and [SEP] cut off. kInternal when the task's transitions forbid every path of this length,
// or the output's size does not fit (`labels` then empty).
Status decode_sequence(const SequenceTask& task, std::span<const float> emissions,
                       ViterbiScratch& scratch, TokenLabels& labels);

}  // namespace tidewatch

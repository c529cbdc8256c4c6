// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tidewatch {

inline constexpr std::size_t kViterbiLabelsMax = 255;  // a label is one byte

// What a sequence of labels costs besides its emissions: log scores, FP32, row-major. -infinity
// forbids. Borrowed: the spans must outlive the calls.
struct ViterbiScores {
  std::span<const float> transitions;  // [labels, labels], from row to column
  std::span<const float> start;        // [labels], of the first token's label
  std::span<const float> end;          // [labels], of the last token's label
  std::size_t labels() const noexcept { return start.size(); }
};

// Buffers of a decoder, kept by the caller between calls; grow to the longest text seen, about
// (tokens + 8) * labels bytes. One for each thread.
struct ViterbiScratch {
  std::vector<float> score;             // [2, labels]: of the best path to each label
  std::vector<std::uint8_t> came_from;  // [tokens, labels]
};

// Writes the best path through `emissions` ([tokens, labels], row-major) to `path` ([tokens]) and
// returns its score: start + emissions + transitions + end, added from the first token to the last.
//
//   A. J. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding
//   algorithm", IEEE Trans. Inf. Theory 13(2), 1967; G. D. Forney, "The Viterbi algorithm",
//   Proc. IEEE 61(3), 1973.
//
// Ties go to the earlier label, decided from the last token backwards. When every path is
// forbidden the score is -infinity and the path is all zeros. No tokens: 0 and an empty path.
// Needs 1 to kViterbiLabelsMax labels, no NaN and no +infinity. O(tokens * labels^2); allocates
// only where the scratch is too small.
float viterbi_decode(const ViterbiScores& scores, std::span<const float> emissions,
                     ViterbiScratch& scratch, std::span<std::uint8_t> path);

// The best label of each token by itself: what a decoder without transitions answers. Returns the
// sum of their scores. Ties go to the earlier label.
float argmax_decode(std::size_t labels, std::span<const float> emissions,
                    std::span<std::uint8_t> path) noexcept;

}  // namespace tidewatch

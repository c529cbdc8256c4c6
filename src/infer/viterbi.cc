// SPDX-License-Identifier: Apache-2.0
#include "infer/viterbi.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace tidewatch {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

}  // namespace

float viterbi_decode(const ViterbiScores& scores, std::span<const float> emissions,
                     ViterbiScratch& scratch, std::span<std::uint8_t> path) {
  const std::size_t labels = scores.labels();
  const std::size_t tokens = path.size();
  assert(labels > 0 && labels <= kViterbiLabelsMax && emissions.size() == tokens * labels);
  assert(scores.transitions.size() == labels * labels && scores.end.size() == labels);
  if (tokens == 0) return 0;
  if (scratch.score.size() < 2 * labels) scratch.score.resize(2 * labels);
  if (scratch.came_from.size() < tokens * labels) scratch.came_from.resize(tokens * labels);
  std::span<float> reached{scratch.score.data(), labels};
  std::span<float> next{scratch.score.data() + labels, labels};

  for (std::size_t to = 0; to < labels; ++to) reached[to] = scores.start[to] + emissions[to];
  for (std::size_t t = 1; t < tokens; ++t) {
    std::uint8_t* came_from = &scratch.came_from[t * labels];
    for (std::size_t to = 0; to < labels; ++to) {
      float best = kForbidden;
      std::uint8_t from_best = 0;
      for (std::size_t from = 0; from < labels; ++from) {
        const float score = reached[from] + scores.transitions[from * labels + to];
        if (score > best) {
          best = score;
          from_best = static_cast<std::uint8_t>(from);
        }
      }
      next[to] = best + emissions[t * labels + to];
      came_from[to] = from_best;
    }
    std::swap(reached, next);
  }

  float best = kForbidden;
  std::uint8_t label = 0;
  for (std::size_t last = 0; last < labels; ++last) {
    const float score = reached[last] + scores.end[last];
    if (score > best) {
      best = score;
      label = static_cast<std::uint8_t>(last);
    }
  }
  if (best == kForbidden) {
    std::fill(path.begin(), path.end(), std::uint8_t{0});
    return best;
  }
  for (std::size_t t = tokens; t-- > 0;) {
    path[t] = label;
    if (t > 0) label = scratch.came_from[t * labels + label];
  }
  return best;
}

float argmax_decode(std::size_t labels, std::span<const float> emissions,
                    std::span<std::uint8_t> path) noexcept {
  assert(labels > 0 && labels <= kViterbiLabelsMax && emissions.size() == path.size() * labels);
  float sum = 0;
  for (std::size_t t = 0; t < path.size(); ++t) {
    const auto row = emissions.subspan(t * labels, labels);
    const auto best = std::max_element(row.begin(), row.end());
    path[t] = static_cast<std::uint8_t>(best - row.begin());
    sum += *best;
  }
  return sum;
}

}  // namespace tidewatch

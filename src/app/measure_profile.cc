// SPDX-License-Identifier: Apache-2.0
#include "app/measure_profile.h"

#include <algorithm>
#include <vector>

namespace tidewatch {
namespace {

constexpr std::size_t kBatches[] = {1, 8, 32};

// One run of `count` texts of `tokens` ids each; nothing when it failed.
bool run_once(const Model& model, std::size_t tokens, std::size_t count) {
  const std::size_t words = std::clamp<std::size_t>(model.manifest.vocabulary_size, 1, 1'000);
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets{0};
  for (std::size_t text = 0; text < count; ++text) {
    for (std::size_t i = 0; i < tokens; ++i) {
      ids.push_back(static_cast<std::int32_t>((text * 31 + i * 7) % words));
    }
    offsets.push_back(static_cast<std::uint32_t>(ids.size()));
  }
  std::vector<Scores> scores(count);
  return model.backend->run(0, {ids, offsets}, scores).ok();
}

}  // namespace

void measure_profile(const Model& model, LatencyProfile& profile, const Clock& clock,
                     std::chrono::milliseconds budget) {
  const BackendShapes& shapes = model.backend->shapes();
  const SteadyTime end = clock.steady_now() + budget;
  for (const std::uint32_t bound : kBucketTokens) {
    const std::size_t tokens = std::min<std::size_t>(bound * 3 / 4, shapes.tokens_max);
    for (const std::size_t count : kBatches) {
      if (count > shapes.batch_max) break;
      // Twice, the faster counts: the first run of a shape may set something up.
      std::chrono::nanoseconds best = std::chrono::nanoseconds::max();
      for (int attempt = 0; attempt < 2; ++attempt) {
        const SteadyTime started = clock.steady_now();
        if (!run_once(model, tokens, count)) return;
        best = std::min<std::chrono::nanoseconds>(best, clock.steady_now() - started);
        if (clock.steady_now() > end) break;
      }
      profile.measured(tokens, count, best);
      if (clock.steady_now() > end) return;
    }
  }
}

}  // namespace tidewatch

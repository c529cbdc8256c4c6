// SPDX-License-Identifier: Apache-2.0
#include "batch/batch_policy.h"

#include <algorithm>

namespace tidewatch {

BatchDecision decide_batch(const BatchPolicyOptions& options, const QueueView& view,
                           SteadyTime now) noexcept {
  BatchDecision decision;
  std::int64_t most_urgent = 0;
  std::size_t depth = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const BucketView& bucket = view[i];
    if (bucket.depth == 0) continue;
    depth += bucket.depth;
    const bool has_minimum = bucket.depth >= options.batch_min;
    const SteadyTime waited_until =
        bucket.oldest +
        (has_minimum ? std::min(options.window, options.fallback) : options.fallback);
    const SteadyTime start_by =
        bucket.start_by == SteadyTime::max() ? bucket.start_by : bucket.start_by - options.safety;
    const SteadyTime due_at = std::min(waited_until, start_by);
    if (bucket.depth >= options.batch_max || now >= due_at) {
      const bool first = decision.kind == BatchDecision::Kind::kWait;
      if (first || bucket.urgency < most_urgent) {
        decision.kind = BatchDecision::Kind::kFlush;
        decision.bucket = i;
        decision.count = std::min(bucket.depth, options.batch_max);
        most_urgent = bucket.urgency;
      }
    } else if (!decision.has_wake || due_at < decision.wake) {
      decision.has_wake = true;
      decision.wake = due_at;
    }
  }
  if (options.mixes_lengths && decision.kind == BatchDecision::Kind::kFlush) {
    decision.count = std::min(depth, options.batch_max);
  }
  return decision;
}

}  // namespace tidewatch

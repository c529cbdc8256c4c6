// SPDX-License-Identifier: Apache-2.0
#include "batch/batch_policy.h"

#include <algorithm>

namespace tidewatch {

std::size_t bucket_for(std::size_t tokens) noexcept {
  std::size_t bucket = 0;
  while (bucket + 1 < kBuckets && tokens > kBucketTokens[bucket]) ++bucket;
  return bucket;
}

BatchDecision decide_batch(const BatchPolicyOptions& options, const QueueView& view,
                           SteadyTime now) noexcept {
  BatchDecision decision;
  SteadyTime oldest_due{};
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const BucketView& bucket = view[i];
    if (bucket.depth == 0) continue;
    const bool has_minimum = bucket.depth >= options.batch_min;
    const SteadyTime due_at =
        bucket.oldest +
        (has_minimum ? std::min(options.window, options.fallback) : options.fallback);
    const bool due = bucket.depth >= options.batch_max || now >= due_at;
    if (due) {
      const bool first = decision.kind == BatchDecision::Kind::kWait;
      if (first || bucket.oldest < oldest_due) {
        decision.kind = BatchDecision::Kind::kFlush;
        decision.bucket = i;
        decision.count = std::min(bucket.depth, options.batch_max);
        oldest_due = bucket.oldest;
      }
    } else if (!decision.has_wake || due_at < decision.wake) {
      decision.has_wake = true;
      decision.wake = due_at;
    }
  }
  return decision;
}

}  // namespace tidewatch

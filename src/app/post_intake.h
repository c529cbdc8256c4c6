// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

#include "app/pipeline.h"
#include "app/stage_times.h"
#include "core/clock.h"
#include "ingest/post_rules.h"
#include "observe/metrics.h"
#include "serve/engine.h"

namespace tidewatch {

// Takes posts that came in batches (gRPC) for the pipeline: checks, admits, and gathers what became
// of each. The twin of ndjson_session.h. When the pipeline is full the batch's posts from that one
// on are refused, with the time after which there should be room.
// Ownership: everything passed by reference must outlive it and the posts it admitted.
// Threads: take() may be called concurrently; `done` is called on the store writer's thread, or
// within take() when nothing was admitted.
class PostIntake {
 public:
  PostIntake(const DecodeLimits& limits, const Clock& clock, FreshIds& fresh_ids,
             Pipeline& pipeline, Metrics& metrics, StageTimes& times);

  void take(PostBatch batch, std::function<void(PostBatchResult)> done);

 private:
  class Tally;
  // How long until the pipeline has room for so many posts, by what it did of late.
  std::chrono::milliseconds predicted_wait(std::size_t posts);

  const PostRules rules_;
  const Clock& clock_;
  Pipeline& pipeline_;
  Metrics& metrics_;
  StageTimes& times_;
  // Posts a second of late, looked up at most every kRateAge: a refusal must stay cheap.
  std::atomic<double> rate_{0};
  std::atomic<std::int64_t> rate_at_ns_{0};
};

}  // namespace tidewatch

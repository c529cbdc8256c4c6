// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/clock.h"
#include "core/ids.h"
#include "infer/scores.h"
#include "ingest/post.h"

namespace tidewatch {

// A post with its scores, ready to be stored and counted.
struct ScoredPost {
  Post post;
  Scores scores;
  std::uint64_t text_hash = 0;  // as in TokenizedPost; 0 for an empty text
  Sequence sequence;            // set by the store when it is written; 0 before
  SteadyTime received_at{};
  bool from_cache = false;  // scores were taken from the result cache
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "ingest/post.h"

namespace tidewatch {

// A post with its token ids. `token_ids` is empty when the text is (nothing to classify),
// else [CLS] … [SEP], at most the model's max length.
struct TokenizedPost {
  Post post;
  std::vector<std::int32_t> token_ids;
  std::uint64_t text_hash = 0;  // XXH3-64 of token_ids: equal for texts equal once normalised
  SteadyTime received_at{};     // when its line was complete; latency runs from here
};

}  // namespace tidewatch

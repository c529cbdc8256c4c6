// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/clock.h"
#include "core/result.h"
#include "serve/engine.h"
#include "store/store.h"

namespace tidewatch {

// What a request of GET /v1/posts or GET /v1/posts/summary asks for (docs/api.md), but for its
// limit and cursor. Times: RFC 3339, Unix seconds, or 90, 30m, 24h, 7d before `now`.
Result<PostQuery> read_post_query(const Engine::Params& params,
                                  std::shared_ptr<const SearchNames> names, EventTime now);

// The HTTP side of searches. Errors name the parameter; those of `q` the column and the remedy.
Result<std::string> answer_posts(Store& store, const Engine::Params& params,
                                 std::shared_ptr<const SearchNames> names, const Clock& clock);
Result<std::string> answer_posts_summary(Store& store, const Engine::Params& params,
                                         std::shared_ptr<const SearchNames> names,
                                         const Clock& clock);

}  // namespace tidewatch

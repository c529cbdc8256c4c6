// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "core/result.h"
#include "store/post_search.h"
#include "store/reader.h"
#include "store/stored_post.h"

namespace tidewatch {

// See Store::summary. At most kSummaryPostsMax posts are read: all that the query finds, or, when
// those are more, the ones in pieces of the sequence spread evenly over all of it; then the counts
// are those of the sample, scaled up. When a fifth of the reader's time is gone, what was looked at
// so far is the sample.
inline constexpr std::size_t kSummaryPostsMax = 10'000;
Result<PostSummary> summarise_posts(Reader& reader, const PostQuery& query, std::size_t buckets,
                                    const SearchPlace& place);

}  // namespace tidewatch

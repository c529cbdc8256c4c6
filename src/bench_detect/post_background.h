// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "infer/scored_post.h"

namespace tidewatch {

// Background posts with texts, in order of event time, without an end and without events.
// Their ids begin with kBackgroundId, those of the made-up stream's advertisements (one text by a
// dozen accounts: truly copy-paste) with kAdvertId. Not thread-safe.
class PostBackground {
 public:
  static constexpr std::string_view kBackgroundId = "b", kAdvertId = "s";

  virtual ~PostBackground() = default;
  // Replaces `post` by the next one.
  virtual void next(ScoredPost& post) = 0;
};

// Topics and emotions of the bundled models.
LabelSchema post_trial_labels();

// Posts of the simulator, with its daily rhythm and its own labels.
std::unique_ptr<PostBackground> made_up_posts(std::uint64_t seed, double posts_per_second);

// Posts of a file (one JSON object a line as for `replay`; gzip and zstd are unpacked) in an order
// drawn from the seed, so that the bursts they came in are broken up, at random times of one rate,
// over and over again. Kept are text, author, region and cascade. Without a model the topic is
// drawn from the cascade (or the text), a quarter of the texts is negative.
// Bound: the first kPostsOfFileMax posts are held in memory, some 500 bytes each.
// kInvalidArgument: fewer than 1,000 posts, or a line that is none, by its number.
inline constexpr std::size_t kPostsOfFileMax = 1'000'000;
Result<std::unique_ptr<PostBackground>> posts_of_file(const std::string& path, std::uint64_t seed,
                                                      double posts_per_second);

}  // namespace tidewatch

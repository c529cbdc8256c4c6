// SPDX-License-Identifier: Apache-2.0
#include "app/scored_post.h"

#include <algorithm>
#include <string>
#include <vector>

namespace tidewatch {
namespace {

std::uint8_t label_index(const std::vector<std::string>& labels, const std::string& name) {
  const auto it = std::find(labels.begin(), labels.end(), name);
  return it == labels.end() ? kNoLabel : static_cast<std::uint8_t>(it - labels.begin());
}

}  // namespace

ScoredPost scored_post(const StoredPost& stored, const LabelSchema& labels) {
  ScoredPost post;
  post.post = stored.post;
  post.sequence = stored.sequence;
  post.text_hash = stored.text_hash;
  post.scores.emotion = label_index(labels.emotions, stored.emotion);
  post.scores.topic = label_index(labels.topics, stored.topic);
  if (post.scores.topic != kNoLabel) {
    post.scores.topic_prob[post.scores.topic] = stored.topic_probability;
  }
  return post;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "app/live_feed.h"

#include <utility>

#include "app/engine_api.h"

namespace tidewatch {

void LiveFeed::set_labels(LabelSchema labels) {
  MutexLock lock(mu_);
  labels_ = std::move(labels);
}

void LiveFeed::connect(LiveEvents* live, AlertEvents* alerts) {
  MutexLock lock(mu_);
  live_ = live;
  alerts_ = alerts;
}

void LiveFeed::alert(const AlertUpdate& update) {
  MutexLock lock(mu_);
  if (alerts_ != nullptr) alerts_->publish_alert(event_name(update.event), update.alert);
  if (live_ == nullptr) return;
  live_->publish("alert", alert_dedupe_key(update.alert, update.event, "live"),
                 to_json(update.alert, update.event));
}

void LiveFeed::stored(std::span<const CommittedPost> posts) {
  MutexLock lock(mu_);
  if (live_ == nullptr) return;
  const SteadyTime now = clock_.steady_now();
  if (now - second_start_ >= std::chrono::seconds{1}) {
    second_start_ = now;
    sampled_ = 0;
  }
  for (const CommittedPost& committed : posts) {
    if (sampled_ >= kPostsPerSecond) return;
    if (committed.post.post.text.empty()) continue;  // a bare repost has nothing to read
    ++sampled_;
    live_->publish("post", "", post_json(committed.post, labels_));
  }
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "alert/alert_manager.h"
#include "detect/post_watch.h"

namespace tidewatch {

// Shows an AlertManager what a PostWatch knows of a key. `watch` must outlive it; called under the
// lock that its owner keeps around it.
class WatchEvidence final : public EvidenceSource {
 public:
  explicit WatchEvidence(const PostWatch& watch) : watch_(watch) {}

  std::vector<EvidencePost> evidence(KeyId key, std::size_t count_max,
                                     bool negative_first) override {
    return watch_.evidence(key, count_max, negative_first);
  }
  WaveShape shape(KeyId key, std::int64_t since) override {
    return watch_.aggregator().shape(key, since);
  }

 private:
  const PostWatch& watch_;
};

}  // namespace tidewatch

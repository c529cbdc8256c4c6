// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/post_watch.h"

#include <utility>

namespace tidewatch {

PostWatch::PostWatch(const LabelSchema& labels, std::shared_ptr<const RuleMatcher> rules)
    : aggregator_({}, labels), discovery_({}), detector_({}), alerts_({}, labels, *this) {
  aggregator_.set_observer(&discovery_);
  aggregator_.set_rules(std::move(rules));
}

void PostWatch::add(const ScoredPost& post, std::vector<AlertUpdate>& updates) {
  aggregator_.add(post, ticks_);
  digest(updates);
}

void PostWatch::finish(std::vector<AlertUpdate>& updates) {
  aggregator_.flush(ticks_);
  digest(updates);
}

void PostWatch::digest(std::vector<AlertUpdate>& updates) {
  if (ticks_.empty()) return;
  const auto names = [this](KeyId key) { return aggregator_.name(key); };
  for (Tick& tick : ticks_) {
    changes_.clear();
    leave_out_coordinated(tick);
    detector_.observe(tick, names, changes_);
    discovery_.advance(tick.second, changes_);
    if (!changes_.empty()) alerts_.on_changes(changes_, updates);
  }
  ticks_.clear();
  aggregator_.take_minutes();
}

std::vector<EvidencePost> PostWatch::evidence(KeyId key, std::size_t count_max,
                                              bool negative_first) {
  if (Discovery::owns(key)) return discovery_.evidence(key, count_max, negative_first);
  return aggregator_.evidence(
      key, count_max, negative_first ? EvidenceOrder::kNegativeFirst : EvidenceOrder::kNewest);
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "detect/post_watch.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "core/unix_time.h"

namespace tidewatch {

PostWatch::PostWatch(const Options& options, const LabelSchema& labels)
    : aggregator_(options.aggregate, labels),
      discovery_(options.discovery),
      detector_(options.detect) {
  aggregator_.set_observer(&discovery_);
}

void PostWatch::set_rules(std::shared_ptr<const RuleMatcher> rules) {
  const auto watermark = aggregator_.stats().watermark;
  std::map<std::pair<std::string, std::string>, std::int64_t> since;
  std::unordered_map<std::string, Detector::WatchedRule> by_name;
  for (std::size_t i = 0; rules != nullptr && i < rules->rules().size(); ++i) {
    const Rule& rule = rules->rules()[i];
    const auto before = rules_since_.find({rule.name, rule.query});
    const std::int64_t second = before != rules_since_.end() ? before->second
                                : watermark                  ? unix_seconds(*watermark)
                                            : std::numeric_limits<std::int64_t>::min() / 2;
    since[{rule.name, rule.query}] = second;
    by_name[rule.name] = {second, rules->fixes_negative(i)};
  }
  rules_since_ = std::move(since);
  detector_.watch_rules(std::move(by_name));
  aggregator_.set_rules(std::move(rules));
}

void PostWatch::add(const ScoredPost& post, const Visit& visit) {
  aggregator_.add(post, ticks_);
  if (!ticks_.empty()) digest(visit);
}

void PostWatch::advance_to(EventTime now, const Visit& visit) {
  aggregator_.advance_to(now, ticks_);
  digest(visit);
  pass_silence(visit);
}

void PostWatch::flush(const Visit& visit) {
  aggregator_.flush(ticks_);
  digest(visit);
  pass_silence(visit);
}

std::vector<EvidencePost> PostWatch::evidence(KeyId key, std::size_t count_max,
                                              bool negative_first) const {
  if (Discovery::owns(key)) return discovery_.evidence(key, count_max, negative_first);
  return aggregator_.evidence(
      key, count_max, negative_first ? EvidenceOrder::kNegativeFirst : EvidenceOrder::kNewest);
}

void PostWatch::digest(const Visit& visit) {
  for (Tick& tick : ticks_) {
    changes_.clear();
    if (on_tick_) on_tick_(tick);
    leave_out_coordinated(tick);
    told_until_ = tick.second;
    detector_.observe(tick, names(), changes_);
    discovery_.advance(tick.second, changes_);
    if (!changes_.empty()) visit(changes_);
  }
  ticks_.clear();
}

void PostWatch::pass_silence(const Visit& visit) {
  const auto watermark = aggregator_.stats().watermark;
  if (!watermark) return;
  changes_.clear();
  const std::int64_t second = std::max(told_until_, unix_seconds(*watermark) - 1);
  detector_.advance(second, names(), changes_);
  discovery_.advance(second, changes_);
  if (!changes_.empty()) visit(changes_);
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/aggregator.h"
#include "detect/detector.h"
#include "detect/discovery.h"

namespace tidewatch {

// From classified posts to changes, the one arrangement that the engine, the preview of a rule and
// the detection benchmark share:
//   ScoredPost ─► Aggregator ─► Tick ─► Detector  ─► Change
//                     └───── Discovery ─────────────┘
// Ticks are looked at as soon as they come, so that evidence never holds posts of much later
// seconds and changes do not depend on how posts were grouped. Threads: none; not thread-safe.
// Deterministic: the same calls give the same changes.
class PostWatch {
 public:
  struct Options {
    AggregateOptions aggregate;
    DetectOptions detect;
    Discovery::Options discovery;
  };
  // Takes the changes of one second, in order of `at`; called only when there are some.
  using Visit = std::function<void(std::span<const Change>)>;

  PostWatch(const Options& options, const LabelSchema& labels);
  PostWatch(const PostWatch&) = delete;
  PostWatch& operator=(const PostWatch&) = delete;

  // Changes what rules are watched, from the next post counted on; null: none. Silence of a rule
  // that was not watched in these words before is known from now on only.
  void set_rules(std::shared_ptr<const RuleMatcher> rules);
  // Called with every tick, before its changes; empty: nobody.
  void on_tick(std::function<void(const Tick&)> on_tick) { on_tick_ = std::move(on_tick); }

  // Takes a post in the order of arrival.
  void add(const ScoredPost& post, const Visit& visit);
  // Tells the wall clock (see Aggregator::advance_to), and what ended in silence by then.
  void advance_to(EventTime now, const Visit& visit);
  // Ends a file, likewise.
  void flush(const Visit& visit);

  // Recent posts behind a change's key, whoever found it.
  std::vector<EvidencePost> evidence(KeyId key, std::size_t count_max, bool negative_first) const;

  Aggregator& aggregator() { return aggregator_; }
  const Aggregator& aggregator() const { return aggregator_; }
  Detector& detector() { return detector_; }
  const Detector& detector() const { return detector_; }

 private:
  void digest(const Visit& visit);
  void pass_silence(const Visit& visit);
  Detector::KeyNames names() const {
    return [this](KeyId key) { return aggregator_.name(key); };
  }

  Aggregator aggregator_;
  Discovery discovery_;
  Detector detector_;
  std::function<void(const Tick&)> on_tick_;
  // By name and query: the second (Unix) from which the rule is watched.
  std::map<std::pair<std::string, std::string>, std::int64_t> rules_since_;
  std::int64_t told_until_ = INT64_MIN;  // the second of the newest tick
  std::vector<Tick> ticks_;              // scratch
  std::vector<Change> changes_;          // scratch
};

}  // namespace tidewatch

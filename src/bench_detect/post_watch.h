// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "aggregate/aggregator.h"
#include "alert/alert_manager.h"
#include "detect/detector.h"
#include "detect/discovery.h"

namespace tidewatch {

// The stages between a classified post and an alert, arranged as the engine arranges them
// (app/counting.cc) with its default settings, without store and threads:
//   ScoredPost ─► Aggregator ─► Discovery, Detector ─► AlertManager ─► AlertUpdate
// Threads: none; not thread-safe. Deterministic.
class PostWatch final : private EvidenceSource {
 public:
  // `rules`: watched from the beginning; null: none.
  PostWatch(const LabelSchema& labels, std::shared_ptr<const RuleMatcher> rules);
  PostWatch(const PostWatch&) = delete;
  PostWatch& operator=(const PostWatch&) = delete;
  ~PostWatch() override = default;

  // Takes a post in the order of arrival; appends what is told because of the seconds it closes.
  void add(const ScoredPost& post, std::vector<AlertUpdate>& updates);
  // Ends the stream.
  void finish(std::vector<AlertUpdate>& updates);

  AggregateStats stats() const { return aggregator_.stats(); }

 private:
  std::vector<EvidencePost> evidence(KeyId key, std::size_t count_max,
                                     bool negative_first) override;
  void digest(std::vector<AlertUpdate>& updates);

  Aggregator aggregator_;
  Discovery discovery_;
  Detector detector_;
  AlertManager alerts_;
  std::vector<Tick> ticks_;
  std::vector<Change> changes_;
};

}  // namespace tidewatch

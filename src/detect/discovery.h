// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "detect/coordination.h"
#include "detect/emergent.h"

namespace tidewatch {

// What is found in the stream without being asked for: texts whose posting looks coordinated, and
// emergent topics among the other posts. Looks at posts as the aggregator counts them.
// Threads: none; not thread-safe. Deterministic; event time only.
class Discovery final : public PostObserver {
 public:
  struct Options {
    CoordinationOptions coordination;
    EmergentOptions emergent;
  };
  explicit Discovery(const Options& options)
      : coordination_(options.coordination), emergent_(options.emergent) {}

  bool on_counted(const ScoredPost& post, std::uint8_t emotion, bool negative) override;
  KeyId own_key() const override { return coordination_.last_key(); }
  // All seconds up to `second` have been counted; appends changes, with `at` = second (or, see
  // Emergent, later).
  void advance(std::int64_t second, std::vector<Change>& changes);

  // Whether a change's key is one of these rather than the aggregator's; its recent posts.
  static bool owns(KeyId key) { return Coordination::is_group(key) || Emergent::is_topic(key); }
  std::vector<EvidencePost> evidence(KeyId key, std::size_t count_max, bool negative_first) const;

  std::size_t memory_bytes() const {
    return coordination_.memory_bytes() + emergent_.memory_bytes();
  }

 private:
  Coordination coordination_;
  Emergent emergent_;
};

}  // namespace tidewatch

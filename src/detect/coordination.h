// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "aggregate/aggregator.h"
#include "aggregate/window_counts.h"
#include "detect/change.h"
#include "detect/copy_groups.h"
#include "infer/scored_post.h"

namespace tidewatch {

struct CoordinationOptions {
  CopyGroupOptions groups;
  std::uint32_t posts_min = 20;   // of one text, before anything is told
  std::uint32_t repeats_min = 4;  // posts by authors who had posted the text before
  std::uint32_t gaps_min = 24;    // before their regularity says anything
  std::uint32_t authors_min = 8;  // before authors shared with another text say anything
  double score_min = 0.5;
  std::size_t told_max = 256;  // coordinated groups told at once; beyond: not told, but counted
};

// How coordinated the posting of one text looks, 0 to 1: three signs, any of which suffices
// (1 minus the product of what they leave in doubt). What is told of organised posting (水军) on
// Weibo and elsewhere: few accounts that repeat a text, machine-like regular times, and the same
// accounts behind several texts (for the signs see D. Pacheco et al., "Uncovering Coordinated
// Networks on Social Media", ICWSM 2021; K.-C. Yang et al., "Scalable and Generalizable Social Bot
// Detection", AAAI 2020). A text that many people copy once each, as it comes, scores 0: that is a
// crowd, however uniform.
struct CoordinationSigns {
  double repetition = 0;  // share of posts by authors who had posted it, against 0.3
  double regularity = 0;  // how far the times between posts are from random ones
  double shared = 0;      // authors in common with another copied text
  double score() const { return 1 - (1 - repetition) * (1 - regularity) * (1 - shared); }
};
CoordinationSigns coordination_signs(const CopyGroup& group, const CoordinationOptions& options);

// Tells crowd from copy-paste: finds groups of near-equal texts (copy_groups.h) whose posting looks
// coordinated, tells them as kCoordinated changes, and says of each post whether it is one of them,
// so that such posts are counted without being taken for a crowd.
//
// The key of a group is `copy:MARK OPENING` (8 hex digits of its sketch, up to 16 characters);
// from_rate is 0, to_rate posts a minute, score the coordination score over score_min.
// Ownership: none. Threads: none; not thread-safe. Deterministic; event time only.
class Coordination final : public PostObserver {
 public:
  explicit Coordination(CoordinationOptions options);

  // True: the post is of a text whose posting looks coordinated by now, or may soon (a few authors
  // have posted it again, a tenth of its posts are such), or that no more people have copied than a
  // flood has accounts (its posts from the sixth on, until it has 65 authors, or 54 posts and no
  // author twice).
  bool on_counted(const ScoredPost& post, std::uint8_t emotion, bool negative) override;
  // Of the group that the last post counted belongs to; 0: none.
  KeyId last_key() const { return last_key_; }

  // Says that all seconds up to `second` have been counted. Appends changes, with `at` = second.
  void advance(std::int64_t second, std::vector<Change>& changes);

  // Whether an id is of a group; its recent posts, the newest first.
  static bool is_group(KeyId key) { return (key.value >> 62) == 2; }
  std::vector<EvidencePost> evidence(KeyId key, std::size_t count_max, bool negative_first) const;

  std::uint64_t posts() const { return posts_; }  // of coordinated groups
  std::size_t groups() const { return groups_.size(); }
  std::size_t memory_bytes() const { return groups_.memory_bytes(); }

 private:
  struct Told {
    std::uint64_t serial = 0;
    std::size_t place = 0;
    std::int64_t told_at = 0;
    std::uint32_t posts_told = 0;
    bool started = false;
  };

  void look_at(std::size_t place);
  void compare_authors(std::size_t place);
  Told* told(std::size_t place);
  Change change(const CopyGroup& group, ChangePhase phase, std::int64_t at) const;

  const CoordinationOptions options_;
  CopyGroups groups_;
  std::vector<Told> told_;            // flagged groups, by when they were; at most told_max
  std::vector<std::size_t> growing_;  // places of groups whose authors are compared
  std::int64_t swept_ = INT64_MIN;
  std::uint64_t posts_ = 0;
  KeyId last_key_{};
};

// Takes what came of coordinated groups out of a tick: what is left is the crowd that the detector
// is to judge. Posts and their emotions stay.
void leave_out_coordinated(Tick& tick);

}  // namespace tidewatch

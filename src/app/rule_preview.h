// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/rule_book.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "detect/post_watch.h"
#include "store/store.h"

namespace tidewatch {

// A wave that the rule would have had.
struct PreviewAlert {
  ChangeKind kind = ChangeKind::kVolume;
  EventTime onset_at{};
  EventTime opened_at{};
  std::optional<EventTime> closed_at;  // nothing: it goes on
  std::uint64_t posts = 0;             // of the rule, since the onset
  double score = 0;                    // the largest
  double from_rate = 0, to_rate = 0;   // as in Change, at the largest score
};

// What a rule would have counted and how often it would have fired.
struct RulePreview {
  EventTime since{}, until{};  // what was looked at; from the first post when that is later
  bool exact = true;           // false: there were more posts than are looked at
  std::uint64_t posts = 0;     // looked at
  std::uint64_t matches = 0;   // of them, those for which the rule holds
  std::chrono::seconds step{60};
  std::vector<std::uint64_t> histogram;  // matches by step from `since` on
  std::vector<PreviewAlert> alerts;      // oldest first
  std::vector<StoredPost> examples;      // newest matches, at most kPreviewExamplesMax
};

inline constexpr std::size_t kPreviewExamplesMax = 8;
inline constexpr std::size_t kPreviewStepsMax = 144;
inline constexpr std::chrono::hours kPreviewSpanMax{7 * 24};
inline constexpr std::chrono::hours kPreviewWarmUp{1};

// Replays stored posts through an aggregator and a detector of its own that watch one rule more:
// the same code and settings as the engine's, so a preview says what would have happened. An hour
// before `since` is replayed too, so that the baseline is known.
//
// Bounds: the newest `posts_max` posts, `time_max`, and one preview at a time (about 100 MB while
// it runs). Past either bound it says so (`exact`) and tells of the part that it saw.
// Ownership: clock, store and book must outlive it. Threads: run() may be called concurrently; it
// blocks for up to time_max.
class RulePreviewer {
 public:
  struct Options {
    PostWatch::Options watch;
    std::size_t posts_max = 500'000;
    std::chrono::milliseconds time_max{8'000};
  };
  RulePreviewer(Options options, const Clock& clock, Store& store, const RuleBook& book);

  // kInvalidArgument: the rule is wrong; kResourceExhausted: another preview is running.
  Result<RulePreview> run(const Rule& rule, std::chrono::seconds back) EXCLUDES(mu_);

 private:
  Result<RulePreview> replay(std::shared_ptr<const RuleMatcher> rules, std::chrono::seconds back);

  const Options options_;
  const Clock& clock_;
  Store& store_;
  const RuleBook& book_;
  Mutex mu_;
  bool busy_ GUARDED_BY(mu_) = false;
};

// POST /v1/rules/preview: reads the request, runs it, writes the answer of docs/api.md.
Result<std::string> answer_preview(RulePreviewer& previewer, const Clock& clock,
                                   std::string_view request_json);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/window_counts.h"

namespace tidewatch {

// The posts shown for one alert: once chosen a post stays, better ones come behind it.
// A plain value.
class EvidenceChoice {
 public:
  struct Rules {
    std::size_t ids_max;
    std::size_t ids_wanted;  // with `negative_only`, other posts come in only below this many
    bool negative_only = false;
    bool start_anew = false;  // the alert is about something else now: choose again, unless that
                              // would leave fewer than ids_wanted
  };

  // Adds posts until there are ids_max: first those with a text and an author not yet shown, then
  // those with a text not yet shown, then any; in the order given within each.
  void add(std::span<const EvidencePost> posts, const Rules& rules);

  // Takes ids chosen in an earlier run.
  void restore(std::vector<std::string> ids) { ids_ = std::move(ids); }

  const std::vector<std::string>& ids() const { return ids_; }

 private:
  void choose(std::span<const EvidencePost> posts, std::size_t ids_max, bool negative);

  std::vector<std::string> ids_;
  std::set<std::uint64_t> texts_;  // hashes of those shown
  std::set<std::string> authors_;
};

// The distinct non-empty texts, in order; only those of negative posts when `negative` and there
// are at least `wanted` of them. The views are into `posts`.
std::vector<std::string_view> distinct_texts(std::span<const EvidencePost> posts, bool negative,
                                             std::size_t wanted);

}  // namespace tidewatch

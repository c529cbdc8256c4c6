// SPDX-License-Identifier: Apache-2.0
#include "aggregate/event_front.h"

#include <algorithm>

namespace tidewatch {

bool EventFront::offer(EventTime time, std::uint64_t author_hash) {
  votes_[next_vote_] = {time, author_hash};
  next_vote_ = (next_vote_ + 1) % kVoters;
  num_votes_ = std::min(num_votes_ + 1, kVoters);
  if (may_count(time)) {
    move_to(time);
    return true;
  }
  // Only a post that is ahead can complete a majority for a time that is ahead.
  count_votes();
  return false;
}

void EventFront::move_to(EventTime time) {
  if (!front_ || time > *front_) front_ = time;
}

bool EventFront::may_count(EventTime time) const {
  return (front_ && time <= *front_ + lateness_) || (clock_ && time <= *clock_ + lateness_);
}

void EventFront::count_votes() {
  std::array<Vote, kVoters> sorted = votes_;
  const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(num_votes_);
  std::sort(sorted.begin(), end, [](const Vote& a, const Vote& b) { return a.time > b.time; });
  std::array<std::uint64_t, kAuthors> authors{};
  std::size_t num_authors = 0;
  for (std::size_t i = 0; i < num_votes_; ++i) {
    const std::uint64_t author = sorted[i].author_hash;
    const auto* known_end = authors.begin() + num_authors;
    if (num_authors < kAuthors &&
        (author == 0 || std::find(authors.cbegin(), known_end, author) == known_end)) {
      authors[num_authors++] = author;
    }
    const std::size_t agreeing = i + 1;
    if ((agreeing >= kAgreeing && num_authors >= kAuthors) || agreeing == kVoters) {
      move_to(sorted[i].time);
      return;
    }
  }
}

}  // namespace tidewatch

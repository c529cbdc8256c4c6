// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/clock.h"

namespace tidewatch {

// Decides how far event time has come: `front`, the newest time believed. A post up to `lateness`
// ahead of the front (or of the wall clock, when one is told) moves it; for one further ahead the
// caller holds the post back and the last posts vote. The front moves to the time that
// kAgreeing of the last kVoters posts have reached, when they are by kAuthors authors or more;
// or all kVoters of them, by whomever. Posts without an author count as an author each.
//
// Why: one post dated 2099 must not make all others late, nor must a feed with a wrong clock as
// long as it sends less than half of the posts (with one post in four wrong, 32 wrong ones among
// 48 have a chance of about 1.5e-9); yet a file may jump by years with the next true post.
// Not thread-safe. The front never goes back.
class EventFront {
 public:
  static constexpr std::size_t kVoters = 48;
  static constexpr std::size_t kAgreeing = 32;
  static constexpr std::size_t kAuthors = 3;

  explicit EventFront(std::chrono::milliseconds lateness) : lateness_(lateness) {}

  // Takes the time of the next post. True: count it now. False: put it to the posts held back.
  // Either way the front may have moved: then see which of those may go (`may_count`).
  // `author_hash` is 0 for a post without an author.
  bool offer(EventTime time, std::uint64_t author_hash);

  // Tells the wall clock: times up to it (and `lateness` more) are believed from now on.
  void set_clock(EventTime now) { clock_ = now; }

  // Moves the front to `time` if that is newer; the caller knows that it is true.
  void move_to(EventTime time);

  // Whether a post of this time needs no more confirmation.
  bool may_count(EventTime time) const;

  // Nothing before the first confirmed time.
  const std::optional<EventTime>& front() const { return front_; }

 private:
  struct Vote {
    EventTime time{};
    std::uint64_t author_hash = 0;
  };

  void count_votes();

  const std::chrono::milliseconds lateness_;
  std::optional<EventTime> front_;
  std::optional<EventTime> clock_;
  std::array<Vote, kVoters> votes_{};
  std::size_t num_votes_ = 0;
  std::size_t next_vote_ = 0;
};

}  // namespace tidewatch

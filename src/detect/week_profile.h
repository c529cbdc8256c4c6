// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidewatch {

// What a key usually has in each hour of the week (UTC): the posts by new authors of the last four
// weeks that it was seen in. The rate of an hour is the lower median of its weeks, so that what
// happened once is not usual and what happens most weeks is. It leans on the same hour of all days
// while its own weeks are few. 2.7 kB. Not thread-safe.
class WeekProfile {
 public:
  static constexpr std::size_t kHours = 168, kWeeks = 4;

  // Which hour of the week holds this Unix second; 0 is Monday 0:00 to 1:00 UTC.
  static std::size_t hour_of_week(std::int64_t second);

  // Notes the posts of the hour that begins at `hour_start`; older hours first. `wave`: a wave was
  // open, or may have been: that counts as usual only when another week of that hour is known.
  void learn(std::int64_t hour_start, double posts, bool wave);

  // What the profile says of one hour: rates as posts an hour.
  struct Hour {
    double before = 0, here = 0, after = 0;
    double lagged = 0;  // the running mean when the hour begins
    double sure = 0;    // 0: nothing is known, to 1
  };
  // `span`: seconds, the time constant of the running mean.
  Hour hour(std::int64_t second, double span) const;

 private:
  struct Usual {
    double rate = 0;   // posts an hour
    double weeks = 0;  // seen: what it rests on
  };
  Usual usual(std::size_t hour) const;
  double at_hour(std::int64_t hour) const;  // rate of an hour since 1970, with a floor

  // Posts + 1 by week, the newest last; negative: with a wave; 0: not known.
  std::array<std::array<float, kWeeks>, kHours> posts_{};
};

// By how much the rate at `second` usually is above a running mean with time constant `span`
// seconds: what such a mean is to be multiplied with to be the rate expected now. As far as the
// profile is sure of it; what is left to say is said by `otherwise`, the factor of a key like it.
// In [1, 20] when `otherwise` is.
double week_factor(const WeekProfile::Hour& hour, std::int64_t second, double span,
                   double otherwise);

// The profiles of those keys that have one, at most `profiles_max`, and the factors of now. A
// profile has a parent, whose factor it leans on. Index 0 is nobody's: its factor is 1.
// Threads: none; not thread-safe. Cost: O(profiles) a minute of event time.
class WeekProfiles {
 public:
  using Index = std::uint16_t;
  static constexpr Index kNone = 0;

  // `span`: seconds, the time constant of the running mean that factors are for.
  WeekProfiles(std::size_t profiles_max, double span);

  // A new profile; kNone when there are too many.
  Index make(Index parent);
  void free(Index index);
  void set_parent(Index index, Index parent) { entries_[index].parent = parent; }

  // Notes posts of the open hour.
  void count(Index index, std::uint32_t posts, bool wave) {
    entries_[index].posts += posts;
    entries_[index].wave |= wave;
  }
  // Notes a whole hour of the past, of whose waves nothing is known.
  void learn(Index index, std::int64_t hour_start, double posts) {
    entries_[index].profile.learn(hour_start, posts, true);
    hour_ = minute_ = INT64_MIN;
  }

  // Time goes on to `second`, before its posts are counted: closes the hour when it is over, and
  // computes the factors once a minute. An hour that was not seen whole teaches nothing.
  void advance(std::int64_t second);
  // The open hour misses some time: it teaches nothing.
  void spoil_hour() { whole_ = false; }

  float factor(Index index) const { return factors_[index]; }
  std::size_t memory_bytes() const {
    return entries_.capacity() * sizeof(Entry) + factors_.capacity() * sizeof(float);
  }

 private:
  struct Entry {
    WeekProfile profile;
    WeekProfile::Hour hour;
    double posts = 0;  // of the open hour
    Index parent = kNone;
    bool wave = false;
    bool whole = false;  // counted from the hour's beginning on
  };
  void close_hour(bool whole);

  const std::size_t profiles_max_;
  const double span_;
  std::vector<Entry> entries_;
  std::vector<float> factors_;
  std::vector<Index> free_;
  std::int64_t hour_ = INT64_MIN;  // since 1970, open
  std::int64_t minute_ = INT64_MIN;
  bool whole_ = false;
};

}  // namespace tidewatch

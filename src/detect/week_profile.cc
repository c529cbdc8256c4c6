// SPDX-License-Identifier: Apache-2.0
#include "detect/week_profile.h"

#include <algorithm>
#include <cmath>

namespace tidewatch {
namespace {

constexpr std::int64_t kHour = 3'600;
constexpr std::size_t kHoursPerDay = 24;
// 1 January 1970 was a Thursday.
constexpr std::int64_t kFirstHour = 3 * 24;
// Never below 1: a running mean that is late on the way down costs little.
constexpr double kFactorMin = 1, kFactorMax = 20;
// Posts an hour that every hour is taken to have more: of a silent hour nothing is a multiple.
constexpr double kRateFloor = 2;
// What an hour rests on counts in full from some weeks and some posts on.
constexpr double kSureWeeks = 1, kSurePosts = 30;
constexpr std::size_t kDaysMin = 2;  // with the same hour, before anything is said
// Weight of the same hour of all days beside the weeks of the hour itself.
constexpr double kDayWeight = 1;
constexpr int kLagHours = 8;  // that a running mean is followed back

std::int64_t floor_hour(std::int64_t second) {
  return (second >= 0 ? second : second - kHour + 1) / kHour;
}

std::size_t slot_of(std::int64_t hour) {
  const std::int64_t hours = WeekProfile::kHours;
  return static_cast<std::size_t>(((hour + kFirstHour) % hours + hours) % hours);
}

double lower_median(float* first, std::size_t count) {
  float* const middle = first + (count - 1) / 2;
  std::nth_element(first, middle, first + count);
  return *middle;
}

}  // namespace

std::size_t WeekProfile::hour_of_week(std::int64_t second) { return slot_of(floor_hour(second)); }

void WeekProfile::learn(std::int64_t hour_start, double posts, bool wave) {
  auto& weeks = posts_[hour_of_week(hour_start)];
  std::rotate(weeks.begin(), weeks.begin() + 1, weeks.end());
  weeks.back() = static_cast<float>(wave ? -(posts + 1) : posts + 1);
}

WeekProfile::Usual WeekProfile::usual(std::size_t hour) const {
  std::array<float, kWeeks> own{};
  std::array<float, kWeeks * kHours / kHoursPerDay> all{};
  std::size_t num_own = 0, num_all = 0;
  for (std::size_t slot = hour % kHoursPerDay; slot < kHours; slot += kHoursPerDay) {
    for (const float posts : posts_[slot]) {
      if (posts == 0) continue;
      all[num_all++] = std::abs(posts) - 1;
      if (slot == hour) own[num_own++] = posts;
    }
  }
  Usual usual;
  if (num_all < kDaysMin) return usual;
  const bool once = num_own == 1 && own[0] < 0;
  if (once) num_own = 0;
  for (std::size_t i = 0; i < num_own; ++i) own[i] = std::abs(own[i]) - 1;
  const double day = lower_median(all.data(), num_all);
  const auto weeks = static_cast<double>(num_own);
  usual.rate = num_own == 0 ? day
                            : (weeks * lower_median(own.data(), num_own) + kDayWeight * day) /
                                  (weeks + kDayWeight);
  usual.weeks = weeks + static_cast<double>(num_all) * kHoursPerDay / kHours;
  return usual;
}

double WeekProfile::at_hour(std::int64_t hour) const {
  return usual(slot_of(hour)).rate + kRateFloor;
}

WeekProfile::Hour WeekProfile::hour(std::int64_t second, double span) const {
  const std::int64_t now = floor_hour(second);
  const Usual usual_now = usual(slot_of(now));
  Hour hour;
  if (usual_now.weeks == 0) return hour;
  // Usual posts of the hours that the running mean looks back on, as steps.
  const double kept = std::exp(-static_cast<double>(kHour) / span);
  hour.lagged = at_hour(now - kLagHours);
  for (int back = kLagHours - 1; back > 0; --back) {
    hour.lagged = hour.lagged * kept + at_hour(now - back) * (1 - kept);
  }
  hour.before = at_hour(now - 1);
  hour.here = usual_now.rate + kRateFloor;
  hour.after = at_hour(now + 1);
  const double posts = usual_now.weeks * usual_now.rate;
  hour.sure = usual_now.weeks / (usual_now.weeks + kSureWeeks) * (posts / (posts + kSurePosts));
  return hour;
}

double week_factor(const WeekProfile::Hour& hour, std::int64_t second, double span,
                   double otherwise) {
  if (hour.sure == 0) return otherwise;
  const double into = static_cast<double>(second - floor_hour(second) * kHour) / kHour;
  const double kept = std::exp(-into * kHour / span);
  const double lagged = hour.lagged * kept + hour.here * (1 - kept);
  // A rate may go up at the hour's beginning, as steps do, or all along from the middle of one hour
  // to that of the next.
  const double beside = into < 0.5 ? hour.before : hour.after;
  const double gradual = hour.here + (beside - hour.here) * std::abs(into - 0.5);
  const double own = std::clamp(std::max(hour.here, gradual) / lagged, kFactorMin, kFactorMax);
  return std::exp(hour.sure * std::log(own) + (1 - hour.sure) * std::log(otherwise));
}

WeekProfiles::WeekProfiles(std::size_t profiles_max, double span)
    : profiles_max_(std::min<std::size_t>(profiles_max, UINT16_MAX)),
      span_(span),
      entries_(1),
      factors_(1, 1.0F) {}

WeekProfiles::Index WeekProfiles::make(Index parent) {
  Index index = kNone;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (entries_.size() <= profiles_max_) {
    index = static_cast<Index>(entries_.size());
    entries_.emplace_back();
    factors_.push_back(1.0F);
  } else {
    return kNone;
  }
  entries_[index] = {};
  entries_[index].parent = parent;
  factors_[index] = factors_[parent];
  return index;
}

void WeekProfiles::free(Index index) {
  entries_[index] = {};
  factors_[index] = 1;
  free_.push_back(index);
}

void WeekProfiles::advance(std::int64_t second) {
  const std::int64_t minute = second / 60;
  if (minute == minute_) return;
  minute_ = minute;
  if (const std::int64_t hour = floor_hour(second); hour != hour_) {
    const bool next = hour == hour_ + 1;
    close_hour(whole_ && next);
    whole_ = next;
    hour_ = hour;
    for (Entry& entry : entries_) entry.hour = entry.profile.hour(second, span_);
  }
  for (std::size_t index = 1; index < entries_.size(); ++index) {
    const Entry& entry = entries_[index];
    factors_[index] =
        static_cast<float>(week_factor(entry.hour, second, span_, factors_[entry.parent]));
  }
}

void WeekProfiles::close_hour(bool whole) {
  for (Entry& entry : entries_) {
    if (whole && entry.whole) entry.profile.learn(hour_ * kHour, entry.posts, entry.wave);
    entry.posts = 0;
    entry.wave = false;
    entry.whole = true;
  }
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "detect/wave.h"

#include <algorithm>
#include <cmath>

namespace tidewatch {
namespace {

constexpr double kLevelSpan = 300;
constexpr std::int64_t kEmptyMinutesMax = 60;  // more of them say nothing new
constexpr std::int64_t kTellEvery = 60;
// A volume wave is calm at 1.5 times the expected rate or a fifth of its peak, a negative one when
// its share has lost six tenths of its lift, or when fewer than 2 negative posts a minute come.
constexpr double kCalmRatio = 1.5;
constexpr double kCalmOfPeak = 0.2;
constexpr double kCalmOfLift = 0.4;
constexpr double kCalmNegativeRate = 2.0 / 60;

double texts_of(const KeyCounts& counts) {
  return static_cast<double>(counts.new_authors) - counts.new_author_bare;
}

}  // namespace

Wave::Wave(Start start) : start_(std::move(start)), last_(start_.at + 1), told_(start_.at) {
  const auto seconds = static_cast<double>(std::max<std::int64_t>(start_.at + 1 - start_.onset, 1));
  const bool volume = start_.kind == ChangeKind::kVolume;
  const KeyCounts& since = start_.since_onset;
  rate_ = (volume ? since.new_authors : since.new_author_negative) / seconds;
  texts_ = texts_of(since) / seconds;
  peak_ = level(last_);
  posts_told_ = since.posts;
  minute_ = start_.at / 60;
  minute_posts_ = since.posts;
}

double Wave::decayed(double value, std::int64_t second) const {
  return value *
         std::exp(-static_cast<double>(std::max<std::int64_t>(second - last_, 0)) / kLevelSpan);
}

double Wave::level(std::int64_t second) const {
  if (start_.kind == ChangeKind::kVolume) return decayed(rate_, second);
  return texts_ > 0 ? rate_ / texts_ : 0;
}

void Wave::pass_minutes(std::int64_t second) {
  const std::int64_t passed = second / 60 - minute_;
  for (std::int64_t i = 0; i < std::min(passed, kEmptyMinutesMax); ++i) {
    trend_.take(minute_posts_);
    minute_posts_ = 0;
  }
  minute_ += std::max<std::int64_t>(passed, 0);
}

void Wave::take(std::int64_t second, const KeyCounts& counts) {
  pass_minutes(second);
  minute_posts_ += counts.posts;
  const bool volume = start_.kind == ChangeKind::kVolume;
  rate_ = decayed(rate_, second + 1) +
          (volume ? counts.new_authors : counts.new_author_negative) / kLevelSpan;
  texts_ = decayed(texts_, second + 1) + texts_of(counts) / kLevelSpan;
  last_ = second + 1;
  peak_ = std::max(peak_, level(last_));
  start_.since_onset += counts;
}

std::int64_t Wave::quiet_since(std::int64_t second, double normal, std::int64_t quiet) {
  double calm_rate = 0;  // calm at or below this many of what the wave counts a second
  if (start_.kind == ChangeKind::kVolume) {
    calm_rate = std::max(kCalmRatio * normal, kCalmOfPeak * peak_);
  } else {
    const double calm_share = normal + kCalmOfLift * std::max(peak_ - normal, 0.0);
    // The share does not change in silence; the rate below which nobody would speak of a wave does.
    calm_rate = std::max(kCalmNegativeRate, level(second) <= calm_share ? rate_ : 0.0);
  }
  if (decayed(rate_, second) > calm_rate) {
    calm_since_ = -1;
    return -1;
  }
  if (calm_since_ < 0) {
    const double seconds = rate_ > calm_rate ? kLevelSpan * std::log(rate_ / calm_rate) : 0;
    calm_since_ = std::min(second, last_ + static_cast<std::int64_t>(std::ceil(seconds)));
  }
  return second - calm_since_ >= quiet ? calm_since_ : -1;
}

double Wave::excess(std::int64_t second) const {
  const KeyCounts& since = start_.since_onset;
  if (start_.kind == ChangeKind::kNegative) {
    return since.new_author_negative - start_.from_rate * texts_of(since);
  }
  return since.new_authors - start_.from_rate * static_cast<double>(second + 1 - start_.onset);
}

double Wave::excess_rate(std::int64_t second) const {
  if (start_.kind == ChangeKind::kVolume) return level(second) - start_.from_rate;
  return decayed(rate_, second) - start_.from_rate * decayed(texts_, second);
}

bool Wave::due(std::int64_t second) {
  if (second - told_ < kTellEvery || start_.since_onset.posts == posts_told_) return false;
  told_ = second;
  posts_told_ = start_.since_onset.posts;
  return true;
}

Change Wave::change(std::int64_t at) const {
  const double unit = start_.kind == ChangeKind::kVolume ? 60 : 1;  // posts a minute, or a share
  Change change;
  change.key = start_.key;
  change.name = start_.name;
  change.kind = start_.kind;
  change.onset = start_.onset;
  change.at = at;
  change.from_rate = start_.from_rate * unit;
  change.to_rate = level(at) * unit;
  change.since_onset = start_.since_onset;
  change.statistic = start_.statistic;
  change.burst = start_.burst;
  change.busy_class = start_.busy_class;
  if (trend_.minutes() >= 2) change.forecast = trend_.forecast();
  return change;
}

}  // namespace tidewatch

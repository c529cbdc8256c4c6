// SPDX-License-Identifier: Apache-2.0
#include "simulate/rhythm.h"

#include <algorithm>
#include <cmath>

namespace tidewatch {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kMsPerHour = 3'600'000;
constexpr std::int64_t kMsPerDay = 24 * kMsPerHour;

std::int64_t china_ms_of_day(EventTime at) {
  const std::int64_t ms = (at.time_since_epoch().count() + 8 * kMsPerHour) % kMsPerDay;
  return ms < 0 ? ms + kMsPerDay : ms;
}

// By hour; the mean is 1.
constexpr std::array<double, 24> kActivity = {0.85, 0.50, 0.30, 0.20, 0.17, 0.22, 0.45, 0.80,
                                              1.00, 1.08, 1.15, 1.20, 1.35, 1.25, 1.10, 1.08,
                                              1.10, 1.15, 1.25, 1.35, 1.50, 1.65, 1.75, 1.50};

double density(WaveKind kind, double x) {
  switch (kind) {
    case WaveKind::kWave: {
      constexpr double kPeak = 0.22;
      if (x < kPeak) return 0.04 + 0.96 * std::pow(x / kPeak, 1.6);
      return std::pow(1 + (x - kPeak) / 0.22, -1.7);
    }
    case WaveKind::kHappy: {
      constexpr double kPeak = 0.06;
      if (x < kPeak) return x / kPeak;
      return std::exp(-(x - kPeak) / 0.22);
    }
    case WaveKind::kCopypaste:
      return x < 0.02 || x > 0.97 ? 0.5 : 1.0;
  }
  return 0;
}

}  // namespace

int china_hour(EventTime at) { return static_cast<int>(china_ms_of_day(at) / kMsPerHour); }

double daily_activity(EventTime at) {
  const double hour = static_cast<double>(china_ms_of_day(at)) / kMsPerHour;
  const auto from = static_cast<std::size_t>(hour);
  const double part = hour - static_cast<double>(from);
  return kActivity[from] * (1 - part) + kActivity[(from + 1) % 24] * part;
}

std::string_view daypart(EventTime at) {
  constexpr std::array<std::string_view, 24> kNames = {
      "半夜", "凌晨", "凌晨", "凌晨", "凌晨", "清早", "早上", "早上",
      "早上", "上午", "上午", "中午", "中午", "下午", "下午", "下午",
      "下午", "傍晚", "傍晚", "晚上", "晚上", "晚上", "深夜", "深夜"};
  return kNames[static_cast<std::size_t>(china_hour(at))];
}

Background::Background(EventTime start, std::chrono::minutes duration, double posts_per_second)
    : start_(start), end_(start + duration) {
  double sum = 0;
  const auto minutes = std::max<std::int64_t>(duration.count(), 1);
  for (std::int64_t i = 0; i < minutes; ++i) sum += daily_activity(start + std::chrono::minutes(i));
  scale_ = posts_per_second / 1000 * static_cast<double>(minutes) / sum;
}

bool Background::next(Random& random, EventTime& at) {
  if (scale_ <= 0) return false;
  constexpr double kMsPerMinute = 60'000;
  const auto end_ms = static_cast<double>((end_ - start_).count());
  double work = random.exponential();
  while (now_ms_ < end_ms) {
    // The rate is taken as constant within a minute of the run.
    const double minute = std::floor(now_ms_ / kMsPerMinute) * kMsPerMinute;
    const double rate = rate_per_ms(start_ + milliseconds(static_cast<std::int64_t>(minute)));
    const double left = minute + kMsPerMinute - now_ms_;
    if (work < left * rate) {
      now_ms_ += work / rate;
      at = start_ + milliseconds(static_cast<std::int64_t>(now_ms_));
      return at < end_;
    }
    work -= left * rate;
    now_ms_ = minute + kMsPerMinute;
  }
  return false;
}

Wave::Wave(WaveKind kind, EventTime start, std::chrono::seconds duration, std::uint64_t posts,
           Random& random)
    : start_(start),
      duration_ms_(static_cast<double>(milliseconds(duration).count())),
      left_(posts) {
  // Somebody with many followers takes it up: one to three smaller rises on the way down.
  struct Flare {
    double at = 0;
    double height = 0;
  };
  std::array<Flare, 3> flares;
  const std::size_t num_flares = kind == WaveKind::kWave ? 1 + random.below(3) : 0;
  for (std::size_t i = 0; i < num_flares; ++i) {
    flares[i] = {0.42 + 0.5 * random.unit(), 0.1 + 0.2 * random.unit()};
  }
  double sum = 0;
  for (std::size_t i = 0; i < kSteps; ++i) {
    const double x = (static_cast<double>(i) + 0.5) / kSteps;
    double height = density(kind, x);
    for (std::size_t f = 0; f < num_flares; ++f) {
      const double since = x - flares[f].at;
      if (since >= 0) height += flares[f].height * std::exp(-since / 0.06);
    }
    share_[i] = sum;
    sum += height;
  }
  for (double& share : share_) share /= sum;
  share_[kSteps] = 1;
}

bool Wave::next(Random& random, EventTime& at) {
  if (left_ == 0) return false;
  // The next of `left_` uniform numbers in order of size, given the one before it.
  const double rest = std::pow(1 - random.unit(), 1.0 / static_cast<double>(left_));
  quantile_ = 1 - (1 - quantile_) * rest;
  --left_;
  while (step_ + 1 < kSteps && share_[step_ + 1] <= quantile_) ++step_;
  const double part = (quantile_ - share_[step_]) / (share_[step_ + 1] - share_[step_]);
  const double x = (static_cast<double>(step_) + std::clamp(part, 0.0, 1.0)) / kSteps;
  at = start_ + milliseconds(static_cast<std::int64_t>(x * duration_ms_));
  return true;
}

}  // namespace tidewatch

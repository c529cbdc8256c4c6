// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/baseline_alarms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace tidewatch {
namespace {

constexpr std::size_t kSettings = 26;
constexpr double kLoosest = 1.5, kStep = 1.3;
constexpr std::int64_t kRearmSeconds = 1'800;
// No alarms before a day was seen: every method here needs one.
constexpr std::int64_t kWarmMinutes = 1'440;

double threshold(std::size_t setting) {
  return kLoosest * std::pow(kStep, static_cast<double>(setting));
}

}  // namespace

const char* baseline_name(BaselineKind kind) {
  switch (kind) {
    case BaselineKind::kHourAgainstTwelve:
      return "hour against twelve";
    case BaselineKind::kSevenDaySigma:
      return "7-day mean + k sigma";
    case BaselineKind::kPolling:
      return "polling every 20 min";
    case BaselineKind::kWindowedGaussian:
      return "windowed Gaussian";
    case BaselineKind::kSigniTrend:
      return "SigniTrend-like";
  }
  return "";
}

class BaselineAlarms::Score {
 public:
  virtual ~Score() = default;
  // Takes the next minute of a key; negative: no score now.
  virtual double take(std::size_t key, std::uint32_t posts) = 0;
  virtual void next_minute() {}
};

// Sums of the last hour and of the twelve before it.
class BaselineAlarms::RatioScore : public Score {
 public:
  RatioScore(std::size_t num_keys, double bias)
      : bias_(bias), minutes_(num_keys * kMinutes), hour_(num_keys), twelve_(num_keys) {}
  double take(std::size_t key, std::uint32_t posts) override {
    std::uint32_t* const ring = &minutes_[key * kMinutes];
    hour_[key] += posts - ring[(at_ + kMinutes - 60) % kMinutes];
    twelve_[key] += ring[(at_ + kMinutes - 60) % kMinutes];
    twelve_[key] -= ring[at_];
    ring[at_] = posts;
    return (hour_[key] + bias_) / (twelve_[key] / 12.0 + bias_);
  }
  void next_minute() override { at_ = (at_ + 1) % kMinutes; }

 private:
  static constexpr std::size_t kMinutes = 13 * 60;
  double bias_;
  std::vector<std::uint32_t> minutes_;
  std::vector<std::uint32_t> hour_, twelve_;
  std::size_t at_ = 0;
};

// The last `span` minutes against blocks of as many minutes in a window.
class BaselineAlarms::RingScore : public Score {
 public:
  struct Shape {
    std::size_t span = 10, blocks = 1'008;
    bool at_block_ends = false, gaussian = false;
  };
  RingScore(std::size_t num_keys, double bias, Shape shape)
      : bias_(bias),
        shape_(shape),
        recent_(num_keys * shape.span),
        last_(num_keys),
        blocks_(num_keys * shape.blocks),
        sum_(num_keys),
        squares_(num_keys) {}

  double take(std::size_t key, std::uint32_t posts) override {
    std::uint32_t& oldest = recent_[key * shape_.span + minute_ % shape_.span];
    last_[key] += posts - oldest;
    oldest = posts;
    const bool end = minute_ % shape_.span == shape_.span - 1;
    double score = -1;
    if (block_ > 0 && (end || !shape_.at_block_ends)) {
      const double n = static_cast<double>(std::min(block_, shape_.blocks));
      const double mean = sum_[key] / n;
      const double deviation = std::sqrt(std::max(squares_[key] / n - mean * mean, 0.0));
      const double z = (last_[key] - mean) / (deviation + bias_);
      score = shape_.gaussian ? tail(z) : z;
    }
    if (end) {
      std::uint32_t& block = blocks_[key * shape_.blocks + block_ % shape_.blocks];
      sum_[key] += static_cast<double>(last_[key]) - block;
      squares_[key] +=
          static_cast<double>(last_[key]) * last_[key] - static_cast<double>(block) * block;
      block = last_[key];
    }
    return score;
  }
  void next_minute() override { block_ += ++minute_ % shape_.span == 0; }

 private:
  // -log10 of the upper tail of a normal variable; beyond what a double holds, its asymptote.
  static double tail(double z) {
    if (z < 30) return -std::log10(std::max(0.5 * std::erfc(z / std::sqrt(2.0)), 1e-300));
    return z * z / 2 / std::log(10.0);
  }

  double bias_;
  Shape shape_;
  std::vector<std::uint32_t> recent_, last_, blocks_;
  std::vector<double> sum_, squares_;
  std::size_t minute_ = 0, block_ = 0;
};

class BaselineAlarms::DecayScore : public Score {
 public:
  DecayScore(std::size_t num_keys, double bias)
      : bias_(bias), mean_(num_keys), variance_(num_keys) {}
  double take(std::size_t key, std::uint32_t posts) override {
    const double off = posts - mean_[key];
    const double score =
        (posts - std::max(mean_[key], bias_)) / (std::sqrt(variance_[key]) + bias_);
    mean_[key] += kGain * off;
    variance_[key] = (1 - kGain) * (variance_[key] + kGain * off * off);
    return score;
  }

 private:
  static constexpr double kGain = 0.0115;  // a half-life of an hour
  double bias_;
  std::vector<double> mean_, variance_;
};

BaselineAlarms::BaselineAlarms(BaselineKind kind, double bias, std::size_t num_keys)
    : kind_(kind),
      bias_(bias),
      posts_(num_keys),
      last_above_(kSettings, std::vector<std::int64_t>(num_keys, INT64_MIN / 2)),
      alarms_(kSettings) {
  switch (kind) {
    case BaselineKind::kHourAgainstTwelve:
      score_.push_back(std::make_unique<RatioScore>(num_keys, bias));
      break;
    case BaselineKind::kSevenDaySigma:
      score_.push_back(std::make_unique<RingScore>(num_keys, bias, RingScore::Shape{}));
      break;
    case BaselineKind::kPolling:
      score_.push_back(
          std::make_unique<RingScore>(num_keys, bias, RingScore::Shape{20, 72, true, false}));
      break;
    case BaselineKind::kWindowedGaussian:
      score_.push_back(
          std::make_unique<RingScore>(num_keys, bias, RingScore::Shape{1, 1'440, false, true}));
      break;
    case BaselineKind::kSigniTrend:
      score_.push_back(std::make_unique<DecayScore>(num_keys, bias));
      break;
  }
}

BaselineAlarms::~BaselineAlarms() = default;

std::string BaselineAlarms::name() const { return baseline_name(kind_); }
std::size_t BaselineAlarms::num_settings() const { return kSettings; }
std::string BaselineAlarms::setting_name(std::size_t setting) const {
  return fmt::format("{:.3g} (bias {:g})", threshold(setting), bias_);
}

void BaselineAlarms::observe(const Tick& tick) {
  if (minute_ < 0) minute_ = tick.second - tick.second % 60;
  while (tick.second >= minute_ + 60) close_minute();
  for (const KeyTick& key : tick.keys) posts_[key.key.value - 1] += key.counts.posts;
}

void BaselineAlarms::reach(std::int64_t now) {
  while (minute_ >= 0 && now >= minute_ + 60) close_minute();
}

void BaselineAlarms::close_minute() {
  const std::int64_t end = minute_ + 60;
  Score& score = *score_.front();
  for (std::size_t key = 0; key < posts_.size(); ++key) {
    const double value = score.take(key, posts_[key]);
    posts_[key] = 0;
    if (value < kLoosest || minutes_seen_ < kWarmMinutes) continue;
    for (std::size_t setting = 0; setting < kSettings && value >= threshold(setting); ++setting) {
      if (end - last_above_[setting][key] > kRearmSeconds) {
        alarms_[setting].push_back({end, KeyId{key + 1}, ChangeKind::kVolume});
      }
      last_above_[setting][key] = end;
    }
  }
  score.next_minute();
  ++minutes_seen_;
  minute_ = end;
}

}  // namespace tidewatch

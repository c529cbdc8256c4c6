// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/step_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>

#include "bench_detect/judge.h"
#include "detect/tail_fit.h"

namespace tidewatch {
namespace {

constexpr double kDay = 86'400;
constexpr int kWarmSeconds = 3'600;
constexpr int kJumpAfterSeconds = 8 * 3'600;
constexpr int kMissedSeconds = 600;
constexpr double kLowest = 9;  // nats
constexpr std::int64_t kStart = 1'600'000'000;

// Draws from a negative binomial (or Poisson) distribution by a table of its inverse.
class Counts {
 public:
  Counts(double mean, double dispersion) : table_(kSize) {
    // P(0), and each from the one before.
    const double size = dispersion > 1 ? mean / (dispersion - 1) : 0;
    double probability = dispersion > 1 ? std::pow(dispersion, -size) : std::exp(-mean);
    double sum = probability;
    std::uint8_t count = 0;
    for (std::size_t i = 0; i < kSize; ++i) {
      const double place = (static_cast<double>(i) + 0.5) / kSize;
      while (place > sum && count < 250) {
        const double n = count;
        probability *=
            dispersion > 1 ? (n + size) / (n + 1) * (1 - 1 / dispersion) : mean / (n + 1);
        sum += probability;
        ++count;
      }
      table_[i] = count;
    }
  }
  std::uint32_t draw(std::mt19937_64& random) const { return table_[random() >> (64 - kBits)]; }

 private:
  static constexpr int kBits = 22;  // tails down to 1e-7
  static constexpr std::size_t kSize = std::size_t{1} << kBits;
  std::vector<std::uint8_t> table_;
};

const KeyName kName{KeyKind::kHashtag, "", "", "step"};
const KeyName* any_name(KeyId) { return &kName; }

void add(Tick& tick, std::size_t key, std::uint32_t posts) {
  if (posts == 0) return;
  KeyTick& one = tick.keys.emplace_back();
  one.key = KeyId{key + 1};
  one.counts.posts = one.counts.new_authors = one.counts.new_texts = posts;
}

// All keys without a jump, for that many days after warming up; tells the changes after it.
void run_quiet(const StepOptions& options, const DetectOptions& detect, double days,
               std::uint64_t seed, const std::function<void(const Change&)>& take) {
  std::mt19937_64 random(seed);
  const Counts counts(options.from, options.dispersion);
  Detector detector(detect);
  std::vector<Change> changes;
  Tick tick;
  const auto seconds = static_cast<int>(days * kDay) + kWarmSeconds;
  for (int second = 0; second < seconds; ++second) {
    tick.second = kStart + second;
    tick.keys.clear();
    for (std::size_t key = 0; key < options.num_keys; ++key) add(tick, key, counts.draw(random));
    detector.observe(tick, any_name, changes);
    if (second >= kWarmSeconds) {
      for (const Change& change : changes) take(change);
    }
    changes.clear();
  }
}

std::optional<double> delay_of(const DetectOptions& detect, const Counts& before,
                               const Counts& after, std::mt19937_64& random) {
  Detector detector(detect);
  std::vector<Change> changes;
  Tick tick;
  for (int second = -kJumpAfterSeconds; second < kMissedSeconds; ++second) {
    tick.second = kStart + second;
    tick.keys.clear();
    add(tick, 0, (second < 0 ? before : after).draw(random));
    if (!tick.keys.empty()) detector.observe(tick, any_name, changes);
    for (const Change& change : changes) {
      if (second >= 0 && change.kind == ChangeKind::kVolume &&
          change.phase == ChangePhase::kStarted) {
        return second + 1.0;
      }
    }
    changes.clear();
  }
  return std::nullopt;
}

constexpr double kBiases[] = {1, 4, 16};
constexpr std::int64_t kBaselineWarmSeconds = 2 * 86'400;

using Methods = std::vector<std::unique_ptr<BaselineAlarms>>;

Methods all_methods(std::size_t num_keys) {
  Methods methods;
  for (std::size_t kind = 0; kind < kBaselineKinds; ++kind) {
    for (const double bias : kBiases) {
      methods.push_back(
          std::make_unique<BaselineAlarms>(static_cast<BaselineKind>(kind), bias, num_keys));
    }
  }
  return methods;
}

std::size_t alarms_after_warming(const BaselineAlarms& method, std::size_t setting) {
  const auto& alarms = method.alarms(setting);
  return static_cast<std::size_t>(std::count_if(alarms.begin(), alarms.end(), [](const Alarm& a) {
    return a.at > kStart + kBaselineWarmSeconds;
  }));
}

// Counts of a minute have the dispersion of those of its seconds. `minute_counts` draws one.
template <typename Draw>
void run_minutes(const Methods& methods, std::size_t num_keys, std::int64_t seconds,
                 const Draw& draw) {
  constexpr std::int64_t kMinuteStart = kStart - kStart % 60;
  for (std::int64_t at = 0; at < seconds; at += 60) {
    Tick tick;
    tick.second = kMinuteStart + at;
    for (std::size_t key = 0; key < num_keys; ++key) add(tick, key, draw(key, at));
    for (const auto& method : methods) {
      method->observe(tick);
      method->reach(tick.second + 60);
    }
  }
}

}  // namespace

std::vector<BaselineStepResult> run_baseline_steps(
    const StepOptions& options, const std::function<void(const std::string&)>& progress) {
  const Counts minute(60 * options.from, options.dispersion);
  const auto quiet_day = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Methods methods = all_methods(options.num_keys);
    run_minutes(methods, options.num_keys, kBaselineWarmSeconds + static_cast<std::int64_t>(kDay),
                [&](std::size_t, std::int64_t) { return minute.draw(random); });
    return methods;
  };
  progress("steps: other methods");
  const Methods calibration = quiet_day(options.seed * 2 + 11);
  const Methods test = quiet_day(options.seed * 2 + 12);

  // A key's jump comes within the first minute after warming up, at a second of its own.
  std::mt19937_64 random(options.seed * 3 + 15);
  std::vector<std::int64_t> offsets(options.runs);
  for (std::int64_t& offset : offsets) offset = static_cast<std::int64_t>(random() % 60);
  const Counts before(options.from, options.dispersion), after(options.to, options.dispersion);
  const Counts minute_after(60 * options.to, options.dispersion);
  const Methods jumped = all_methods(options.runs);
  run_minutes(jumped, options.runs, kBaselineWarmSeconds + 2 * kMissedSeconds,
              [&](std::size_t key, std::int64_t at) {
                if (at < kBaselineWarmSeconds) return minute.draw(random);
                if (at > kBaselineWarmSeconds) return minute_after.draw(random);
                std::uint32_t posts = 0;
                for (std::int64_t second = 0; second < 60; ++second) {
                  posts += (second < offsets[key] ? before : after).draw(random);
                }
                return posts;
              });

  std::vector<BaselineStepResult> best;
  constexpr std::int64_t kJumps = kStart - kStart % 60 + kBaselineWarmSeconds;
  for (std::size_t i = 0; i < calibration.size(); ++i) {
    const BaselineAlarms& method = *calibration[i];
    std::size_t setting = method.num_settings() - 1;
    while (setting > 0 &&
           static_cast<double>(alarms_after_warming(method, setting - 1)) <= options.target) {
      --setting;
    }
    BaselineStepResult result{method.name(), method.setting_name(setting),
                              alarms_after_warming(*test[i], setting),
                              std::vector<std::optional<double>>(options.runs)};
    for (const Alarm& alarm : jumped[i]->alarms(setting)) {
      const std::size_t key = alarm.key.value - 1;
      const auto delay = static_cast<double>(alarm.at - kJumps - offsets[key]);
      if (delay > 0 && delay <= kMissedSeconds && !result.delays[key]) result.delays[key] = delay;
    }
    const double kMissed = 1e9;
    const auto median = [kMissed](const BaselineStepResult& r) {
      return censored_quantile(r.delays, 0.5).value_or(kMissed);
    };
    if (best.empty() || best.back().name != result.name) {
      best.push_back(std::move(result));
    } else if (median(result) < median(best.back())) {
      best.back() = std::move(result);
    }
  }
  return best;
}

StepResult run_steps(const StepOptions& options,
                     const std::function<void(const std::string&)>& progress) {
  StepResult result;
  DetectOptions lowest = options.detect;
  lowest.volume_thresholds.fill(kLowest);
  lowest.burst_thresholds.fill(kLowest);
  progress(fmt::format("steps: thresholds from {:g} days of {} keys", options.calibration_days,
                       options.num_keys));
  std::map<std::uint64_t, Change> open;
  std::vector<double> low, burst;
  const auto close = [&](const Change& wave) {
    ++result.peaks;
    if (wave.statistic >= kLowest) low.push_back(wave.statistic);
    if (wave.burst >= kLowest) burst.push_back(wave.burst);
  };
  run_quiet(options, lowest, options.calibration_days, options.seed * 2 + 1,
            [&](const Change& change) {
              if (change.kind != ChangeKind::kVolume) return;
              Change& wave = open.try_emplace(change.key.value, change).first->second;
              wave.statistic = std::max(wave.statistic, change.statistic);
              wave.burst = std::max(wave.burst, change.burst);
              if (change.phase != ChangePhase::kEnded) return;
              close(wave);
              open.erase(change.key.value);
            });
  for (const auto& [key, wave] : open) close(wave);
  const double part = options.target / (burst.empty() ? 1 : 2);
  const auto level = [&](std::vector<double>& peaks) {
    return std::max(fit_tail(std::move(peaks), options.calibration_days).level_for(part), kLowest);
  };
  result.threshold = level(low);
  result.burst_threshold = level(burst);

  DetectOptions detect = options.detect;
  detect.volume_thresholds.fill(result.threshold);
  detect.burst_thresholds.fill(result.burst_threshold);
  progress(fmt::format("steps: false alarms on {:g} other days", options.test_days));
  run_quiet(options, detect, options.test_days, options.seed * 2 + 2, [&](const Change& change) {
    result.false_alarms += change.phase == ChangePhase::kStarted;
  });
  progress("steps: jumps");
  const Counts before(options.from, options.dispersion), after(options.to, options.dispersion);
  std::mt19937_64 random(options.seed * 3 + 5);
  for (std::size_t run = 0; run < options.runs; ++run) {
    result.delays.push_back(delay_of(detect, before, after, random));
  }
  return result;
}

}  // namespace tidewatch

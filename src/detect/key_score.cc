// SPDX-License-Identifier: Apache-2.0
#include "detect/key_score.h"

#include <algorithm>
#include <cmath>

namespace tidewatch {
namespace {

constexpr double kFastSpan = 60;
constexpr double kErrors = 2;      // standard errors of the baseline that do not count as a change
constexpr double kSlowFactor = 8;  // how much slower a key in a wave learns
// Statistics stop here: beyond any threshold, so that calibration sees how far real bursts go.
constexpr double kStatisticMax = 2'000;
// A key is judged to be away from its baseline from this many nats on, whatever it takes to tell
// of it: what a key learns does not depend on the thresholds.
constexpr double kAwayVolume = 5.5, kAwayNegative = 7;
// Dispersion: a running mean over about 400 windows, each of whole minutes with this many posts
// expected, no single one counting more than kSampleMax. While few are seen, it leans on
// KeyScore's initial value with the weight of kPriorWindows.
constexpr double kWindowExpectedMin = 5;
constexpr double kDispersionGain = 0.0025;
constexpr double kPriorWindows = 5;
constexpr double kSampleMax = 16;
constexpr double kDispersionMax = 30;
// Dispersion within seconds: a running mean over 2,000 of them, or as many posts expected.
constexpr double kSecondGain = 1.0 / 2'000;
// Below this it is taken for 1. The likelihood never has counts of fewer than kShapeMin gamma
// shapes: what a quiet key varies by is not known from its seconds.
constexpr double kSecondDispersionMin = 1.02;
constexpr double kShapeMin = 2;
// Negative share: decayed over six hours, but a key never forgets its last kSharePosts posts (a
// quiet key keeps its character); leaning on the prior with the weight of kPriorPosts.
constexpr double kShareSpan = 6 * 3'600;
constexpr double kSharePosts = 1'000;
constexpr double kPriorPosts = 100;
constexpr double kShareMin = 0.02, kShareMax = 0.9;
// Posts of one cascade share a mood: the Bernoulli ratio is divided by this.
constexpr double kNegativeDispersion = 1.5;
// This much is forgotten in a second without posts, 14 nats in an hour: a wave is dense in time.
constexpr double kForgetPerSecond = 14.0 / 3'600;

// Windows that the dispersion rests on.
double windows_of(const KeyScore& score, std::int32_t until) {
  return kPriorWindows + (until - static_cast<std::int32_t>(score.known_since)) / 60.0;
}

// The dispersion and two of its standard errors (about sqrt(1 / windows) of it): one read too low
// would make every statistic too large.
double upper_dispersion(const KeyScore& score) {
  const double windows = std::min(windows_of(score, score.last), 1 / kDispersionGain);
  return score.dispersion * (1 + 2 / std::sqrt(windows));
}

// What a second says of a rate `ratio` times the expected one, before wandering is divided out.
struct SecondLikelihood {
  double shape = 0;         // of the gamma mixture of rates; 0: Poisson
  double drift_factor = 1;  // of what an expected post takes from the statistic
  double divisor = 1;       // for what the rate wanders by from minute to minute

  SecondLikelihood(const KeyScore& score, double expected) {
    const double wide = upper_dispersion(score);
    const double narrow = std::min<double>(score.second_dispersion, 1 + expected / kShapeMin);
    if (narrow < kSecondDispersionMin) {
      divisor = wide;
      return;
    }
    shape = expected / (narrow - 1);
    drift_factor = std::log(narrow) / (narrow - 1);
    divisor = std::max(1.0, wide / narrow);
  }

  // ln of the ratio of both probabilities of `posts`, without the drift.
  double log_ratio(double posts, double ratio, double log_ratio_one) const {
    if (shape == 0 || posts <= 1) return posts * log_ratio_one;
    constexpr double kExact = 8;
    double product = ratio;
    const double last = std::min(posts, kExact);
    for (double j = 1; j < last; ++j) product *= (ratio * shape + j) / (shape + j);
    double sum = std::log(product);
    if (posts > kExact) {  // the rest of the sum as an integral, by the midpoint rule
      const auto integral = [&](double t) {
        return (ratio * shape + t) * std::log(ratio * shape + t) -
               (shape + t) * std::log(shape + t);
      };
      sum += integral(posts - 0.5) - integral(kExact - 0.5);
    }
    return sum;
  }
};

bool is_away(const KeyScore& score) { return score.low > kAwayVolume; }

// A statistic after silence that takes `drift` from it evenly while it is being forgotten.
float forget(double statistic, double drift, double seconds, double memory) {
  const double x = seconds / memory;
  const double kept = std::exp(-x);
  const double mean_kept = x < 1e-3 ? 1 - x / 2 : (1 - kept) / x;
  return static_cast<float>(std::max(0.0, statistic * kept - drift * mean_kept));
}

struct Decayed {
  double value;
  double integral;  // over the time passed
};

// A running mean after `seconds` without posts. Until it is as old as its span it is the mean over
// its whole age; then it decays exponentially.
Decayed decay(double value, double age, double span, double seconds) {
  double integral = 0;
  if (age < span) {
    const double start = std::max(age, 1.0);
    const double young = std::min(seconds, span - start);
    if (young > 0) {
      integral = value * start * std::log1p(young / start);
      value *= start / (start + young);
      seconds -= young;
    }
  }
  if (seconds <= 0) return {value, integral};
  // A second is short beside any span: three terms of the series are exact to 1e-9.
  const double x = seconds / span;
  const double kept = x < 1e-2 ? 1 - x * (1 - x / 2 * (1 - x / 3)) : std::exp(-x);
  return {value * kept, integral + value * span * (1 - kept)};
}

}  // namespace

Scorer::Scorer(const DetectOptions& options)
    : ratio_low_(options.ratio_low),
      ratio_high_(options.ratio_high),
      log_low_(std::log(options.ratio_low)),
      log_high_(std::log(options.ratio_high)),
      drift_low_(options.ratio_low - 1),
      drift_high_(options.ratio_high - 1),
      odds_ratio_(options.odds_ratio),
      log_odds_ratio_(std::log(options.odds_ratio)),
      volume_thresholds_(options.volume_thresholds),
      burst_thresholds_(options.burst_thresholds),
      low_memory_(static_cast<double>(options.low_memory.count())),
      quiet_memory_(static_cast<double>(options.quiet_memory.count())),
      burst_memory_(static_cast<double>(options.burst_memory.count())),
      negative_threshold_(options.negative_threshold),
      floor_(options.baseline_floor_per_minute / 60),
      span_(static_cast<double>(options.baseline_span.count())) {}

double Scorer::expected_rate(const KeyScore& score, std::int32_t stream_age, double season) const {
  const double observed = std::clamp<double>(stream_age, 1, span_);
  const double error = std::sqrt(score.dispersion * score.baseline / observed);
  return std::max((score.baseline + kErrors * error) * season, floor_);
}

double Scorer::negative_share(const KeyScore& score, double prior) const {
  return std::clamp((score.negative_sum + kPriorPosts * prior) / (score.text_sum + kPriorPosts),
                    kShareMin, kShareMax);
}

std::size_t Scorer::busy_class(const KeyScore& score) {
  if (score.low > 0) return score.busy;
  std::size_t busy = 0;
  while (busy < kBusyPerMinute.size() && score.baseline * 60 > kBusyPerMinute[busy]) ++busy;
  return busy;
}

double Scorer::low_memory(const KeyScore& score) const {
  return busy_class(score) <= kQuietClassMax ? quiet_memory_ : low_memory_;
}

double Scorer::volume(const KeyScore& score) const {
  const std::size_t busy = busy_class(score);
  return std::max(score.low / volume_thresholds_[busy], score.high / burst_thresholds_[busy]);
}

double Scorer::negative(const KeyScore& score) const {
  return score.negative / negative_threshold_;
}

void Scorer::close_window(KeyScore& score, std::int32_t until, bool learning) const {
  if (score.last / 60 == until / 60 || score.window_expected < kWindowExpectedMin) return;
  if (learning) {
    const double off = score.window_posts - score.window_expected;
    const double sample = std::min(off * off / score.window_expected, kSampleMax);
    const double gain = std::max(kDispersionGain, 1 / windows_of(score, until));
    const double mean = score.dispersion + gain * (sample - score.dispersion);
    score.dispersion = static_cast<float>(std::clamp(mean, 1.0, kDispersionMax));
  }
  score.window_posts = score.window_expected = 0;
}

double Scorer::elapse(KeyScore& score, std::int32_t until, const Learning& learning) const {
  const double seconds = until - score.last;
  const double age = std::max(learning.stream_age - seconds, 0.0);
  const double expected_start =
      expected_rate(score, static_cast<std::int32_t>(age), learning.season);
  const double baseline_start = score.baseline;

  const bool slow = learning.volume_wave || is_away(score);
  const Decayed baseline =
      slow ? decay(score.baseline, span_ * kSlowFactor, span_ * kSlowFactor, seconds)
           : decay(score.baseline, age, span_, seconds);
  score.baseline = static_cast<float>(baseline.value);
  score.window_expected += static_cast<float>(baseline.integral * learning.season);
  close_window(score, until, !learning.volume_wave);
  if (!slow) {
    // Every second as one without posts; take_second puts right the one that has some.
    const double mean = baseline_start * learning.season;
    const double target = std::min(mean, kSampleMax);
    const double gone = kSecondGain * std::min(mean, 1.0) * seconds;
    const double kept = gone < 1e-3 ? 1 - gone : std::exp(-gone);
    score.second_dispersion =
        static_cast<float>(target + (score.second_dispersion - target) * kept);
  }

  static const double fast_kept_second = std::exp(-1 / kFastSpan);
  const double fast_kept = seconds == 1 ? fast_kept_second : std::exp(-seconds / kFastSpan);
  score.fast = static_cast<float>(score.fast * fast_kept);
  if (score.text_sum > kSharePosts) {
    const bool slow_share = learning.negative_wave || score.negative > kAwayNegative;
    const double kept = std::exp(-seconds / (slow_share ? kShareSpan * kSlowFactor : kShareSpan));
    const double share_kept = std::max(kept, kSharePosts / score.text_sum);
    score.negative_sum = static_cast<float>(score.negative_sum * share_kept);
    score.text_sum = static_cast<float>(score.text_sum * share_kept);
  }
  score.negative = static_cast<float>(std::max(0.0, score.negative - kForgetPerSecond * seconds));
  score.last = until;

  // The standard error shrinks in proportion to the baseline; the floor does not.
  const double above = baseline_start > 0 ? expected_start / baseline_start : learning.season;
  return std::max(baseline.integral * above, floor_ * seconds);
}

double Scorer::pass_silence(KeyScore& score, std::int32_t until, const Learning& learning) const {
  if (until <= score.last) return 0;
  const double seconds = until - score.last;
  const double expected = elapse(score, until, learning);
  if (score.low <= 0) return expected;
  const SecondLikelihood likelihood(score, expected / seconds);
  const double drift = expected * likelihood.drift_factor / likelihood.divisor;
  score.low = forget(score.low, drift_low_ * drift, seconds, low_memory(score));
  score.high = score.low <= 0 ? 0 : forget(score.high, drift_high_ * drift, seconds, burst_memory_);
  return expected;
}

double Scorer::take_second(KeyScore& score, std::int32_t now, const KeyCounts& counts,
                           const Learning& learning) const {
  const auto busy = static_cast<std::uint32_t>(busy_class(score));
  const double mean = score.baseline * learning.season;
  const double expected = elapse(score, now + 1, learning);
  const double posts = counts.new_authors;
  if (learning.scoring) {
    const SecondLikelihood likelihood(score, expected);
    const bool was_quiet = score.low <= 0;
    const auto step = [&](float statistic, double memory, double evidence, double drift) {
      const double moved =
          statistic * (1 - 1 / memory) +
          (evidence - drift * likelihood.drift_factor * expected) / likelihood.divisor;
      return static_cast<float>(std::clamp(moved, 0.0, kStatisticMax));
    };
    score.low = step(score.low, low_memory(score),
                     likelihood.log_ratio(posts, ratio_low_, log_low_), drift_low_);
    score.high = score.low <= 0
                     ? 0
                     : step(score.high, burst_memory_,
                            likelihood.log_ratio(posts, ratio_high_, log_high_), drift_high_);
    if (was_quiet && score.low > 0) {
      score.onset = now;
      score.busy = busy & 7U;
    }
  }
  if (!learning.volume_wave && !is_away(score)) learn_seconds(score, posts, mean);
  score.fast += static_cast<float>(posts / kFastSpan);
  score.window_posts += static_cast<float>(posts);
  const bool slow = learning.volume_wave || is_away(score);
  const double age = std::clamp<double>(learning.stream_age, 1, span_);
  score.baseline += static_cast<float>(posts / (slow ? span_ * kSlowFactor : age));
  take_texts(score, now, counts, expected, learning);
  return expected;
}

void Scorer::learn_seconds(KeyScore& score, double posts, double mean) const {
  if (mean <= 0) return;
  const double off = posts - mean;
  const double sample = std::min(off * off, kSampleMax * std::max(mean, 1.0));
  const double without = mean * std::min(mean, kSampleMax);  // what elapse() took it for
  const double gain = kSecondGain * std::min(mean, 1.0) / mean;
  score.second_dispersion = static_cast<float>(
      std::clamp(score.second_dispersion + gain * (sample - without), 0.1, kDispersionMax));
}

void Scorer::take_texts(KeyScore& score, std::int32_t now, const KeyCounts& counts, double expected,
                        const Learning& learning) const {
  const double texts = static_cast<double>(counts.new_authors) - counts.new_author_bare;
  const double negatives = std::min<double>(counts.new_author_negative, texts);
  if (texts <= 0) return;
  if (learning.scoring && !learning.fixed_share) {
    const double share = negative_share(score, learning.negative_prior);
    // With odds w times those of the share p: ln of the ratio is ln w - ln(1 + (w - 1) p) for a
    // negative post, and the latter alone for another.
    const double step =
        (negatives * log_odds_ratio_ - texts * std::log1p((odds_ratio_ - 1) * share)) /
        kNegativeDispersion;
    const bool was_quiet = score.negative <= 0;
    score.negative = static_cast<float>(std::clamp(score.negative + step, 0.0, kStatisticMax));
    if (was_quiet && score.negative > 0) score.onset_negative = now;
  }
  const double recent = std::max(score.fast * kFastSpan, texts);
  score.fast_share += static_cast<float>(texts / recent * (negatives / texts - score.fast_share));
  double weight = learning.negative_wave || score.negative > kAwayNegative ? 1 / kSlowFactor : 1;
  // A burst's mood is not the key's: a happy one would make what is normal look negative
  // afterwards. A wave teaches nothing of the share, a key that is away no more than was expected.
  if (learning.volume_wave) weight = 0;
  if (is_away(score)) weight *= std::min(1.0, expected / counts.new_authors);
  score.negative_sum += static_cast<float>(weight * negatives);
  score.text_sum += static_cast<float>(weight * texts);
}

}  // namespace tidewatch

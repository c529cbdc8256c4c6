// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "aggregate/window_counts.h"
#include "detect/detector.h"

namespace tidewatch {

// The change scores of one key. Plain numbers, 64 bytes. Times are seconds of detector time (since
// the first tick, with outages of the whole stream cut out); rates are posts by new authors a
// second.
//
// Volume: CUSUM (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954) in the form for
// counts (J. M. Lucas, "Counted data CUSUM's", Technometrics 27, 1985): the log-likelihood ratio
// of a rate `r` times the expected one against the expected one, floored at 0. It is divided by
// the key's dispersion (variance over mean of its minutes), the quasi-likelihood correction for
// counts that vary more than Poisson ones do (R. W. M. Wedderburn, Biometrika 61, 1974; for
// outbreak detection C. P. Farrington et al., J. R. Stat. Soc. A 159, 1996). What the counts vary
// within single seconds is no matter of division but of the right likelihood: the ratio is that of
// negative binomial counts of that dispersion (Poisson ones at 1), under which the second post of a
// second says less than the first; divided is by what is left, the wandering of the rate.
//
// Negative share: Bernoulli CUSUM (M. R. Reynolds and Z. G. Stoumbos, J. Quality Technology 31,
// 1999) over posts with a text by new authors, against a running share.
struct KeyScore {
  std::int32_t last = 0;  // the first second not yet looked at
  // The key's first tick; and how busy it was when `low` last left 0 (see kBusyPerMinute): by now
  // its baseline holds posts of the change itself.
  static constexpr std::int32_t kKnownSinceMax = (1 << 29) - 1;  // 17 years; later is taken as then
  std::uint32_t known_since : 29 = 0;
  std::uint32_t busy : 3 = 0;
  float baseline = 0;           // running mean rate
  float dispersion = 2;         // variance over mean of its minutes; at least 1
  float second_dispersion = 1;  // and of its seconds
  float fast = 0;               // rate over about the last minute
  float low = 0, high = 0;      // volume statistics for ratio_low, and ratio_high (bursts)
  std::int32_t onset = 0;       // when `low` last left 0
  float window_posts = 0;       // of the minutes not yet in `dispersion`
  float window_expected = 0;
  float negative_sum = 0;  // decayed posts: negative ones, and all with a text
  float text_sum = 0;
  float fast_share = 0;  // of negative ones among the posts with a text of about the last minute
  float negative = 0;    // negative-share statistic
  std::int32_t onset_negative = 0;
};
static_assert(sizeof(KeyScore) <= 64);

// The arithmetic on KeyScore: what time and counts do to it. Pure: no state but settings.
// Silence of any length is one step in closed form.
class Scorer {
 public:
  explicit Scorer(const DetectOptions& options);

  // How the key may learn from a step. A key far above its baseline learns slowly, so that a wave
  // does not become its own baseline; yet a change that lasts for good does in the end.
  struct Learning {
    std::int32_t stream_age = 0;  // seconds from the first tick to the end of the step
    bool volume_wave = false;     // a wave is open
    bool negative_wave = false;
    double negative_prior = 0.2;  // share to lean on while the key's own posts are few
    bool scoring = true;          // false: warm-up, statistics stay at 0
    bool fixed_share = false;     // the negative statistic stays at 0
    // What the running baseline is to be multiplied with at this hour of the week.
    double season = 1;
  };

  // Passes silent time up to `until` (not included). Gives the posts expected in it.
  double pass_silence(KeyScore& score, std::int32_t until, const Learning& learning) const;
  // Takes the counts of second `now`; pass_silence up to `now` came before. Gives the posts
  // expected in it. A statistic that is at 0 afterwards has no run: sums over it start again.
  double take_second(KeyScore& score, std::int32_t now, const KeyCounts& counts,
                     const Learning& learning) const;

  // The rate that the statistics compare with: the baseline and two standard errors more, times
  // `season`, and never below the floor.
  double expected_rate(const KeyScore& score, std::int32_t stream_age, double season = 1) const;
  double negative_share(const KeyScore& score, double prior) const;

  // How busy the key was before its present run (is, when it has none): an index into
  // DetectOptions::volume_thresholds.
  static std::size_t busy_class(const KeyScore& score);

  // Statistics over their thresholds.
  double volume(const KeyScore& score) const;
  double negative(const KeyScore& score) const;

 private:
  // Seconds in which the slower volume statistic forgets.
  double low_memory(const KeyScore& score) const;
  // Lets time pass for everything but the statistics; gives the expected posts.
  double elapse(KeyScore& score, std::int32_t until, const Learning& learning) const;
  void close_window(KeyScore& score, std::int32_t until, bool learning) const;
  void learn_seconds(KeyScore& score, double posts, double mean) const;
  void take_texts(KeyScore& score, std::int32_t now, const KeyCounts& counts, double expected,
                  const Learning& learning) const;

  double ratio_low_, ratio_high_;  // r
  double log_low_, log_high_;      // ln r
  double drift_low_, drift_high_;  // r - 1
  double odds_ratio_, log_odds_ratio_;
  std::array<double, kBusyClasses> volume_thresholds_, burst_thresholds_;
  double low_memory_, quiet_memory_, burst_memory_;  // seconds
  double negative_threshold_;
  double floor_;  // a second
  double span_;   // seconds
};

}  // namespace tidewatch

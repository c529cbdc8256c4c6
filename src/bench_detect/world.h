// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "aggregate/window_counts.h"
#include "bench_detect/confusion.h"
#include "bench_detect/rate_curve.h"

namespace tidewatch {

struct WorldOptions {
  std::uint64_t seed = 1;
  double scale = 1;             // of the curves: below 1 they are thinned
  std::size_t hashtags = 0;     // keys of their own, each with a stretch of a curve, thinned
  double negative_share = 0.3;  // of the background's posts
  double bare_share = 0.4;      // posts without a text, as in CED
  // Squared coefficient of variation of the rate from minute to minute within a bin: what CED's
  // cascades have (variance over mean of 10 s counts 1.2 and of minutes 2.0 at 50 posts in 5 min).
  double minute_variation = 0.1;
  Confusion confusion;
  // Bins of the curves that hashtags take their stretch from: those of the days that are run.
  std::size_t first_bin = 0, last_bin = 0;
};

// Posts planted into the background. Regions are places in World's list of provinces.
struct Injection {
  std::size_t topic = 0;
  std::vector<std::size_t> regions;
  std::int64_t start = 0;                 // Unix seconds
  std::vector<std::uint32_t> per_second;  // posts
  double negative_share = 0.5;
  double bare_share = 0.4;
  std::uint32_t accounts = 0;  // 0: every post by a new author; else so many write all of it
};

// What the engine would count, second by second, if the background were what the curves say and the
// injections happened: posts are thinned, spread over 31 provinces by population, clustered in time
// and classified with the confusion given. Each topic is one curve. A hashtag's posts are counted
// under the hashtag alone (its topic's curve has them already). Ticks hold the four keys of each
// topic and region as Aggregator counts them. Regions are synthetic: no public data has them.
// Deterministic by seed. Threads: none.
class World {
 public:
  static constexpr std::size_t kRegions = 31;
  static constexpr std::size_t kAll = SIZE_MAX;  // topic or region of a sum
  static constexpr std::size_t kHashtag = SIZE_MAX - 1;

  struct Place {
    std::size_t topic = kAll, region = kAll;  // kHashtag: neither
  };

  // `curves` must outlive the world and have `last_bin` bins.
  World(const WorldOptions& options, const std::vector<RateCurve>& curves);

  void inject(Injection injection);

  // Gives the seconds with posts of the next bin, in order. False: the last bin is done.
  bool next_bin(std::vector<Tick>& ticks);
  // The first second after the bins given so far.
  std::int64_t now() const;

  std::size_t num_keys() const { return names_.size(); }
  const KeyName* name(KeyId key) const;
  Place place(KeyId key) const;
  std::size_t num_topics() const { return curves_.size(); }
  // Posts a minute that a topic has on average over the bins that are run.
  double topic_per_minute(std::size_t topic) const;
  static const char* region_name(std::size_t region);

 private:
  struct Item {
    std::uint32_t second;  // of the bin
    std::uint32_t what;    // a topic, or num_topics() + a hashtag
  };
  struct Hashtag {
    std::size_t curve = 0, shift = 0;
    double kept = 0;  // share of the curve's posts
  };

  void draw_background(std::size_t bin);
  void scatter(std::uint32_t what, std::uint32_t posts);
  void take_injections(std::int64_t second);
  void add(std::size_t topic, std::size_t region, std::uint32_t posts, double negative_share,
           double bare_share, std::uint32_t new_authors);
  void count(std::size_t topic, std::size_t region, const KeyCounts& counts);
  void count_key(std::size_t index, const KeyCounts& counts);
  std::uint32_t share_of(std::uint32_t posts, double share);
  std::size_t draw_region();
  std::size_t key_of(std::size_t topic, std::size_t region) const;

  WorldOptions options_;
  const std::vector<RateCurve>& curves_;
  std::vector<KeyName> names_;
  std::vector<Hashtag> hashtags_;
  std::vector<Injection> injections_;  // by start
  std::vector<double> shares_;         // of the provinces, cumulative
  std::size_t bin_;
  std::mt19937_64 random_;
  std::vector<Item> items_;             // scratch: the posts of a bin
  std::vector<KeyCounts> counts_;       // scratch: by key
  std::vector<std::uint32_t> touched_;  // scratch: keys of the open second
};

}  // namespace tidewatch

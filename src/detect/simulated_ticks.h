// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "aggregate/window_counts.h"
#include "detect/detector.h"

namespace tidewatch {

// Builds ticks for tests and benchmarks of the detector from counts, second by second, without an
// aggregator: every post is by a new author unless said otherwise.
class SimulatedTicks {
 public:
  explicit SimulatedTicks(std::uint64_t seed, std::int64_t start = 1'600'000'000)
      : random_(seed), second_(start) {}

  // The id of a key in text form; made on first use.
  KeyId key(const std::string& text) {
    const auto [place, fresh] = ids_.emplace(text, KeyId{ids_.size() + 1});
    if (fresh) names_.push_back(*parse_key(text));
    return place->second;
  }

  Detector::KeyNames names() const {
    return [this](KeyId id) {
      return id.value == 0 || id.value > names_.size() ? nullptr : &names_[id.value - 1];
    };
  }

  // Adds posts to the open second of a key.
  void add(const std::string& text, std::uint32_t posts, std::uint32_t negative = 0) {
    if (posts == 0) return;
    KeyCounts& counts = counts_of(key(text));
    counts.posts += posts;
    counts.new_authors += posts;
    counts.new_texts += posts;
    counts.negative += negative;
    counts.new_author_negative += negative;
  }

  // Adds posts to a topic@region key and to the three above it.
  void add_family(const std::string& topic, const std::string& region, std::uint32_t posts,
                  std::uint32_t negative = 0) {
    for (const std::string& key :
         {topic + "@" + region, topic + "@*", "*@" + region, std::string{"*@*"}}) {
      add(key, posts, negative);
    }
  }

  // Adds posts by authors who posted before.
  void add_repeated(const std::string& text, std::uint32_t posts) {
    if (posts != 0) counts_of(key(text)).posts += posts;
  }

  // Adds bare reposts by new authors.
  void add_bare(const std::string& text, std::uint32_t posts) {
    KeyCounts& counts = counts_of(key(text));
    counts.posts += posts;
    counts.new_authors += posts;
    counts.bare_reposts += posts;
    counts.new_author_bare += posts;
  }

  // Counts of the given mean; `dispersion` is variance over mean: 1 is Poisson, more is negative
  // binomial.
  std::uint32_t draw(double mean, double dispersion = 1) {
    if (mean <= 0) return 0;
    if (dispersion > 1) {
      std::gamma_distribution<double> rate(mean / (dispersion - 1), dispersion - 1);
      mean = rate(random_);
      if (mean <= 0) return 0;
    }
    return static_cast<std::uint32_t>(std::poisson_distribution<int>(mean)(random_));
  }
  std::uint32_t draw_share(std::uint32_t posts, double share) {
    return static_cast<std::uint32_t>(
        std::binomial_distribution<int>(static_cast<int>(posts), share)(random_));
  }

  // Closes the open second, shows it to the detector unless it is empty, and opens the next.
  void close(Detector& detector, std::vector<Change>& changes) {
    if (!open_.keys.empty()) {
      open_.second = second_;
      detector.observe(open_, names(), changes);
      open_ = {};
    }
    ++second_;
  }

  void skip(std::int64_t seconds) { second_ += seconds; }
  void evict(KeyId id) { open_.evicted.push_back(id); }
  std::int64_t second() const { return second_; }
  std::mt19937_64& random() { return random_; }

 private:
  KeyCounts& counts_of(KeyId id) {
    for (KeyTick& tick : open_.keys) {
      if (tick.key == id) return tick.counts;
    }
    open_.keys.push_back({id, {}});
    return open_.keys.back().counts;
  }

  std::mt19937_64 random_;
  std::int64_t second_;
  std::map<std::string, KeyId> ids_;
  std::vector<KeyName> names_;
  Tick open_;
};

}  // namespace tidewatch

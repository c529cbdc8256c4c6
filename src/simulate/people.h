// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "simulate/random.h"

namespace tidewatch {

// A province-level place as Weibo shows it after IP属地, with the cities that are mentioned.
struct Region {
  std::string_view name;
  std::uint32_t weight = 0;  // its share of the posts, about 0.1 % each
  std::span<const std::string_view> cities;
};

// Every region, in a fixed order.
std::span<const Region> regions();

// Returns the index in regions(), or -1 for an unknown name.
int find_region(std::string_view name);

// A member of the made-up population. Everything about an author follows from the two numbers.
struct Author {
  std::uint32_t region = 0;  // index in regions()
  std::uint32_t rank = 0;    // within the region; low ranks write most
  friend bool operator==(const Author&, const Author&) = default;
};

// The made-up population: 400,000 authors, at home in one region each, whose activity falls with
// their rank as Zipf and Mandelbrot describe. Immutable: safe to share between threads.
class Population {
 public:
  static constexpr std::uint32_t kNumAuthors = 400'000;

  Population();

  std::uint32_t pick_region(Random& random) const;
  Author pick_author(std::uint32_t region, Random& random) const;

  // A number that is this author's alone, below kNumAuthors.
  std::uint32_t number(Author author) const { return first_[author.region] + author.rank; }

  // Appends the author's nickname; no two authors share one.
  void append_nickname(Author author, std::string& out) const;

  // The author's home town; the region's name when it has no list of towns.
  std::string_view city(Author author) const;

  // Writes traditional characters: most authors of 香港, 澳门 and 台湾, few elsewhere.
  bool writes_traditional(Author author) const;

 private:
  struct Shape {  // of the activity within a region: the inverse of the cumulative share
    double low = 0;
    double span = 0;
  };
  std::vector<std::uint32_t> first_;    // by region: the number of its first author
  std::vector<std::uint32_t> size_;     // by region
  std::vector<std::uint16_t> lottery_;  // region indices, each as often as its weight
  std::vector<Shape> shape_;            // by region
};

}  // namespace tidewatch

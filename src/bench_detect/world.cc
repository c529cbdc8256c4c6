// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

namespace tidewatch {
namespace {

struct Province {
  const char* name;
  double millions;  // census of 2020
};
constexpr std::array<Province, World::kRegions> kProvinces{{
    {"广东", 126.0}, {"山东", 101.5}, {"河南", 99.4}, {"江苏", 84.7}, {"四川", 83.7},
    {"河北", 74.6},  {"湖南", 66.4},  {"浙江", 64.6}, {"安徽", 61.0}, {"湖北", 57.8},
    {"广西", 50.1},  {"云南", 47.2},  {"江西", 45.2}, {"辽宁", 42.6}, {"福建", 41.5},
    {"陕西", 39.5},  {"贵州", 38.6},  {"山西", 34.9}, {"重庆", 32.1}, {"黑龙江", 31.9},
    {"新疆", 25.9},  {"甘肃", 25.0},  {"上海", 24.9}, {"吉林", 24.1}, {"内蒙古", 24.0},
    {"北京", 21.9},  {"天津", 13.9},  {"海南", 10.1}, {"宁夏", 7.2},  {"青海", 5.9},
    {"西藏", 3.6},
}};

// Hashtags have between these many posts a day on average, evenly by logarithm.
constexpr double kHashtagPerDayLow = 2, kHashtagPerDayHigh = 200;
// The running hours of accounts in a flood: a post by one that posted within the unique window of
// the aggregator (10 min) is by no new author; all of them come back after it at the latest.
constexpr std::int64_t kUniqueSeconds = 600;

std::uint64_t mix(std::uint64_t seed, std::uint64_t value) {
  std::uint64_t x = seed * 0x9E3779B97F4A7C15 ^ (value + 0xD1B54A32D192ED03);
  x ^= x >> 31U;
  x *= 0xBF58476D1CE4E5B9;
  return x ^ (x >> 29U);
}

}  // namespace

World::World(const WorldOptions& options, const std::vector<RateCurve>& curves)
    : options_(options), curves_(curves), bin_(options.first_bin) {
  assert(!curves.empty() && options.first_bin < options.last_bin);
  assert(options.last_bin <= curves.front().counts.size());
  double sum = 0;
  for (const Province& province : kProvinces) shares_.push_back(sum += province.millions);
  for (double& share : shares_) share /= sum;
  const auto add_name = [&](const std::string& topic, const std::string& region) {
    names_.push_back({KeyKind::kTopicRegion, topic, region, ""});
  };
  for (const RateCurve& curve : curves) {
    for (const Province& province : kProvinces) add_name(curve.name, province.name);
  }
  for (const RateCurve& curve : curves) add_name(curve.name, "*");
  for (const Province& province : kProvinces) add_name("*", province.name);
  add_name("*", "*");
  std::mt19937_64 random(mix(options.seed, 0x7A6));
  std::uniform_real_distribution<double> uniform;
  for (std::size_t i = 0; i < options.hashtags; ++i) {
    names_.push_back({KeyKind::kHashtag, "", "", fmt::format("tag{}", i)});
    Hashtag tag;
    tag.curve = random() % curves.size();
    tag.shift = random() % (options.last_bin - options.first_bin);
    const double per_day =
        kHashtagPerDayLow * std::pow(kHashtagPerDayHigh / kHashtagPerDayLow, uniform(random));
    const double mean = topic_per_minute(tag.curve) / options.scale * 1'440;
    tag.kept = mean > 0 ? std::min(per_day / mean, 1.0) : 0;
    hashtags_.push_back(tag);
  }
  counts_.resize(names_.size());
}

double World::topic_per_minute(std::size_t topic) const {
  double sum = 0;
  for (std::size_t bin = options_.first_bin; bin < options_.last_bin; ++bin) {
    sum += curves_[topic].counts[bin];
  }
  return sum * options_.scale / static_cast<double>(options_.last_bin - options_.first_bin) / 5;
}

const char* World::region_name(std::size_t region) { return kProvinces[region].name; }

const KeyName* World::name(KeyId key) const {
  return key.value == 0 || key.value > names_.size() ? nullptr : &names_[key.value - 1];
}

World::Place World::place(KeyId key) const {
  const std::size_t index = key.value - 1, topics = curves_.size();
  if (index < topics * kRegions) return {index / kRegions, index % kRegions};
  const std::size_t rest = index - topics * kRegions;
  if (rest < topics) return {rest, kAll};
  if (rest < topics + kRegions) return {kAll, rest - topics};
  if (rest == topics + kRegions) return {kAll, kAll};
  return {kHashtag, kHashtag};
}

std::size_t World::key_of(std::size_t topic, std::size_t region) const {
  const std::size_t topics = curves_.size();
  if (topic != kAll && region != kAll) return topic * kRegions + region;
  if (region == kAll && topic != kAll) return topics * kRegions + topic;
  return topics * kRegions + topics + (region == kAll ? kRegions : region);
}

std::int64_t World::now() const {
  return curves_.front().start + static_cast<std::int64_t>(bin_) * kBinSeconds;
}

void World::inject(Injection injection) {
  const auto later = std::find_if(injections_.begin(), injections_.end(),
                                  [&](const Injection& i) { return i.start > injection.start; });
  injections_.insert(later, std::move(injection));
}

std::uint32_t World::share_of(std::uint32_t posts, double share) {
  if (posts == 0 || share <= 0) return 0;
  if (share >= 1) return posts;
  if (posts <= 4) {
    std::uint32_t taken = 0;
    std::uniform_real_distribution<double> uniform;
    for (std::uint32_t i = 0; i < posts; ++i) taken += uniform(random_) < share;
    return taken;
  }
  return static_cast<std::uint32_t>(
      std::binomial_distribution<int>(static_cast<int>(posts), share)(random_));
}

std::size_t World::draw_region() {
  const double place = std::uniform_real_distribution<double>()(random_);
  const auto found = std::upper_bound(shares_.begin(), shares_.end(), place);
  return std::min(static_cast<std::size_t>(found - shares_.begin()), kRegions - 1);
}

void World::scatter(std::uint32_t what, std::uint32_t posts) {
  if (posts == 0) return;
  constexpr std::size_t kMinutes = kBinSeconds / 60;
  std::array<double, kMinutes> until{};
  std::gamma_distribution<double> weight(1 / options_.minute_variation, 1);
  double sum = 0;
  for (double& minute : until) minute = sum += options_.minute_variation > 0 ? weight(random_) : 1;
  std::uniform_real_distribution<double> uniform;
  for (std::uint32_t i = 0; i < posts; ++i) {
    const double place = uniform(random_) * sum;
    const auto minute = static_cast<std::size_t>(
        std::upper_bound(until.begin(), until.end() - 1, place) - until.begin());
    items_.push_back({static_cast<std::uint32_t>(minute * 60 + random_() % 60), what});
  }
}

void World::draw_background(std::size_t bin) {
  items_.clear();
  const auto thinned = [&](double count, double kept) {
    const auto whole = static_cast<std::uint32_t>(std::lround(count));
    if (kept <= 1) return share_of(whole, kept);
    return static_cast<std::uint32_t>(std::poisson_distribution<int>(count * kept)(random_));
  };
  for (std::size_t topic = 0; topic < curves_.size(); ++topic) {
    const double count = curves_[topic].counts[bin];
    scatter(static_cast<std::uint32_t>(topic), count > 0 ? thinned(count, options_.scale) : 0);
  }
  const std::size_t bins = options_.last_bin - options_.first_bin;
  for (std::size_t i = 0; i < hashtags_.size(); ++i) {
    const Hashtag& tag = hashtags_[i];
    const std::size_t from = options_.first_bin + (bin - options_.first_bin + tag.shift) % bins;
    const double count = curves_[tag.curve].counts[from];
    if (count <= 0) continue;
    // Thinned to nearly nothing, Poisson is exact and a single draw.
    const auto posts =
        static_cast<std::uint32_t>(std::poisson_distribution<int>(count * tag.kept)(random_));
    scatter(static_cast<std::uint32_t>(curves_.size() + i), posts);
  }
  std::stable_sort(items_.begin(), items_.end(),
                   [](const Item& a, const Item& b) { return a.second < b.second; });
}

bool World::next_bin(std::vector<Tick>& ticks) {
  ticks.clear();
  if (bin_ >= options_.last_bin) return false;
  random_.seed(mix(options_.seed, bin_));
  draw_background(bin_);
  const std::int64_t start = now();
  std::erase_if(injections_, [&](const Injection& injection) {
    return injection.start + static_cast<std::int64_t>(injection.per_second.size()) <= start;
  });
  auto item = items_.begin();
  for (std::int64_t second = start; second < start + kBinSeconds; ++second) {
    for (; item != items_.end() && item->second == second - start; ++item) {
      if (item->what < curves_.size()) {
        add(item->what, draw_region(), 1, options_.negative_share, options_.bare_share, 1);
      } else {
        KeyCounts counts;
        counts.posts = counts.new_authors = 1;
        counts.new_author_bare = counts.bare_reposts = share_of(1, options_.bare_share);
        counts.new_texts = 1 - counts.bare_reposts;
        const Confusion& c = options_.confusion;
        counts.negative = counts.new_author_negative =
            share_of(counts.new_texts, options_.negative_share * c.negative_found +
                                           (1 - options_.negative_share) * c.negative_wrong);
        count_key(
            curves_.size() * kRegions + curves_.size() + kRegions + 1 + item->what - curves_.size(),
            counts);
      }
    }
    take_injections(second);
    if (touched_.empty()) continue;
    Tick& tick = ticks.emplace_back();
    tick.second = second;
    tick.keys.reserve(touched_.size());
    for (const std::uint32_t index : touched_) {
      tick.keys.push_back({KeyId{index + std::uint64_t{1}}, counts_[index]});
      counts_[index] = {};
    }
    touched_.clear();
  }
  ++bin_;
  return true;
}

void World::take_injections(std::int64_t second) {
  for (const Injection& injection : injections_) {
    const std::int64_t at = second - injection.start;
    if (at < 0) break;
    if (at >= static_cast<std::int64_t>(injection.per_second.size())) continue;
    std::uint32_t left = injection.per_second[static_cast<std::size_t>(at)];
    if (left == 0) continue;
    double weight = 0;
    const auto width = [&](std::size_t region) {
      return shares_[region] - (region == 0 ? 0 : shares_[region - 1]);
    };
    for (const std::size_t region : injection.regions) weight += width(region);
    for (const std::size_t region : injection.regions) {
      if (left == 0) break;
      const std::uint32_t here = share_of(left, std::min(1.0, width(region) / weight));
      weight -= width(region);
      left -= here;
      std::uint32_t authors = here;
      if (injection.accounts > 0) {
        // All accounts show themselves within seconds, then only now and then as new.
        const double fresh = at < 60 ? injection.accounts / 60.0
                                     : injection.accounts / static_cast<double>(kUniqueSeconds);
        const auto shown = static_cast<std::uint32_t>(std::poisson_distribution<int>(
            fresh / static_cast<double>(injection.regions.size()))(random_));
        authors = std::min(here, shown);
      }
      add(injection.topic, region, here, injection.negative_share, injection.bare_share, authors);
    }
  }
}

void World::add(std::size_t topic, std::size_t region, std::uint32_t posts, double negative_share,
                double bare_share, std::uint32_t new_authors) {
  if (posts == 0) return;
  const Confusion& confusion = options_.confusion;
  const double called_negative =
      negative_share * confusion.negative_found + (1 - negative_share) * confusion.negative_wrong;
  const auto counts_of = [&](std::uint32_t n, std::uint32_t authors) {
    KeyCounts counts;
    counts.posts = n;
    counts.new_authors = authors;
    counts.bare_reposts = share_of(n, bare_share);
    counts.new_author_bare =
        std::min(authors, share_of(authors, static_cast<double>(counts.bare_reposts) / n));
    counts.new_texts = n - counts.bare_reposts;
    counts.negative = share_of(n - counts.bare_reposts, called_negative);
    counts.new_author_negative = authors == n
                                     ? counts.negative
                                     : share_of(authors - counts.new_author_bare, called_negative);
    return counts;
  };
  // Of the posts that get another topic each of the others takes an equal part.
  std::uint32_t wrong = share_of(posts, 1 - confusion.topic_right);
  std::uint32_t others = static_cast<std::uint32_t>(curves_.size()) - 1;
  if (others == 0) wrong = 0;
  std::uint32_t authors_left = new_authors;
  const std::uint32_t authors_wrong =
      new_authors == posts ? wrong : share_of(new_authors, static_cast<double>(wrong) / posts);
  authors_left -= authors_wrong;
  if (posts > wrong) {
    const std::uint32_t right = posts - wrong;
    count(topic, region, counts_of(right, std::min(right, authors_left)));
  }
  std::uint32_t authors_other = authors_wrong;
  if (wrong > 0 && posts == 1) {  // the common case, in one draw
    const std::size_t other = (topic + 1 + random_() % others) % curves_.size();
    count(other, region, counts_of(1, std::min<std::uint32_t>(1, authors_other)));
    return;
  }
  for (std::size_t other = 0; other < curves_.size() && wrong > 0; ++other) {
    if (other == topic) continue;
    const std::uint32_t here = share_of(wrong, 1.0 / others);
    --others;
    if (here == 0) continue;
    const std::uint32_t authors =
        new_authors == posts ? here : share_of(authors_other, static_cast<double>(here) / wrong);
    authors_other -= std::min(authors, authors_other);
    wrong -= here;
    count(other, region, counts_of(here, authors));
  }
}

void World::count(std::size_t topic, std::size_t region, const KeyCounts& counts) {
  count_key(key_of(topic, region), counts);
  count_key(key_of(topic, kAll), counts);
  count_key(key_of(kAll, region), counts);
  count_key(key_of(kAll, kAll), counts);
}

void World::count_key(std::size_t index, const KeyCounts& counts) {
  if (counts_[index].posts == 0) touched_.push_back(static_cast<std::uint32_t>(index));
  counts_[index] += counts;
}

}  // namespace tidewatch

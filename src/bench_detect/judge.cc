// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/judge.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tidewatch {
namespace {

constexpr std::int64_t kAfterEnd = 1'800;
constexpr std::int64_t kMergeSeconds = 1'800;

bool contains(const std::vector<std::size_t>& regions, std::size_t region) {
  return std::find(regions.begin(), regions.end(), region) != regions.end();
}

bool fits_place(World::Place place, const PlannedEvent& event) {
  if (place.topic == World::kHashtag) return false;
  return (place.topic == World::kAll || place.topic == event.topic) &&
         (place.region == World::kAll || contains(event.regions, place.region));
}

bool region_right(std::size_t region, const PlannedEvent& event) {
  if (event.regions.size() == World::kRegions) return region == World::kAll;
  if (event.regions.size() == 1) return region == event.regions.front();
  return region == World::kAll || contains(event.regions, region);
}

bool related(World::Place a, World::Place b) {
  if (a.topic == World::kHashtag || b.topic == World::kHashtag) return false;
  const bool topics = a.topic == b.topic || a.topic == World::kAll || b.topic == World::kAll;
  const bool regions = a.region == b.region || a.region == World::kAll || b.region == World::kAll;
  return topics && regions;
}

}  // namespace

DetectionVerdict judge(const std::vector<Alarm>& alarms, const std::vector<PlannedEvent>& events,
                       const World& world, std::int64_t from) {
  DetectionVerdict verdict;
  verdict.events.resize(events.size());
  struct Told {
    std::int64_t at;
    World::Place place;
    KeyId key;
  };
  std::vector<Told> told;  // false alarms of the last half hour, each renewed by its relatives
  for (const Alarm& alarm : alarms) {
    if (alarm.at < from) continue;
    const World::Place place = world.place(alarm.key);
    bool fits = false, during = false;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const PlannedEvent& event = events[i];
      if (alarm.at < event.start || alarm.at > event.end + kAfterEnd) continue;
      during = true;
      if (!fits_place(place, event)) continue;
      fits = true;
      EventVerdict& seen = verdict.events[i];
      const auto delay = static_cast<double>(alarm.at - event.start);
      if (!seen.delay) {
        seen.delay = delay;
        seen.topic_right = place.topic == event.topic;
        seen.region_right = region_right(place.region, event);
      }
      if (alarm.kind == ChangeKind::kNegative && !seen.negative_delay) seen.negative_delay = delay;
    }
    if (fits) {
      ++verdict.alarms;
    } else if (during) {
      ++verdict.beside;
    } else {
      std::erase_if(told, [&](const Told& t) { return alarm.at - t.at > kMergeSeconds; });
      const auto same = std::find_if(told.begin(), told.end(), [&](const Told& t) {
        return t.key == alarm.key || related(t.place, place);
      });
      if (same == told.end()) ++verdict.false_alarms;
      told.push_back({alarm.at, place, alarm.key});
    }
  }
  return verdict;
}

std::optional<double> censored_quantile(std::vector<std::optional<double>> delays,
                                        double quantile) {
  if (delays.empty()) return std::nullopt;
  constexpr double kMissed = std::numeric_limits<double>::infinity();
  std::vector<double> values;
  for (const auto& delay : delays) values.push_back(delay.value_or(kMissed));
  std::sort(values.begin(), values.end());
  // The smallest value that this share of all is not above.
  const double rank = std::ceil(quantile * static_cast<double>(values.size()));
  const auto place = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  const double value = values[std::min(place, values.size() - 1)];
  if (value == kMissed) return std::nullopt;
  return value;
}

double poisson_upper_limit(std::size_t count) {
  const auto at_most = [&](double mean) {  // P(X <= count)
    double term = std::exp(-mean), sum = term;
    for (std::size_t k = 1; k <= count; ++k) sum += term *= mean / static_cast<double>(k);
    return sum;
  };
  const auto n = static_cast<double>(count);
  if (count > 400) return n + 1.645 * std::sqrt(n) + 2;  // the normal approximation
  double low = 0, high = n + 10 + 5 * std::sqrt(n + 1);
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (at_most(middle) > 0.05 ? low : high) = middle;
  }
  return high;
}

}  // namespace tidewatch

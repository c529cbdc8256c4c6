// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/event_plan.h"

#include <algorithm>
#include <numeric>

namespace tidewatch {
namespace {

constexpr double kQuietPerMinute = 1, kMiddlePerMinute = 5;
constexpr std::size_t kProvinceCounts[] = {1, 3, World::kRegions};
constexpr double kNegativeShares[] = {0.2, 0.5, 0.8};
constexpr std::uint32_t kFloodAccounts = 15;
constexpr std::uint32_t kSpecialVolumes[] = {3'000, 10'000, 100'000};

struct Cell {
  std::uint32_t volume;
  std::size_t provinces;
  double negative;
  std::size_t level;
};

std::vector<Cell> grid(const PlanOptions& options) {
  std::vector<Cell> cells;
  for (const std::uint32_t volume : options.volumes) {
    for (const std::size_t provinces : kProvinceCounts) {
      for (const double negative : kNegativeShares) {
        for (std::size_t level = 0; level < kLevels; ++level) {
          cells.push_back({volume, provinces, negative, level});
        }
      }
    }
  }
  std::mt19937_64 random(options.seed);
  std::shuffle(cells.begin(), cells.end(), random);
  return cells;
}

}  // namespace

const char* level_name(std::size_t level) {
  constexpr const char* kNames[kLevels] = {"quiet", "middle", "busy"};
  return kNames[level];
}

TopicLevels topic_levels(const World& world) {
  TopicLevels levels;
  for (std::size_t topic = 0; topic < world.num_topics(); ++topic) {
    const double rate = world.topic_per_minute(topic);
    levels.topics[rate <= kQuietPerMinute ? 0 : rate <= kMiddlePerMinute ? 1 : 2].push_back(topic);
  }
  for (auto& topics : levels.topics) {
    for (const std::size_t other : {1, 0, 2}) {
      if (topics.empty()) topics = levels.topics[other];
    }
  }
  return levels;
}

std::vector<PlannedEvent> plan_events(const PlanOptions& options, std::size_t offset,
                                      const std::vector<EventCurve>& curves, World& world) {
  const std::vector<Cell> cells = grid(options);
  const TopicLevels levels = topic_levels(world);
  std::mt19937_64 random(options.seed * 7'919 + offset);
  std::uniform_real_distribution<double> uniform;
  const auto pick = [&](const auto& list) -> const auto& {
    return list[random() % std::size(list)];
  };
  std::vector<PlannedEvent> events;
  for (std::int64_t start = options.from;; start += options.apart) {
    PlannedEvent event;
    event.start = start + static_cast<std::int64_t>(random() % 1'800);
    event.end = event.start + kEventSeconds;
    if (event.end > options.until) break;
    Cell cell = cells[offset++ % cells.size()];
    if (uniform(random) < options.special_share) {
      --offset;
      event.kind = random() % 2 == 0 ? EventKind::kFlood : EventKind::kHappy;
      cell.volume = pick(kSpecialVolumes);
      cell.negative = event.kind == EventKind::kHappy ? 0.05 : cell.negative;
    }
    event.topic = pick(levels.topics[cell.level]);
    std::vector<std::size_t> regions(World::kRegions);
    std::iota(regions.begin(), regions.end(), 0);
    std::shuffle(regions.begin(), regions.end(), random);
    event.regions.assign(regions.begin(),
                         regions.begin() + static_cast<std::ptrdiff_t>(cell.provinces));
    event.volume = cell.volume;
    event.negative_share = cell.negative;
    event.level = cell.level;

    Injection injection;
    injection.topic = event.topic;
    injection.regions = event.regions;
    injection.start = event.start;
    injection.per_second = resample_event(pick(curves), cell.volume, kEventSeconds, random);
    injection.negative_share = cell.negative;
    injection.accounts = event.kind == EventKind::kFlood ? kFloodAccounts : 0;
    if (event.kind == EventKind::kFlood) injection.bare_share = 0;
    world.inject(std::move(injection));
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace tidewatch

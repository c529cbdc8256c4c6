// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench_detect/event_curve.h"
#include "bench_detect/judge.h"
#include "bench_detect/world.h"

namespace tidewatch {

inline constexpr std::int32_t kEventSeconds = 3 * 3'600;
inline constexpr std::size_t kLevels = 3;  // quiet, middle, busy

// Topics by how busy their background is: at most 1 post a minute, at most 5, more. A level
// without a topic takes the topics of the nearest one that has some.
struct TopicLevels {
  std::vector<std::size_t> topics[kLevels];
};
TopicLevels topic_levels(const World& world);
const char* level_name(std::size_t level);

struct PlanOptions {
  std::uint64_t seed = 1;
  std::int64_t from = 0, until = 0;  // Unix seconds: the first may start, the last must end
  std::int64_t apart = 5 * 3'600;    // from start to start
  std::vector<std::uint32_t> volumes{300, 1'000, 3'000, 10'000, 100'000, 1'000'000};
  double special_share = 0.12;  // of events: floods by few accounts, and happy bursts
};

// Plans events over the days of a pass and plants them in the world: the cells of the grid (volume
// x 1, 3 or 31 provinces x negative share 20, 50 or 80 % x level of the topic) in a random order,
// each used once before any is used twice. Provinces are drawn by place, so that small ones are as
// likely as large ones. Every plan of a series takes up the grid where `offset` says.
std::vector<PlannedEvent> plan_events(const PlanOptions& options, std::size_t offset,
                                      const std::vector<EventCurve>& curves, World& world);

}  // namespace tidewatch

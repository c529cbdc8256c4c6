// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench_detect/alarm_source.h"
#include "bench_detect/world.h"

namespace tidewatch {

enum class EventKind : std::uint8_t { kCrowd, kFlood, kHappy };

// One planted event, as the judge knows it.
struct PlannedEvent {
  EventKind kind = EventKind::kCrowd;
  std::size_t topic = 0;
  std::vector<std::size_t> regions;
  std::int64_t start = 0, end = 0;  // Unix seconds; first post, and after the last
  std::uint32_t volume = 0;
  double negative_share = 0;
  std::size_t level = 0;  // of the topic's background: a place in the report's list
};

struct EventVerdict {
  std::optional<double> delay;           // seconds from the first post to the first alarm about it
  std::optional<double> negative_delay;  // and to the first of kind kNegative
  bool topic_right = false;              // of the first alarm: the event's topic
  bool region_right = false;  // one province: that; 3: one of them or all; 31: all provinces
};

struct DetectionVerdict {
  std::vector<EventVerdict> events;  // in the order of the planned events
  std::size_t alarms = 0;            // of events: all that fit one
  std::size_t beside = 0;  // raised during an event, about a key that has nothing to do with it
  std::size_t false_alarms = 0;
};

// Judges alarms (by time) against the events of a pass. An alarm fits an event when it comes from
// the event's first post until half an hour after its end, about a key that posts of the event
// have. False alarms about related keys within 30 minutes of each other are one, so that a method
// that does not merge relatives is not charged for it. Alarms before `from` are left out.
DetectionVerdict judge(const std::vector<Alarm>& alarms, const std::vector<PlannedEvent>& events,
                       const World& world, std::int64_t from);

// Delay of the given quantile (0 to 1) with misses as infinity: nothing when that is a miss, or
// when there are no events. Sorts `delays`.
std::optional<double> censored_quantile(std::vector<std::optional<double>> delays, double quantile);

// Upper limit (one-sided, 95 %) of the mean of a Poisson variable seen as `count`
// (F. Garwood, Biometrika 28, 1936).
double poisson_upper_limit(std::size_t count);

}  // namespace tidewatch

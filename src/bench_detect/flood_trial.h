// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench_detect/planted_posts.h"
#include "bench_detect/post_background.h"

namespace tidewatch {

// Copy-paste floods and crowds, with texts, planted one after the other into a background of posts
// and run through the engine's own stages (detect/post_watch.h): which are told as what.
struct FloodTrialOptions {
  std::uint64_t seed = 1;
  std::size_t floods = 200;
  std::size_t crowds = 100;
  double background_days = 7;  // before them, without any: for false alarms
  std::size_t rules = 200;     // of one frequent pair of characters each, from the background
};

struct FloodOutcome {
  FloodPlan plan;
  std::optional<double> label_delay;  // seconds from its first post to the alert that tells it
  std::size_t crowd_alerts = 0;       // of any other kind, with one of its posts as evidence
};

struct CrowdOutcome {
  CrowdPlan plan;
  std::optional<double> alert_delay;  // to the first alert that tells of a crowd
  std::size_t coordinated = 0;        // alerts that take it for copy-paste
  std::size_t emergent = 0;           // emergent topics that were opened for it
};

// Alerts that were opened, by what they are: volume, negative (of topics and regions), hashtag,
// rule, emergent, coordinated, advert (coordinated, about the background's own advertisements).
using AlertTally = std::map<std::string, std::size_t>;

struct FloodTrial {
  double background_days = 0;
  std::size_t background_posts = 0;
  AlertTally background;  // in those days
  double event_days = 0;  // the time that floods and crowds were planted in
  AlertTally beside;      // in that time, without a planted post among their evidence
  std::vector<FloodOutcome> floods;
  std::vector<CrowdOutcome> crowds;
  // Of alerts about the background, floods taken for a crowd and the other way round, and further
  // emergent topics of a crowd: kind, key, terms; at most 40.
  std::vector<std::string> examples;
};

FloodTrial run_flood_trial(const FloodTrialOptions& options, PostBackground& background,
                           const std::function<void(const std::string&)>& progress);

// Wilson's 95 % interval of a share seen as `count` of `of` (E. B. Wilson, JASA 22, 1927).
std::pair<double, double> wilson_interval(std::size_t count, std::size_t of);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "app/usual_weeks.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/unix_time.h"
#include "detect/week_profile.h"
#include "report/provinces.h"

namespace tidewatch {
namespace {

using std::chrono::hours;

constexpr hours kWeeks{24 * 7 * static_cast<int>(WeekProfile::kWeeks)};

const KeyName kEverything{KeyKind::kTopicRegion, "*", "*", ""};

std::vector<KeyName> keys_with_weeks(const LabelSchema& labels) {
  std::vector<KeyName> keys{kEverything};  // the others lean on it
  for (const std::string& topic : labels.topics) {
    keys.push_back({KeyKind::kTopicRegion, topic, "*", ""});
  }
  for (const Province& province : provinces()) {
    keys.push_back({KeyKind::kTopicRegion, "*", std::string{province.name}, ""});
  }
  return keys;
}

// The hours of the stream that were counted whole. One with a gap in which kGapPosts or more would
// have come (the detector's own measure of an outage) says too little.
Result<std::set<std::int64_t>> whole_hours(Store& store, EventTime begin, EventTime end) {
  constexpr hours kWeek{24 * 7};  // read at once: 10,080 minutes
  constexpr std::uint64_t kGapPosts = 30;
  struct Seen {
    std::uint64_t posts = 0, minutes = 0;
  };
  std::map<std::int64_t, Seen> seen;
  for (EventTime week = begin; week < end; week += kWeek) {
    TRY_ASSIGN(const std::vector<SeriesPoint> minutes,
               store.series(to_string(kEverything), week, std::min<EventTime>(week + kWeek, end),
                            std::chrono::minutes{1}));
    for (const SeriesPoint& minute : minutes) {
      Seen& hour = seen[unix_seconds(std::chrono::floor<hours>(minute.time))];
      hour.posts += minute.authors;
      ++hour.minutes;
    }
  }
  std::set<std::int64_t> whole;
  for (const auto& [hour, found] : seen) {
    if ((60 - found.minutes) * found.posts < kGapPosts * found.minutes) whole.insert(hour);
  }
  return whole;
}

}  // namespace

Status learn_usual_weeks(Store& store, const LabelSchema& labels, EventTime until,
                         Detector& detector) {
  const EventTime end = std::chrono::floor<hours>(until);
  const EventTime begin = end - kWeeks;
  TRY_ASSIGN(const std::set<std::int64_t> whole, whole_hours(store, begin, end));
  if (whole.empty()) return {};
  for (const KeyName& key : keys_with_weeks(labels)) {
    TRY_ASSIGN(const std::vector<SeriesPoint> points,
               store.series(to_string(key), begin, end, hours{1}));
    std::map<std::int64_t, double> posts;
    for (const SeriesPoint& point : points) {
      posts[unix_seconds(point.time)] = static_cast<double>(point.authors);
    }
    if (posts.empty()) continue;
    for (const std::int64_t hour : whole) detector.learn_hour(key, hour, posts[hour]);
  }
  return {};
}

}  // namespace tidewatch

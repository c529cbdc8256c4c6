// SPDX-License-Identifier: Apache-2.0
#include "app/usual_weeks.h"

#include <map>
#include <string>
#include <vector>

#include "detect/week_profile.h"
#include "report/provinces.h"

namespace tidewatch {
namespace {

using std::chrono::hours;

constexpr hours kWeeks{24 * 7 * static_cast<int>(WeekProfile::kWeeks)};

std::vector<KeyName> keys_with_weeks(const LabelSchema& labels) {
  std::vector<KeyName> keys;
  for (const std::string& topic : labels.topics) {
    keys.push_back({KeyKind::kTopicRegion, topic, "*", ""});
  }
  for (const Province& province : provinces()) {
    keys.push_back({KeyKind::kTopicRegion, "*", std::string{province.name}, ""});
  }
  return keys;
}

}  // namespace

Status learn_usual_weeks(Store& store, const LabelSchema& labels, EventTime until,
                         Detector& detector) {
  const EventTime end = std::chrono::floor<hours>(until);
  const EventTime begin = end - kWeeks;
  const auto posts_by_hour =
      [&](const KeyName& key) -> Result<std::map<std::int64_t, std::uint64_t>> {
    TRY_ASSIGN(const std::vector<SeriesPoint> points,
               store.series(to_string(key), begin, end, hours{1}));
    std::map<std::int64_t, std::uint64_t> posts;
    for (const SeriesPoint& point : points) {
      posts[std::chrono::floor<std::chrono::seconds>(point.time).time_since_epoch().count()] =
          point.authors;
    }
    return posts;
  };
  const KeyName everything{KeyKind::kTopicRegion, "*", "*", ""};
  TRY_ASSIGN(const auto all, posts_by_hour(everything));
  for (const auto& [hour, posts] : all) {
    detector.learn_hour(everything, hour, static_cast<double>(posts));
  }
  for (const KeyName& key : keys_with_weeks(labels)) {
    TRY_ASSIGN(const auto own, posts_by_hour(key));
    if (own.empty()) continue;
    for (const auto& [hour, posts] : all) {
      const auto found = own.find(hour);
      detector.learn_hour(key, hour, found == own.end() ? 0 : static_cast<double>(found->second));
    }
  }
  return {};
}

}  // namespace tidewatch

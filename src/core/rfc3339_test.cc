// SPDX-License-Identifier: Apache-2.0
#include "core/rfc3339.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

TEST(Rfc3339, ReadsWhatItShould) {
  const struct {
    const char* text;
    std::int64_t milliseconds;
  } cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-11-23T04:31:05Z", 1795408265000},
      {"2026-11-23t04:31:05z", 1795408265000},
      {"2026-11-23 04:31:05Z", 1795408265000},
      {"2026-11-23T12:31:05+08:00", 1795408265000},
      {"2026-11-22T23:01:05-05:30", 1795408265000},
      {"2026-11-23T04:31:05.1Z", 1795408265100},
      {"2026-11-23T04:31:05.123999999Z", 1795408265123},
      {"2024-02-29T00:00:00Z", 1709164800000},
      {"2016-12-31T23:59:60Z", 1483228800000},
      {"1969-12-31T23:59:59.999Z", -1},
  };
  for (const auto& c : cases) {
    const auto time = parse_rfc3339(c.text);
    ASSERT_TRUE(time.has_value()) << c.text;
    EXPECT_EQ(time->time_since_epoch().count(), c.milliseconds) << c.text;
  }
}

TEST(Rfc3339, RefusesTheRest) {
  for (const char* text :
       {"", "2026", "2026-11-23", "2026-11-23T04:31:05", "2026-11-23T04:31Z",
        "2026-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2026-11-00T00:00:00Z",
        "2026-11-23T24:00:00Z", "2026-11-23T04:60:00Z", "2026-11-23T04:31:61Z",
        "2026-11-23T04:31:05.Z", "2026-11-23T04:31:05+0800", "26-11-23T04:31:05Z",
        "2026-11-23T04:31:05+24:00", "2026-11-23T04:31:05Z ", " 2026-11-23T04:31:05Z",
        "2026/11/23T04:31:05Z", "+026-11-23T04:31:05Z"}) {
    EXPECT_FALSE(parse_rfc3339(text).has_value()) << text;
  }
}

TEST(Rfc3339, WritesWhatItReads) {
  for (const std::int64_t milliseconds :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1795408265000}, std::int64_t{1795408265120},
        std::int64_t{4102444799999}}) {
    const EventTime time{std::chrono::milliseconds{milliseconds}};
    EXPECT_EQ(parse_rfc3339(to_rfc3339(time)), time) << to_rfc3339(time);
  }
  EXPECT_EQ(to_rfc3339(EventTime{std::chrono::milliseconds{1795408265120}}),
            "2026-11-23T04:31:05.120Z");
  EXPECT_EQ(to_rfc3339(EventTime{std::chrono::milliseconds{1795408265000}}),
            "2026-11-23T04:31:05Z");
}

}  // namespace
}  // namespace tidewatch

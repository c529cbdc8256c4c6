// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/load_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidewatch {
namespace {

LoadFigures some_figures() {
  LoadFigures figures;
  figures.total.seconds = 10;
  figures.total.counts = {.offered = 1'000,
                          .good = 900,
                          .late = 40,
                          .expired = 10,
                          .refused = 30,
                          .failed = 15,
                          .lost = 5};
  figures.total.latency = {1, 2, 3, 4, 5, 940};
  figures.phases = {figures.total};
  figures.phase_resident_bytes = {1 << 20};
  figures.cpu_seconds = 0.5;
  figures.disk_bytes = 94'000;
  figures.accepted_all = 940;
  return figures;
}

TEST(LoadReport, JsonHasWhatIsAskedForAndAddsUp) {
  const auto json = to_json(some_figures());
  EXPECT_EQ(json["offered_per_s"], 100.0);
  EXPECT_EQ(json["goodput_per_s"], 90.0);
  EXPECT_EQ(json["late"], 50);  // those that were given up included
  EXPECT_EQ(json["refused"], 30);
  EXPECT_EQ(json["failed"], 15);
  EXPECT_EQ(json["cpu_seconds"], 0.5);
  EXPECT_EQ(json["cpu_us_per_post"], 500.0);
  EXPECT_EQ(json["disk_bytes_per_post"], 100.0);
  for (const char* key : {"p50", "p95", "p99", "p999", "max"}) {
    EXPECT_TRUE(json["latency_ms"].contains(key)) << key;
  }
  const auto number = [&](const char* key) { return json[key].get<int>(); };
  EXPECT_EQ(number("offered"), number("good") + number("late") + number("refused") +
                                   number("failed") + number("lost"));
  EXPECT_EQ(json["phases"].size(), 1U);
}

TEST(LoadReport, NothingOfferedIsNoDivisionByZero) {
  const auto json = to_json(LoadFigures{});
  EXPECT_EQ(json["offered_per_s"], 0.0);
  EXPECT_EQ(json["cpu_us_per_post"], 0.0);
  EXPECT_EQ(json.dump().find("null"), std::string::npos);
}

TEST(LoadReport, TextHasALineAPhase) {
  const std::string text = to_text(some_figures(), 50);
  EXPECT_NE(text.find("deadline       50 ms, missed by 10.000 % of the posts"), std::string::npos)
      << text;
  EXPECT_NE(text.find("100 bytes a post"), std::string::npos) << text;
}

}  // namespace
}  // namespace tidewatch

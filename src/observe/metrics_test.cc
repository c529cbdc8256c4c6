// SPDX-License-Identifier: Apache-2.0
#include "observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "observe/process_stats.h"

namespace tidewatch {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// The value of one series in the text, -1 when it is not there.
double value_of(const std::string& text, const std::string& series) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(series + " ", 0) == 0) return std::stod(line.substr(series.size() + 1));
  }
  return -1;
}

TEST(Histogram, CountsAtAndBelowItsBounds) {
  static constexpr double kBounds[] = {1, 2, 4};
  Histogram histogram(kBounds);
  for (const double value : {0.5, 1.0, 1.5, 2.0, 4.0, 4.5}) histogram.observe(value);
  histogram.observe(3, 10);
  EXPECT_EQ(histogram.bucket_count(0), 2u);
  EXPECT_EQ(histogram.bucket_count(1), 2u);
  EXPECT_EQ(histogram.bucket_count(2), 11u);
  EXPECT_EQ(histogram.bucket_count(3), 1u);
  EXPECT_DOUBLE_EQ(histogram.sum(), 43.5);
}

TEST(Metrics, ShowsEveryInstrument) {
  Metrics metrics;
  metrics.observe(Stage::kInfer, 3ms, 2);
  metrics.posts_accepted().add(10);
  metrics.posts_duplicate().add(2);
  metrics.rejected("missing").add(3);
  metrics.rejected("never heard of").add();
  metrics.shed().add(4);
  metrics.late_posts().add(5);
  metrics.queue_depth("store").set(17);
  metrics.batch_size().observe(8);
  metrics.batch_token_fill_ratio().observe(0.85);
  metrics.cache_hits().add(6);
  metrics.cache_misses().add(7);
  metrics.set_model({"base", "2026.11.1", "fp32", "openvino"}, true);
  metrics.set_model({"fast", "1", "int8", "openvino"}, false);
  metrics.inferred("base", "2026.11.1").add(8);
  metrics.answered("base", "2026.11.1").add(7);
  metrics.cascade_escalated().add(5);
  metrics.cascade_skipped("full").add(3);
  metrics.cascade_skipped("no such reason").add(2);
  metrics.alerts("volume", "warning").add(9);
  metrics.open_alerts().set(2);
  metrics.store_commits().add(11);
  metrics.store_fsyncs().add(12);
  metrics.index_lag_posts().set(13);
  metrics.store_posts().set(20);
  metrics.store_bytes().set(21);
  metrics.store_partitions().set(22);
  metrics.store_over_budget().set(1);
  metrics.store_partitions_removed("size").add(23);
  metrics.store_bytes_compacted().add(24);
  metrics.outbox_messages().set(14);
  metrics.dead_letters().set(4);
  metrics.channel_messages("desk", "failed").add(5);
  metrics.live_clients().add(1);
  metrics.http_connections().add(3);
  metrics.route("/v1/posts").observe(200, 5ms);
  metrics.route("/v1/posts").observe(429, 5ms);

  const std::string text = metrics.expose();
  const std::pair<const char*, double> expected[] = {
      {R"(tidewatch_stage_seconds_count{stage="infer"})", 2},
      {R"(tidewatch_stage_seconds_sum{stage="infer"})", 0.006},
      {R"(tidewatch_stage_seconds_bucket{stage="infer",le="0.0025"})", 0},
      {R"(tidewatch_stage_seconds_bucket{stage="infer",le="0.005"})", 2},
      {R"(tidewatch_stage_seconds_bucket{stage="infer",le="+Inf"})", 2},
      {R"(tidewatch_stage_seconds_count{stage="total"})", 0},
      {R"(tidewatch_posts_total{result="accepted"})", 10},
      {R"(tidewatch_posts_total{result="duplicate"})", 2},
      {R"(tidewatch_rejected_total{reason="missing"})", 3},
      {R"(tidewatch_rejected_total{reason="other"})", 1},
      {"tidewatch_shed_total", 4},
      {"tidewatch_late_posts_total", 5},
      {R"(tidewatch_queue_depth{queue="store"})", 17},
      {"tidewatch_batch_size_count", 1},
      {R"(tidewatch_batch_size_bucket{le="8"})", 1},
      {R"(tidewatch_batch_size_bucket{le="4"})", 0},
      {"tidewatch_batch_token_fill_ratio_count", 1},
      {"tidewatch_cache_hits_total", 6},
      {"tidewatch_cache_misses_total", 7},
      {R"(tidewatch_model_info{model="base",version="2026.11.1",precision="fp32",backend="openvino"})",
       1},
      {R"(tidewatch_model_info{model="fast",version="1",precision="int8",backend="openvino"})", 0},
      {R"(tidewatch_inferred_total{model="base",version="2026.11.1"})", 8},
      {R"(tidewatch_answered_total{model="base",version="2026.11.1"})", 7},
      {"tidewatch_cascade_escalated_total", 5},
      {R"(tidewatch_cascade_skipped_total{reason="full"})", 3},
      {R"(tidewatch_cascade_skipped_total{reason="other"})", 2},
      {R"(tidewatch_alerts_total{kind="volume",severity="warning"})", 9},
      {"tidewatch_open_alerts", 2},
      {"tidewatch_store_commits_total", 11},
      {"tidewatch_store_fsyncs_total", 12},
      {"tidewatch_index_lag_posts", 13},
      {"tidewatch_store_posts", 20},
      {"tidewatch_store_bytes", 21},
      {"tidewatch_store_partitions", 22},
      {"tidewatch_store_over_budget", 1},
      {R"(tidewatch_store_partitions_removed_total{reason="size"})", 23},
      {"tidewatch_store_compacted_bytes_total", 24},
      {"tidewatch_outbox_messages", 14},
      {"tidewatch_dead_letters", 4},
      {R"(tidewatch_channel_messages_total{channel="desk",result="failed"})", 5},
      {"tidewatch_live_clients", 1},
      {"tidewatch_http_connections", 3},
      {R"(tidewatch_http_requests_total{route="/v1/posts",status="2xx"})", 1},
      {R"(tidewatch_http_requests_total{route="/v1/posts",status="4xx"})", 1},
      {R"(tidewatch_http_seconds_count{route="/v1/posts"})", 2},
  };
  for (const auto& [series, value] : expected) EXPECT_EQ(value_of(text, series), value) << series;
  EXPECT_GT(value_of(text, "process_resident_memory_bytes"), 1e6);
  EXPECT_GT(value_of(text, "process_virtual_memory_bytes"), 1e6);
  EXPECT_GE(value_of(text, "process_cpu_seconds_total"), 0);
  EXPECT_GE(value_of(text, "process_open_fds"), 3);
  EXPECT_GE(value_of(text, "process_max_fds"), value_of(text, "process_open_fds"));
  EXPECT_GT(value_of(text, "process_start_time_seconds"), 1.6e9);
  EXPECT_THAT(text, HasSubstr("tidewatch_build_info{version=\"0."));
}

// Every family is announced once, with a help line and a type, and no series comes twice.
TEST(Metrics, IsWellFormed) {
  Metrics metrics;
  metrics.queue_depth("a\"b\\c\nd");
  metrics.route("/x").observe(500, 1ms);
  const std::string text = metrics.expose();
  std::set<std::string> series;
  std::map<std::string, int> types;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("# TYPE ", 0) == 0) {
      ++types[line.substr(7, line.find(' ', 7) - 7)];
    } else if (line.rfind("# HELP ", 0) != 0) {
      EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
  }
  EXPECT_GT(types.size(), 25u);
  for (const auto& [name, times] : types) EXPECT_EQ(times, 1) << name;
  EXPECT_THAT(text, HasSubstr(R"(tidewatch_queue_depth{queue="a\"b\\c\nd"})"));
}

TEST(Metrics, HandsOutTheSameInstrumentForTheSameLabels) {
  Metrics metrics;
  EXPECT_EQ(&metrics.queue_depth("store"), &metrics.queue_depth("store"));
  EXPECT_NE(&metrics.queue_depth("store"), &metrics.queue_depth("count"));
  EXPECT_EQ(&metrics.inferred("base", "1"), &metrics.inferred("base", "1"));
  EXPECT_NE(&metrics.inferred("base", "1"), &metrics.inferred("base", "2"));
}

TEST(Metrics, BoundsTheNumberOfLabels) {
  Metrics metrics;
  for (int i = 0; i < 1000; ++i) metrics.inferred("base", std::to_string(i)).add();
  const std::string text = metrics.expose();
  EXPECT_EQ(value_of(text, R"(tidewatch_inferred_total{model="base",version="63"})"), 1);
  EXPECT_EQ(value_of(text, R"(tidewatch_inferred_total{model="other",version="other"})"), 936);
  EXPECT_THAT(text, Not(HasSubstr(R"(version="64")")));
}

TEST(Metrics, CountsFromSeveralThreads) {
  Metrics metrics;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&metrics] {
        Counter& inferred = metrics.inferred("base", "1");
        for (int i = 0; i < 5'000; ++i) {
          inferred.add();
          metrics.observe(Stage::kTotal, 1ms);
          metrics.live_clients().add(i % 2 == 0 ? 1 : -1);
          if (i % 1000 == 0) {
            EXPECT_FALSE(metrics.expose().empty());
          }
        }
      });
    }
  }
  EXPECT_EQ(metrics.inferred("base", "1").value(), 20'000u);
  EXPECT_EQ(value_of(metrics.expose(), R"(tidewatch_stage_seconds_count{stage="total"})"), 20'000);
  EXPECT_EQ(metrics.live_clients().value(), 0);
}

TEST(ProcessStats, SeesGrowth) {
  const ProcessStats before = read_process_stats();
  std::vector<char> block(64 << 20, 1);
  const ProcessStats after = read_process_stats();
  EXPECT_GT(after.resident_bytes, before.resident_bytes + 32e6);
  EXPECT_GE(after.resident_peak_bytes, after.resident_bytes * 0.9);
  EXPECT_GE(after.cpu_seconds, before.cpu_seconds);
  EXPECT_EQ(block[12345], 1);
}

}  // namespace
}  // namespace tidewatch

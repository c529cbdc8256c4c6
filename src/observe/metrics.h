// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "observe/instruments.h"

namespace tidewatch {

// The stages whose time is measured, in the order of the data's way. kTotal is from a post's
// arrival to its answer.
enum class Stage : std::uint8_t { kDecode, kTokenize, kQueue, kInfer, kStore, kCount, kTotal };
inline constexpr std::size_t kStages = 7;
std::string_view stage_name(Stage stage) noexcept;  // "decode", …, "total"

struct ModelLabels {
  std::string model;      // "base"
  std::string version;    // "2026.11.1"
  std::string precision;  // "fp32"
  std::string backend;    // "openvino"
};

// Every number that the process shows under GET /metrics. Made once, by app, and handed to the
// stages by reference; what it hands out lives as long as it does. Look instruments up once and
// keep the reference: using one is an atomic addition, looking one up may take a lock.
// Threads: every member may be called concurrently.
// Bounds: label values come from fixed sets or from start-up and are capped (64 queues, 64 routes,
// 64 model versions); past the cap, and for an unknown reason, kind or severity, the series
// labelled "other" counts.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // tidewatch_stage_seconds{stage}: time of one post in a stage.
  Histogram& stage_seconds(Stage stage) noexcept;
  void observe(Stage stage, std::chrono::nanoseconds took, std::uint64_t posts = 1) noexcept;

  Counter& posts_accepted() noexcept;   // tidewatch_posts_total{result="accepted"}
  Counter& posts_duplicate() noexcept;  // tidewatch_posts_total{result="duplicate"}
  // tidewatch_rejected_total{reason}: json, type, missing, range, time, too_long, encoding, depth,
  // line_too_long, body_too_large, other.
  Counter& rejected(std::string_view reason) noexcept;
  Counter& shed() noexcept;  // tidewatch_shed_total: posts refused because behind
  // tidewatch_refused_total{reason}: requests refused before any work: deadline (it cannot be
  // kept), full, other.
  Counter& refused(std::string_view reason) noexcept;
  Counter& expired() noexcept;    // tidewatch_expired_total: deadline passed while a text waited
  Counter& cancelled() noexcept;  // tidewatch_cancelled_total: the client went while a text waited
  // tidewatch_latency_predicted_seconds, tidewatch_latency_actual_seconds: a text's wait for its
  // run as it was predicted at admission, and as it turned out.
  Histogram& latency_predicted() noexcept;
  Histogram& latency_actual() noexcept;
  Counter& late_posts() noexcept;  // tidewatch_late_posts_total

  // tidewatch_queue_depth{queue}; "ingest", "bucket_32", "store", "count", "query", …
  Gauge& queue_depth(std::string_view queue);

  Histogram& batch_size() noexcept;              // tidewatch_batch_size
  Histogram& batch_token_fill_ratio() noexcept;  // tidewatch_batch_token_fill_ratio: 0..1
  Counter& cache_hits() noexcept;                // tidewatch_cache_hits_total
  Counter& cache_misses() noexcept;              // tidewatch_cache_misses_total

  // tidewatch_model_info{model,version,precision,backend}: 1 while loaded, 0 afterwards.
  void set_model(const ModelLabels& labels, bool loaded);
  // tidewatch_inferred_total{model,version}
  Counter& inferred(std::string_view model, std::string_view version);
  // tidewatch_answered_total{model,version}: texts whose scores are this model's, the cache apart.
  Counter& answered(std::string_view model, std::string_view version);
  Counter& cascade_escalated() noexcept;  // tidewatch_cascade_escalated_total
  // tidewatch_cascade_skipped_total{reason}: doubtful texts that kept their first scores: full (no
  // room before the second model), deadline (no time for it), pressure (the first model is behind),
  // failed (its run did), other.
  Counter& cascade_skipped(std::string_view reason) noexcept;
  std::uint64_t cascade_skipped_for_any_reason() const noexcept;

  // tidewatch_swaps_total{result}: switched, rolled_back, refused, failed, other.
  Counter& swaps(std::string_view result) noexcept;
  Histogram& swap_seconds() noexcept;  // tidewatch_swap_seconds: switch to the first answer
  // tidewatch_model_memory_bytes{model,version}: 0 once it is freed.
  Gauge& model_memory_bytes(std::string_view model, std::string_view version);
  // tidewatch_canaries_total{result}: started, promoted, rolled_back, ended, other.
  Counter& canaries(std::string_view result) noexcept;
  // tidewatch_canary_<figure>{model,version,task}: see kCanaryFigures in metrics.cc; an unknown
  // figure is "other". `task` may be empty.
  Gauge& canary(std::string_view figure, std::string_view model, std::string_view version,
                std::string_view task = {});

  // tidewatch_alerts_total{kind,severity}: alerts opened.
  Counter& alerts(std::string_view kind, std::string_view severity) noexcept;
  Gauge& open_alerts() noexcept;        // tidewatch_open_alerts
  Counter& store_commits() noexcept;    // tidewatch_store_commits_total
  Counter& store_fsyncs() noexcept;     // tidewatch_store_fsyncs_total
  Gauge& index_lag_posts() noexcept;    // tidewatch_index_lag_posts
  Gauge& store_posts() noexcept;        // tidewatch_store_posts
  Gauge& store_bytes() noexcept;        // tidewatch_store_bytes
  Gauge& store_partitions() noexcept;   // tidewatch_store_partitions
  Gauge& store_over_budget() noexcept;  // tidewatch_store_over_budget
  // tidewatch_store_partitions_removed_total{reason}: age or size
  Counter& store_partitions_removed(std::string_view reason);
  Counter& store_bytes_compacted() noexcept;  // tidewatch_store_compacted_bytes_total
  Gauge& outbox_messages() noexcept;          // tidewatch_outbox_messages
  Gauge& dead_letters() noexcept;             // tidewatch_dead_letters
  // tidewatch_channel_messages_total{channel,result}; result is delivered, failed (an attempt) or
  // dead.
  Counter& channel_messages(std::string_view channel, std::string_view result);

  // One connector's figures: tidewatch_source_posts_total{source,result} (stored, duplicate,
  // rejected), _errors_total, _slowed_total (times that the engine was behind), _lag (left out
  // while it is NaN) and _up (1 while posts can come), each {source}.
  struct SourceFigures {
    Counter stored;
    Counter duplicates;
    Counter rejected;
    Counter errors;
    Counter slowed;
    Gauge lag;
    Gauge up;
  };
  SourceFigures& source(std::string_view name);

  Gauge& live_clients() noexcept;      // tidewatch_live_clients
  Gauge& http_connections() noexcept;  // tidewatch_http_connections

  // tidewatch_http_requests_total{route,status="2xx"} and tidewatch_http_seconds{route}.
  class Route {
   public:
    Route();
    void observe(int status, std::chrono::nanoseconds took) noexcept;
    const Counter& requests(int status) const noexcept;
    const Histogram& seconds() const noexcept { return seconds_; }

   private:
    std::array<Counter, 5> by_class_;  // 1xx … 5xx
    Histogram seconds_;
  };
  Route& route(std::string_view pattern);

  // Everything above and process_resident_memory_bytes, process_virtual_memory_bytes,
  // process_cpu_seconds_total, process_open_fds, process_max_fds, process_start_time_seconds and
  // tidewatch_build_info{version,compiler}, in Prometheus' text format 0.0.4. Blocks on /proc.
  std::string expose() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace tidewatch

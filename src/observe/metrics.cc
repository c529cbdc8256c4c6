// SPDX-License-Identifier: Apache-2.0
#include "observe/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <deque>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "observe/process_stats.h"

namespace tidewatch {
namespace {

constexpr double kStageSeconds[] = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
                                    0.0025,  0.005,    0.01,    0.02,   0.03,    0.05,   0.1,
                                    0.25,    0.5,      1.0,     2.5,    10.0};
constexpr double kHttpSeconds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                   0.1,    0.25,  0.5,    1.0,   2.5,  5.0,   10.0};
constexpr double kBatchSizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
constexpr double kRatios[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0};

constexpr std::string_view kStageNames[kStages] = {"decode", "tokenize", "queue", "infer",
                                                   "store",  "count",    "total"};
constexpr std::string_view kRejectReasons[] = {
    "json",     "type",  "missing",       "range",          "time", "too_long",
    "encoding", "depth", "line_too_long", "body_too_large", "other"};
constexpr std::string_view kAlertKinds[] = {"volume", "negative", "emergent", "coordinated",
                                            "other"};
constexpr std::string_view kSkipReasons[] = {"full", "deadline", "pressure", "failed", "other"};
constexpr std::string_view kRefuseReasons[] = {"deadline", "full", "other"};
constexpr std::string_view kSwapResults[] = {"switched", "rolled_back", "refused", "failed",
                                             "other"};
constexpr std::string_view kCanaryResults[] = {"started", "promoted", "rolled_back", "ended",
                                               "other"};
constexpr double kSwapSeconds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                   0.1,    0.2,   0.5,    1.0,   2.5,  5.0};
// Of one version each, the live one's too, unless it says otherwise.
constexpr std::string_view kCanaryFigures[] = {
    "percent",              // of the texts; 0 once it is over
    "compared_texts",       // texts that both answered
    "shed_texts",           // comparisons dropped under load
    "disagreement",         // by task: share of them whose labels differ
    "label_distance",       // by task: total variation of the two label distributions
    "chi_square",           // by task: Pearson's statistic of the two
    "confidence",           // mean probability of the best emotion
    "latency_p99_seconds",  // of one run
    "error_ratio",          // of its runs
    "accuracy",             // by task: on the labelled probe set
    "other"};
constexpr std::string_view kSeverities[] = {"info", "warning", "critical", "other"};

// Position of `name`, or of the last: "other".
template <std::size_t N>
std::size_t position_or_other(const std::string_view (&names)[N], std::string_view name) {
  for (std::size_t i = 0; i + 1 < N; ++i) {
    if (names[i] == name) return i;
  }
  return N - 1;
}

// Instruments that are known by label values found at run time. Never moves what it handed out.
// Bound: kMax entries; later ones share "other".
template <typename Instrument>
class Labelled {
 public:
  static constexpr std::size_t kMax = 64;
  struct Entry {
    std::vector<std::string> values;
    Instrument instrument;
  };

  Instrument& get(std::vector<std::string> values) {
    MutexLock lock(mu_);
    for (Entry& entry : entries_) {
      if (entry.values == values) return entry.instrument;
    }
    if (entries_.size() >= kMax) {
      for (std::string& value : values) value = "other";
      for (Entry& entry : entries_) {
        if (entry.values == values) return entry.instrument;
      }
    }
    return entries_.emplace_back(std::move(values)).instrument;
  }

  template <typename F>
  void each(F&& call) const {
    MutexLock lock(mu_);
    for (const Entry& entry : entries_) call(entry.values, entry.instrument);
  }

 private:
  mutable Mutex mu_;
  std::deque<Entry> entries_ GUARDED_BY(mu_);
};

using Labels = std::vector<prometheus::ClientMetric::Label>;

// Builds what prometheus-cpp's serializer writes.
class Scrape {
 public:
  void begin(std::string name, std::string help, prometheus::MetricType type) {
    families_.push_back({std::move(name), std::move(help), type, {}});
  }
  void counter(Labels labels, double value) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void counter(Labels labels, const Counter& counter_value) {
    counter(std::move(labels), static_cast<double>(counter_value.value()));
  }
  void gauge(Labels labels, double value) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void histogram(Labels labels, const Histogram& from) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    const auto bounds = from.upper_bounds();
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
      cumulative += from.bucket_count(i);
      metric.histogram.bucket.push_back({cumulative, i < bounds.size() ? bounds[i] : HUGE_VAL});
    }
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = from.sum();
    families_.back().metric.push_back(std::move(metric));
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace

std::string_view stage_name(Stage stage) noexcept {
  return kStageNames[static_cast<std::size_t>(stage)];
}

struct Metrics::Families {
  struct StageHistogram : Histogram {
    StageHistogram() : Histogram(kStageSeconds) {}
  };

  std::array<StageHistogram, kStages> stage_seconds;
  Counter posts_accepted;
  Counter posts_duplicate;
  std::array<Counter, std::size(kRejectReasons)> rejected;
  Counter shed;
  std::array<Counter, std::size(kRefuseReasons)> refused;
  Counter expired;
  Counter cancelled;
  Histogram latency_predicted{kStageSeconds};
  Histogram latency_actual{kStageSeconds};
  Counter late_posts;
  Labelled<Gauge> queue_depth;
  Histogram batch_size{kBatchSizes};
  Histogram batch_token_fill_ratio{kRatios};
  Counter cache_hits;
  Counter cache_misses;
  Labelled<Gauge> model_info;
  Labelled<Counter> inferred;
  Labelled<Counter> answered;
  Counter cascade_escalated;
  std::array<Counter, std::size(kSkipReasons)> cascade_skipped;
  std::array<Counter, std::size(kSwapResults)> swaps;
  Histogram swap_seconds{kSwapSeconds};
  Labelled<Gauge> model_memory;
  std::array<Counter, std::size(kCanaryResults)> canaries;
  std::array<Labelled<Gauge>, std::size(kCanaryFigures)> canary;
  std::array<std::array<Counter, std::size(kSeverities)>, std::size(kAlertKinds)> alerts;
  Gauge open_alerts;
  Counter store_commits;
  Counter store_fsyncs;
  Gauge index_lag_posts;
  Gauge store_posts;
  Gauge store_bytes;
  Gauge store_partitions;
  Gauge store_over_budget;
  Labelled<Counter> store_partitions_removed;
  Counter store_bytes_compacted;
  Gauge outbox_messages;
  Gauge dead_letters;
  Labelled<Counter> channel_messages;
  Labelled<Metrics::SourceFigures> sources;
  Gauge live_clients;
  Gauge http_connections;
  Labelled<Metrics::Route> routes;

  void scrape_pipeline(Scrape& out) const;
  void scrape_models(Scrape& out) const;
  void scrape_swaps(Scrape& out) const;
  void scrape_outlets(Scrape& out) const;
  void scrape_sources(Scrape& out) const;
  static void scrape_process(Scrape& out);
};

using prometheus::MetricType;

void Metrics::Families::scrape_pipeline(Scrape& out) const {
  out.begin("tidewatch_stage_seconds", "Time of one post in a stage", MetricType::Histogram);
  for (std::size_t i = 0; i < kStages; ++i) {
    out.histogram({{"stage", std::string(kStageNames[i])}}, stage_seconds[i]);
  }
  out.begin("tidewatch_posts_total", "Posts taken, by what became of them", MetricType::Counter);
  out.counter({{"result", "accepted"}}, posts_accepted);
  out.counter({{"result", "duplicate"}}, posts_duplicate);
  out.begin("tidewatch_rejected_total", "Lines that were not accepted", MetricType::Counter);
  for (std::size_t i = 0; i < rejected.size(); ++i) {
    out.counter({{"reason", std::string(kRejectReasons[i])}}, rejected[i]);
  }
  out.begin("tidewatch_shed_total", "Posts refused because the engine was behind",
            MetricType::Counter);
  out.counter({}, shed);
  out.begin("tidewatch_refused_total", "Requests refused before any work", MetricType::Counter);
  for (std::size_t i = 0; i < refused.size(); ++i) {
    out.counter({{"reason", std::string(kRefuseReasons[i])}}, refused[i]);
  }
  out.begin("tidewatch_expired_total", "Texts whose deadline passed while they waited",
            MetricType::Counter);
  out.counter({}, expired);
  out.begin("tidewatch_cancelled_total", "Texts whose client went while they waited",
            MetricType::Counter);
  out.counter({}, cancelled);
  out.begin("tidewatch_latency_predicted_seconds", "Wait for a model's run, as predicted",
            MetricType::Histogram);
  out.histogram({}, latency_predicted);
  out.begin("tidewatch_latency_actual_seconds", "Wait for a model's run, as it turned out",
            MetricType::Histogram);
  out.histogram({}, latency_actual);
  out.begin("tidewatch_late_posts_total", "Posts older than the watermark", MetricType::Counter);
  out.counter({}, late_posts);
  out.begin("tidewatch_queue_depth", "Items that wait in a queue", MetricType::Gauge);
  queue_depth.each([&](const auto& values, const Gauge& depth) {
    out.gauge({{"queue", values[0]}}, depth.value());
  });
}

void Metrics::Families::scrape_models(Scrape& out) const {
  out.begin("tidewatch_batch_size", "Posts in a batch", MetricType::Histogram);
  out.histogram({}, batch_size);
  out.begin("tidewatch_batch_token_fill_ratio", "Share of a batch's token places that hold a token",
            MetricType::Histogram);
  out.histogram({}, batch_token_fill_ratio);
  out.begin("tidewatch_cache_hits_total", "Texts whose scores were cached", MetricType::Counter);
  out.counter({}, cache_hits);
  out.begin("tidewatch_cache_misses_total", "Texts whose scores were not cached",
            MetricType::Counter);
  out.counter({}, cache_misses);
  out.begin("tidewatch_model_info", "1 for each model that is loaded", MetricType::Gauge);
  model_info.each([&](const auto& values, const Gauge& loaded) {
    out.gauge({{"model", values[0]},
               {"version", values[1]},
               {"precision", values[2]},
               {"backend", values[3]}},
              loaded.value());
  });
  out.begin("tidewatch_inferred_total", "Texts classified, by model", MetricType::Counter);
  inferred.each([&](const auto& values, const Counter& count) {
    out.counter({{"model", values[0]}, {"version", values[1]}}, count);
  });
  out.begin("tidewatch_answered_total", "Texts whose scores are a model's own",
            MetricType::Counter);
  answered.each([&](const auto& values, const Counter& count) {
    out.counter({{"model", values[0]}, {"version", values[1]}}, count);
  });
  out.begin("tidewatch_cascade_escalated_total", "Doubtful texts given to the second model",
            MetricType::Counter);
  out.counter({}, cascade_escalated);
  out.begin("tidewatch_cascade_skipped_total", "Doubtful texts that kept their first scores",
            MetricType::Counter);
  for (std::size_t i = 0; i < cascade_skipped.size(); ++i) {
    out.counter({{"reason", std::string(kSkipReasons[i])}}, cascade_skipped[i]);
  }
}

void Metrics::Families::scrape_swaps(Scrape& out) const {
  out.begin("tidewatch_model_memory_bytes", "Weights and buffers of a model that is loaded",
            MetricType::Gauge);
  model_memory.each([&](const auto& values, const Gauge& bytes) {
    out.gauge({{"model", values[0]}, {"version", values[1]}}, bytes.value());
  });
  out.begin("tidewatch_swaps_total", "Swaps of a model, by what became of them",
            MetricType::Counter);
  for (std::size_t i = 0; i + 1 < swaps.size(); ++i) {
    out.counter({{"result", std::string(kSwapResults[i])}}, swaps[i]);
  }
  out.begin("tidewatch_swap_seconds", "From a switch to the new model's first answer",
            MetricType::Histogram);
  out.histogram({}, swap_seconds);
  out.begin("tidewatch_canaries_total", "Canaries, by what became of them", MetricType::Counter);
  for (std::size_t i = 0; i + 1 < canaries.size(); ++i) {
    out.counter({{"result", std::string(kCanaryResults[i])}}, canaries[i]);
  }
  for (std::size_t i = 0; i < canary.size(); ++i) {
    bool begun = false;
    canary[i].each([&](const auto& values, const Gauge& value) {
      if (!begun) {
        out.begin("tidewatch_canary_" + std::string(kCanaryFigures[i]),
                  "A canary and the model it is held against", MetricType::Gauge);
      }
      begun = true;
      Labels labels{{"model", values[0]}, {"version", values[1]}};
      if (!values[2].empty()) labels.push_back({"task", values[2]});
      out.gauge(std::move(labels), value.value());
    });
  }
}

void Metrics::Families::scrape_sources(Scrape& out) const {
  const auto label = [](const auto& values) { return Labels{{"source", values[0]}}; };
  out.begin("tidewatch_source_posts_total", "Messages of a source by what became of them",
            MetricType::Counter);
  sources.each([&](const auto& values, const Metrics::SourceFigures& one) {
    out.counter({{"source", values[0]}, {"result", "stored"}}, one.stored);
    out.counter({{"source", values[0]}, {"result", "duplicate"}}, one.duplicates);
    out.counter({{"source", values[0]}, {"result", "rejected"}}, one.rejected);
  });
  out.begin("tidewatch_source_errors_total", "Connections and requests of a source that failed",
            MetricType::Counter);
  sources.each([&](const auto& values, const Metrics::SourceFigures& one) {
    out.counter(label(values), one.errors);
  });
  out.begin("tidewatch_source_slowed_total", "Times that a source waited for the engine",
            MetricType::Counter);
  sources.each([&](const auto& values, const Metrics::SourceFigures& one) {
    out.counter(label(values), one.slowed);
  });
  out.begin("tidewatch_source_lag", "What waits at the other side: messages or seconds",
            MetricType::Gauge);
  sources.each([&](const auto& values, const Metrics::SourceFigures& one) {
    if (!std::isnan(one.lag.value())) out.gauge(label(values), one.lag.value());
  });
  out.begin("tidewatch_source_up", "Whether posts of a source can come", MetricType::Gauge);
  sources.each([&](const auto& values, const Metrics::SourceFigures& one) {
    out.gauge(label(values), one.up.value());
  });
}

void Metrics::Families::scrape_outlets(Scrape& out) const {
  out.begin("tidewatch_alerts_total", "Alerts opened", MetricType::Counter);
  for (std::size_t kind = 0; kind < alerts.size(); ++kind) {
    for (std::size_t severity = 0; severity < alerts[kind].size(); ++severity) {
      const Counter& count = alerts[kind][severity];
      const bool other = kind + 1 == alerts.size() || severity + 1 == alerts[kind].size();
      if (other && count.value() == 0) continue;
      out.counter({{"kind", std::string(kAlertKinds[kind])},
                   {"severity", std::string(kSeverities[severity])}},
                  count);
    }
  }
  out.begin("tidewatch_open_alerts", "Alerts that are open", MetricType::Gauge);
  out.gauge({}, open_alerts.value());
  out.begin("tidewatch_store_commits_total", "Transactions committed", MetricType::Counter);
  out.counter({}, store_commits);
  out.begin("tidewatch_store_fsyncs_total", "Times that the store waited for the disk",
            MetricType::Counter);
  out.counter({}, store_fsyncs);
  out.begin("tidewatch_index_lag_posts", "Stored posts that the search does not find yet",
            MetricType::Gauge);
  out.gauge({}, index_lag_posts.value());
  out.begin("tidewatch_store_posts", "Posts in the store", MetricType::Gauge);
  out.gauge({}, store_posts.value());
  out.begin("tidewatch_store_bytes", "Bytes that the store's files take", MetricType::Gauge);
  out.gauge({}, store_bytes.value());
  out.begin("tidewatch_store_partitions", "Partitions of the store", MetricType::Gauge);
  out.gauge({}, store_partitions.value());
  out.begin("tidewatch_store_over_budget",
            "1: the store is larger than its limit, and nothing may be removed yet",
            MetricType::Gauge);
  out.gauge({}, store_over_budget.value());
  out.begin("tidewatch_store_partitions_removed_total", "Partitions removed, by why",
            MetricType::Counter);
  store_partitions_removed.each([&](const auto& values, const Counter& count) {
    out.counter({{"reason", values[0]}}, count);
  });
  out.begin("tidewatch_store_compacted_bytes_total", "Bytes written by merging indexes",
            MetricType::Counter);
  out.counter({}, store_bytes_compacted);
  out.begin("tidewatch_outbox_messages", "Messages that wait for delivery", MetricType::Gauge);
  out.gauge({}, outbox_messages.value());
  out.begin("tidewatch_dead_letters", "Messages that could not be delivered, until a person acts",
            MetricType::Gauge);
  out.gauge({}, dead_letters.value());
  out.begin("tidewatch_channel_messages_total", "Messages of a channel by what became of them",
            MetricType::Counter);
  channel_messages.each([&](const auto& values, const Counter& count) {
    out.counter({{"channel", values[0]}, {"result", values[1]}}, count);
  });
  out.begin("tidewatch_live_clients", "Open live streams", MetricType::Gauge);
  out.gauge({}, live_clients.value());
  out.begin("tidewatch_http_connections", "Open connections", MetricType::Gauge);
  out.gauge({}, http_connections.value());

  out.begin("tidewatch_http_requests_total", "Requests answered", MetricType::Counter);
  routes.each([&](const auto& values, const Metrics::Route& each_route) {
    for (int status_class = 1; status_class <= 5; ++status_class) {
      const Counter& count = each_route.requests(status_class * 100);
      if (count.value() == 0) continue;
      out.counter({{"route", values[0]}, {"status", std::to_string(status_class) + "xx"}}, count);
    }
  });
  out.begin("tidewatch_http_seconds", "From a request's first byte to the end of its answer",
            MetricType::Histogram);
  routes.each([&](const auto& values, const Metrics::Route& each_route) {
    out.histogram({{"route", values[0]}}, each_route.seconds());
  });
}

void Metrics::Families::scrape_process(Scrape& out) {
  const ProcessStats stats = read_process_stats();
  out.begin("process_resident_memory_bytes", "Resident memory", MetricType::Gauge);
  out.gauge({}, stats.resident_bytes);
  out.begin("process_virtual_memory_bytes", "Virtual memory", MetricType::Gauge);
  out.gauge({}, stats.virtual_bytes);
  out.begin("process_cpu_seconds_total", "User and system time", MetricType::Counter);
  out.counter({}, stats.cpu_seconds);
  out.begin("process_open_fds", "Open file descriptors", MetricType::Gauge);
  out.gauge({}, stats.open_fds);
  out.begin("process_max_fds", "Most file descriptors allowed", MetricType::Gauge);
  out.gauge({}, stats.fds_max);
  out.begin("process_start_time_seconds", "Start, in seconds since 1970", MetricType::Gauge);
  out.gauge({}, stats.start_time_seconds);
  out.begin("tidewatch_build_info", "1, labelled with the build", MetricType::Gauge);
  out.gauge({{"version", TIDEWATCH_VERSION}, {"compiler", __VERSION__}}, 1);
}

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

Histogram& Metrics::stage_seconds(Stage stage) noexcept {
  return families_->stage_seconds[static_cast<std::size_t>(stage)];
}
void Metrics::observe(Stage stage, std::chrono::nanoseconds took, std::uint64_t posts) noexcept {
  stage_seconds(stage).observe(std::chrono::duration<double>(took).count(), posts);
}
Counter& Metrics::posts_accepted() noexcept { return families_->posts_accepted; }
Counter& Metrics::posts_duplicate() noexcept { return families_->posts_duplicate; }
Counter& Metrics::rejected(std::string_view reason) noexcept {
  return families_->rejected[position_or_other(kRejectReasons, reason)];
}
Counter& Metrics::shed() noexcept { return families_->shed; }
Counter& Metrics::refused(std::string_view reason) noexcept {
  return families_->refused[position_or_other(kRefuseReasons, reason)];
}
Counter& Metrics::expired() noexcept { return families_->expired; }
Counter& Metrics::cancelled() noexcept { return families_->cancelled; }
Histogram& Metrics::latency_predicted() noexcept { return families_->latency_predicted; }
Histogram& Metrics::latency_actual() noexcept { return families_->latency_actual; }
Counter& Metrics::late_posts() noexcept { return families_->late_posts; }
Gauge& Metrics::queue_depth(std::string_view queue) {
  return families_->queue_depth.get({std::string(queue)});
}
Histogram& Metrics::batch_size() noexcept { return families_->batch_size; }
Histogram& Metrics::batch_token_fill_ratio() noexcept { return families_->batch_token_fill_ratio; }
Counter& Metrics::cache_hits() noexcept { return families_->cache_hits; }
Counter& Metrics::cache_misses() noexcept { return families_->cache_misses; }
void Metrics::set_model(const ModelLabels& labels, bool loaded) {
  families_->model_info.get({labels.model, labels.version, labels.precision, labels.backend})
      .set(loaded ? 1 : 0);
}
Counter& Metrics::inferred(std::string_view model, std::string_view version) {
  return families_->inferred.get({std::string(model), std::string(version)});
}
Counter& Metrics::answered(std::string_view model, std::string_view version) {
  return families_->answered.get({std::string(model), std::string(version)});
}
Counter& Metrics::cascade_escalated() noexcept { return families_->cascade_escalated; }
Counter& Metrics::cascade_skipped(std::string_view reason) noexcept {
  return families_->cascade_skipped[position_or_other(kSkipReasons, reason)];
}
Counter& Metrics::swaps(std::string_view result) noexcept {
  return families_->swaps[position_or_other(kSwapResults, result)];
}
Histogram& Metrics::swap_seconds() noexcept { return families_->swap_seconds; }
Gauge& Metrics::model_memory_bytes(std::string_view model, std::string_view version) {
  return families_->model_memory.get({std::string(model), std::string(version)});
}
Counter& Metrics::canaries(std::string_view result) noexcept {
  return families_->canaries[position_or_other(kCanaryResults, result)];
}
Gauge& Metrics::canary(std::string_view figure, std::string_view model, std::string_view version,
                       std::string_view task) {
  return families_->canary[position_or_other(kCanaryFigures, figure)].get(
      {std::string(model), std::string(version), std::string(task)});
}
std::uint64_t Metrics::cascade_skipped_for_any_reason() const noexcept {
  std::uint64_t sum = 0;
  for (const Counter& count : families_->cascade_skipped) sum += count.value();
  return sum;
}
Counter& Metrics::alerts(std::string_view kind, std::string_view severity) noexcept {
  return families_
      ->alerts[position_or_other(kAlertKinds, kind)][position_or_other(kSeverities, severity)];
}
Gauge& Metrics::open_alerts() noexcept { return families_->open_alerts; }
Counter& Metrics::store_commits() noexcept { return families_->store_commits; }
Counter& Metrics::store_fsyncs() noexcept { return families_->store_fsyncs; }
Gauge& Metrics::index_lag_posts() noexcept { return families_->index_lag_posts; }
Gauge& Metrics::store_posts() noexcept { return families_->store_posts; }
Gauge& Metrics::store_bytes() noexcept { return families_->store_bytes; }
Gauge& Metrics::store_partitions() noexcept { return families_->store_partitions; }
Gauge& Metrics::store_over_budget() noexcept { return families_->store_over_budget; }
Counter& Metrics::store_partitions_removed(std::string_view reason) {
  return families_->store_partitions_removed.get({std::string(reason)});
}
Counter& Metrics::store_bytes_compacted() noexcept { return families_->store_bytes_compacted; }
Gauge& Metrics::outbox_messages() noexcept { return families_->outbox_messages; }
Gauge& Metrics::dead_letters() noexcept { return families_->dead_letters; }
Counter& Metrics::channel_messages(std::string_view channel, std::string_view result) {
  return families_->channel_messages.get({std::string(channel), std::string(result)});
}
Metrics::SourceFigures& Metrics::source(std::string_view name) {
  return families_->sources.get({std::string(name)});
}
Gauge& Metrics::live_clients() noexcept { return families_->live_clients; }
Gauge& Metrics::http_connections() noexcept { return families_->http_connections; }

Metrics::Route::Route() : seconds_(kHttpSeconds) {}
void Metrics::Route::observe(int status, std::chrono::nanoseconds took) noexcept {
  if (status >= 100 && status < 600) {
    by_class_[static_cast<std::size_t>(status / 100 - 1)].add();
  }
  seconds_.observe(std::chrono::duration<double>(took).count());
}
const Counter& Metrics::Route::requests(int status) const noexcept {
  return by_class_[static_cast<std::size_t>(status / 100 - 1)];
}
Metrics::Route& Metrics::route(std::string_view pattern) {
  return families_->routes.get({std::string(pattern)});
}

std::string Metrics::expose() const {
  Scrape out;
  families_->scrape_pipeline(out);
  families_->scrape_models(out);
  families_->scrape_swaps(out);
  families_->scrape_outlets(out);
  families_->scrape_sources(out);
  Families::scrape_process(out);
  return out.text();
}

}  // namespace tidewatch

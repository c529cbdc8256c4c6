// SPDX-License-Identifier: Apache-2.0
#include "bench_serve/load_report.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

// Figures are read by people too: three digits after the point.
double rounded(double value) { return std::round(value * 1e3) / 1e3; }

double per_second(std::uint64_t posts, double seconds) {
  return seconds > 0 ? static_cast<double>(posts) / seconds : 0;
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

constexpr double kMebi = 1024.0 * 1024.0;

template <typename... Arguments>
void add_line(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
  out += '\n';
}

void put_counts(Json& json, const PostCounts& counts) {
  json["offered"] = counts.offered;
  json["good"] = counts.good;
  json["accepted"] = counts.accepted();
  json["refused"] = counts.refused;
  // Accepted after the deadline, and given up because of it.
  json["late"] = counts.late + counts.expired;
  json["expired"] = counts.expired;
  json["failed"] = counts.failed;
  json["lost"] = counts.lost;
}

}  // namespace

Json percentiles_json(const Percentiles& percentiles) {
  return {{"p50", rounded(percentiles.p50)},
          {"p95", rounded(percentiles.p95)},
          {"p99", rounded(percentiles.p99)},
          {"p999", rounded(percentiles.p999)},
          {"max", rounded(percentiles.max)}};
}

Json to_json(const PhaseFigures& figures) {
  Json json;
  json["name"] = figures.name;
  json["rate"] = rounded(figures.rate);
  json["seconds"] = rounded(figures.seconds);
  json["offered_per_s"] = rounded(per_second(figures.counts.offered, figures.seconds));
  json["goodput_per_s"] = rounded(per_second(figures.counts.good, figures.seconds));
  put_counts(json, figures.counts);
  json["latency_ms"] = percentiles_json(figures.latency);
  json["refusal_ms"] = percentiles_json(figures.refusal);
  json["normal_after_s"] = rounded(figures.normal_after_s);
  return json;
}

Json to_json(const LoadFigures& figures) {
  Json json = to_json(figures.total);
  json.erase("name");
  json.erase("normal_after_s");
  json["generator_lag_ms"] = percentiles_json(figures.lag);
  json["cpu_seconds"] = rounded(figures.cpu_seconds);
  json["cpu_us_per_post"] =
      rounded(ratio(figures.cpu_seconds * 1e6, static_cast<double>(figures.total.counts.offered)));
  if (figures.generator_cpu_seconds > 0) {
    json["generator_cpu_seconds"] = rounded(figures.generator_cpu_seconds);
  }
  json["resident_peak_bytes"] = figures.resident_peak_bytes;
  json["resident_first_bytes"] = figures.resident_first_bytes;
  json["resident_last_bytes"] = figures.resident_last_bytes;
  json["open_fds_first"] = figures.open_fds_first;
  json["open_fds_last"] = figures.open_fds_last;
  const auto accepted = static_cast<double>(figures.accepted_all);
  if (figures.disk_bytes > 0) {
    json["disk_bytes"] = figures.disk_bytes;
    json["disk_bytes_per_post"] = rounded(ratio(static_cast<double>(figures.disk_bytes), accepted));
  }
  json["messages"] = figures.transport.messages;
  if (figures.transport.bytes_sent > 0) {
    json["network_bytes_sent"] = figures.transport.bytes_sent;
    json["network_bytes_received"] = figures.transport.bytes_received;
  }
  if (figures.engine_known) {
    json["cache_hits"] = figures.cache_hits;
    json["cache_misses"] = figures.cache_misses;
    json["index_lag_posts"] = figures.index_lag_posts;
  }
  Json phases = Json::array();
  for (std::size_t i = 0; i < figures.phases.size(); ++i) {
    Json phase = to_json(figures.phases[i]);
    phase["measured"] = figures.phases[i].measured;
    if (i < figures.phase_resident_bytes.size()) {
      phase["resident_peak_bytes"] = figures.phase_resident_bytes[i];
    }
    phases.push_back(std::move(phase));
  }
  json["phases"] = std::move(phases);
  Json timeline = Json::array();
  for (const TimelineFigures& step : figures.timeline) {
    Json one{{"at_s", step.at_s}};
    put_counts(one, step.counts);
    one["p99_ms"] = rounded(step.p99_ms);
    one["max_ms"] = rounded(step.max_ms);
    timeline.push_back(std::move(one));
  }
  json["timeline"] = std::move(timeline);
  return json;
}

Json to_json(const SwapLoadFigures& figures) {
  return {{"swaps", figures.swaps},
          {"refused", figures.refused},
          {"took_ms", percentiles_json(figures.took)},
          {"first_answer_ms", percentiles_json(figures.first_answer)},
          {"latency_inside_ms", percentiles_json(figures.inside)},
          {"latency_outside_ms", percentiles_json(figures.outside)},
          {"failed_inside", figures.failed_inside},
          {"gpu_free_bytes", figures.gpu_free_bytes}};
}

std::string to_text(const LoadFigures& figures, double deadline_ms) {
  std::string out;
  add_line(out, "{:<14} {:>9} {:>9} {:>8} {:>7} {:>7} {:>6} {:>8} {:>8} {:>8} {:>8}", "phase",
           "offered/s", "good/s", "refused", "late", "failed", "lost", "p50 ms", "p99 ms", "p99.9",
           "max");
  const auto row = [&](const PhaseFigures& phase) {
    const PostCounts& counts = phase.counts;
    add_line(out,
             "{:<14} {:>9.0f} {:>9.0f} {:>8} {:>7} {:>7} {:>6} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f}",
             phase.name, per_second(counts.offered, phase.seconds),
             per_second(counts.good, phase.seconds), counts.refused, counts.late + counts.expired,
             counts.failed, counts.lost, phase.latency.p50, phase.latency.p99, phase.latency.p999,
             phase.latency.max);
  };
  for (const PhaseFigures& phase : figures.phases) row(phase);
  if (figures.phases.size() > 2) row(figures.total);
  const double missed = 100 * ratio(static_cast<double>(figures.total.counts.missed()),
                                    static_cast<double>(figures.total.counts.offered));
  add_line(out, "deadline       {:.0f} ms, missed by {:.3f} % of the posts", deadline_ms, missed);
  if (figures.total.counts.refused > 0) {
    add_line(out, "refused within p50 {:.2f}  p99 {:.2f}  max {:.2f} ms", figures.total.refusal.p50,
             figures.total.refusal.p99, figures.total.refusal.max);
  }
  add_line(out, "generator lag  p50 {:.3f}  p99 {:.3f}  max {:.3f} ms", figures.lag.p50,
           figures.lag.p99, figures.lag.max);
  const double offered = static_cast<double>(figures.total.counts.offered);
  add_line(out, "cpu            {:.2f} s, {:.1f} us a post{}", figures.cpu_seconds,
           ratio(figures.cpu_seconds * 1e6, offered),
           figures.generator_cpu_seconds > 0
               ? fmt::format(", of these the generator {:.2f} us",
                             ratio(figures.generator_cpu_seconds * 1e6, offered))
               : "");
  add_line(out, "memory         peak {:.0f} MiB, file handles {:.0f} to {:.0f}",
           figures.resident_peak_bytes / kMebi, figures.open_fds_first, figures.open_fds_last);
  const auto accepted = static_cast<double>(figures.accepted_all);
  if (figures.disk_bytes > 0) {
    add_line(out, "disk           {:.0f} bytes a post",
             ratio(static_cast<double>(figures.disk_bytes), accepted));
  }
  if (figures.engine_known) {
    add_line(out, "cache          {} hits, {} misses; index behind by {} posts", figures.cache_hits,
             figures.cache_misses, figures.index_lag_posts);
  }
  return out;
}

}  // namespace tidewatch

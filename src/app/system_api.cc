// SPDX-License-Identifier: Apache-2.0
// EngineApi's part for GET /v1/system: how the stages, queues and files of the engine fare.
#include <nlohmann/json.hpp>

#include "app/engine_api.h"
#include "app/version.h"
#include "core/rfc3339.h"
#include "observe/process_stats.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

Json time_json(const std::optional<EventTime>& time) {
  return time ? Json(to_rfc3339(*time)) : Json(nullptr);
}

Json stages_json(const StageTimes& times) {
  Json stages = Json::array();
  for (std::size_t i = 0; i < kStages; ++i) {
    const auto stage = static_cast<Stage>(i);
    const Percentiles p = times.percentiles(stage);
    stages.push_back(
        {{"name", stage_name(stage)},
         {"posts", p.count},
         {"latency_ms",
          {{"p50", p.p50}, {"p95", p.p95}, {"p99", p.p99}, {"p999", p.p999}, {"max", p.max}}}});
  }
  return stages;
}

Json queues_json(Runtime& runtime) {
  Json queues = Json::array();
  const auto queue = [&](const char* name, std::size_t depth, std::optional<std::size_t> most) {
    queues.push_back({{"name", name}, {"depth", depth}, {"max", most ? Json(*most) : Json()}});
  };
  queue("ingest", runtime.pipeline().in_flight(), runtime.pipeline().in_flight_max());
  queue("infer", runtime.inference().queue_depth(), std::nullopt);
  if (runtime.inference().models().size() > 1) {
    queue("escalation", runtime.inference().escalation_queue_depth(), std::nullopt);
  }
  queue("count", runtime.counting().queue_depth(), Counting::Options{}.queue_posts_max);
  return queues;
}

Json store_json(const StoreStats& stats, const StoreOptions& options) {
  return {{"posts", stats.posts},
          {"oldest", time_json(stats.oldest)},
          {"newest", time_json(stats.newest)},
          {"bytes", stats.bytes},
          {"bytes_used", stats.bytes_used},
          {"bytes_max", options.bytes_max},
          {"commits", stats.commits},
          {"fsyncs", stats.fsyncs},
          {"posts_expired", stats.posts_expired},
          {"outbox_messages", stats.outbox_messages},
          {"maintenance_error", stats.maintenance_error}};
}

Json counting_json(const AggregateStats& stats, const AggregateOptions& options) {
  return {{"posts", stats.posts},
          {"late", stats.late},
          {"held", stats.held},
          {"keys", stats.keys},
          {"keys_max", options.keys_max},
          {"keys_evicted", stats.keys_evicted},
          {"memory_bytes", stats.memory_bytes},
          {"watermark", time_json(stats.watermark)}};
}

}  // namespace

Result<std::string> EngineApi::system() {
  const Config& config = runtime_.config();
  const StoreStats store = runtime_.store().stats();
  const ProcessStats process = read_process_stats();
  const double uptime =
      std::chrono::duration<double>(runtime_.clock().steady_now() - started_at_).count();
  const Json json{{"time", to_rfc3339(runtime_.clock().wall_now())},
                  {"version", version_text()},
                  {"uptime_seconds", uptime},
                  {"demo", config.demo},
                  {"deadline_ms", config.deadline_ms},
                  {"process",
                   {{"memory_bytes", process.resident_bytes},
                    {"memory_peak_bytes", process.resident_peak_bytes},
                    {"cpu_seconds", process.cpu_seconds},
                    {"open_files", process.open_fds},
                    {"open_files_max", process.fds_max}}},
                  {"stages", stages_json(runtime_.times())},
                  {"queues", queues_json(runtime_)},
                  {"store", store_json(store, config.store)},
                  {"index",
                   {{"lag_posts", store.index_lag_posts},
                    {"behind", store.index_behind},
                    {"error", store.index_error}}},
                  {"counting", counting_json(runtime_.counting().stats(), config.aggregate)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <variant>

#include "app/cli_support.h"
#include "app/commands.h"
#include "app/ndjson_session.h"
#include "app/runtime.h"
#include "core/rfc3339.h"
#include "ingest/file_source.h"
#include "ingest/line_splitter.h"
#include "serve/engine.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

// Enough to keep every core busy; more would only lengthen the queue that latency is measured in.
constexpr std::size_t kReplayInFlight = 512;
constexpr std::size_t kTrendsShown = 20;

// Set by SIGINT and SIGTERM: the reader stops, so that the temporary store is removed.
volatile std::sig_atomic_t interrupted = 0;
void interrupt(int signal) { interrupted = signal; }

class ReplayListener final : public CommitListener {
 public:
  explicit ReplayListener(Metrics& metrics) : metrics_(metrics) {}
  void committed(std::uint64_t /*cookie*/, Outcome outcome, const Status& status) override {
    switch (outcome) {
      case Outcome::kStored:
        metrics_.posts_accepted().add();
        break;
      case Outcome::kDuplicate:
        metrics_.posts_duplicate().add();
        break;
      case Outcome::kFailed:
        if (failed_.fetch_add(1) == 0) {
          fmt::print(stderr, "tidewatch: cannot store: {}\n", status.error().message);
        }
        break;
    }
  }
  std::uint64_t failed() const { return failed_.load(); }

 private:
  Metrics& metrics_;
  std::atomic<std::uint64_t> failed_{0};
};

// Makes the reader wait so that event time runs at `speed` times real time. 0: never waits.
class Pacer {
 public:
  Pacer(double speed, const Clock& clock) : speed_(speed), clock_(clock) {}
  void wait_for(EventTime time) {
    if (speed_ <= 0) return;
    if (!first_) {
      first_ = time;
      started_ = clock_.steady_now();
    }
    const auto ahead = std::chrono::duration<double, std::milli>(time - *first_) / speed_;
    std::this_thread::sleep_until(started_ +
                                  std::chrono::duration_cast<SteadyTime::duration>(ahead));
  }

 private:
  const double speed_;
  const Clock& clock_;
  std::optional<EventTime> first_;
  SteadyTime started_{};
};

Result<double> parse_speed(const std::string& text) {
  if (text == "max") return 0.0;
  double speed = 0;
  const char* last = text.data() + text.size() - (text.ends_with('x') ? 1 : 0);
  const auto [end, error] = std::from_chars(text.data(), last, speed);
  if (error != std::errc{} || end != last || speed <= 0) {
    return Error{Code::kInvalidArgument,
                 fmt::format("--speed '{}': must be 'max' or a factor such as '60x'", text)};
  }
  return speed;
}

class Reader {
 public:
  Reader(Runtime& runtime, double speed, std::shared_ptr<CommitListener> listener)
      : runtime_(runtime),
        pacer_(speed, runtime.clock()),
        listener_(std::move(listener)),
        decoder_(runtime.config().decode, runtime.clock(), runtime.fresh_ids()),
        progress_("replay", runtime.clock()) {}

  Status read(const std::string& path) {
    TRY_ASSIGN(const std::unique_ptr<ByteSource> source, open_file_source(path));
    LineSplitter splitter(runtime_.config().decode.line_bytes_max);
    const std::string name{source->name()};
    while (true) {
      TRY_ASSIGN(const std::string_view chunk, source->read());
      if (chunk.empty()) break;
      splitter.feed(chunk);
      while (const auto line = splitter.next()) {
        if (interrupted != 0) return Error{Code::kCancelled, "interrupted"};
        take(*line, name);
      }
      progress_.show(0, 0, taken_);
    }
    if (const auto line = splitter.finish()) take(*line, name);
    return {};
  }
  std::uint64_t rejected() const { return rejected_; }

 private:
  void take(const LineSplitter::Line& line, const std::string& name) {
    if (line.too_long) {
      return reject(line.number, name, line_too_long(runtime_.config().decode));
    }
    const SteadyTime before = runtime_.clock().steady_now();
    auto decoded = decoder_.decode(line.text);
    const SteadyTime received = runtime_.clock().steady_now();
    runtime_.times().record(Stage::kDecode, received - before);
    if (const auto* error = std::get_if<DecodeError>(&decoded)) {
      return reject(line.number, name, *error);
    }
    Post& post = std::get<Post>(decoded);
    pacer_.wait_for(post.time);
    ++taken_;
    const auto admission =
        runtime_.pipeline().submit(std::move(post), received, listener_, 0, /*wait=*/true);
    static_cast<void>(admission);  // waiting, it always admits
  }
  void reject(std::uint64_t line, const std::string& name, const DecodeError& error) {
    ++rejected_;
    runtime_.metrics().rejected(rejection_reason(error)).add();
    if (rejected_ <= kLineErrorsMax) {
      fmt::print(stderr, "{}:{}: {}{}{}\n", name, line, error.field,
                 error.field.empty() ? "" : ": ", error.reason);
    } else if (rejected_ == kLineErrorsMax + 1) {
      fmt::print(stderr, "(further rejected lines are counted, not shown)\n");
    }
  }

  Runtime& runtime_;
  Pacer pacer_;
  const std::shared_ptr<CommitListener> listener_;
  PostDecoder decoder_;
  Progress progress_;
  std::uint64_t taken_ = 0;
  std::uint64_t rejected_ = 0;
};

Json percentiles_json(const Percentiles& p) {
  return {{"p50", p.p50}, {"p95", p.p95}, {"p99", p.p99}, {"p999", p.p999}, {"max", p.max}};
}

std::string_view kind_name(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kVolume:
      return "volume";
    case ChangeKind::kNegative:
      return "negative";
    case ChangeKind::kEmergent:
      return "emergent";
    case ChangeKind::kCoordinated:
      return "coordinated";
  }
  return "unknown";
}

Result<std::vector<Alert>> all_alerts(Store& store) {
  std::vector<Alert> alerts;
  AlertQuery query;
  query.limit = 1'000;
  while (true) {
    TRY_ASSIGN(AlertPage page, store.alerts(query));
    alerts.insert(alerts.end(), std::make_move_iterator(page.alerts.begin()),
                  std::make_move_iterator(page.alerts.end()));
    if (!page.next) break;
    query.before = *page.next;
  }
  std::reverse(alerts.begin(), alerts.end());  // oldest first
  return alerts;
}

Json summary_json(Runtime& runtime, const std::vector<Alert>& alerts, std::uint64_t rejected,
                  double seconds) {
  Metrics& metrics = runtime.metrics();
  const std::uint64_t posts = metrics.posts_accepted().value();
  Json stages = Json::object();
  for (std::size_t i = 0; i + 1 < kStages; ++i) {
    const auto stage = static_cast<Stage>(i);
    stages[std::string{stage_name(stage)}] = percentiles_json(runtime.times().percentiles(stage));
  }
  Json trends = Json::array();
  for (const WavePeak& peak : runtime.counting().peaks(kTrendsShown)) {
    trends.push_back({{"key", to_string(peak.name)},
                      {"kind", kind_name(peak.kind)},
                      {"onset_at", to_rfc3339(EventTime{std::chrono::seconds{peak.onset}})},
                      {"peak_at", to_rfc3339(EventTime{std::chrono::seconds{peak.at}})},
                      {"score", peak.score},
                      {"from_rate", peak.from_rate},
                      {"to_rate", peak.to_rate},
                      {"posts", peak.posts}});
  }
  Json alert_list = Json::array();
  for (const Alert& alert : alerts) alert_list.push_back(Json::parse(to_json(alert)));
  const AggregateStats aggregate = runtime.counting().stats();
  const Inference& inference = runtime.inference();
  Json model{{"name", inference.name()}, {"version", inference.version()}};
  if (inference.models().size() > 1) model["escalated"] = metrics.cascade_escalated().value();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {{"posts", posts},
          {"rejected", rejected},
          {"duplicates", metrics.posts_duplicate().value()},
          {"late", aggregate.late},
          {"ahead", aggregate.ahead},
          {"unscored", runtime.pipeline().unscored()},
          {"seconds", seconds},
          {"posts_per_second", seconds > 0 ? static_cast<double>(posts) / seconds : 0.0},
          {"latency_ms", percentiles_json(runtime.times().percentiles(Stage::kTotal))},
          {"stages", std::move(stages)},
          {"cache_hits", metrics.cache_hits().value()},
          {"cache_misses", metrics.cache_misses().value()},
          {"memory_bytes_max", static_cast<std::uint64_t>(usage.ru_maxrss) * 1024},
          {"model", std::move(model)},
          {"trends", std::move(trends)},
          {"alerts", std::move(alert_list)}};
}

void print_for_people(const Json& s) {
  fmt::print("posts       {} accepted, {} rejected, {} duplicates, {} late\n",
             s["posts"].get<std::uint64_t>(), s["rejected"].get<std::uint64_t>(),
             s["duplicates"].get<std::uint64_t>(), s["late"].get<std::uint64_t>());
  fmt::print("speed       {:.0f} posts/s over {:.1f} s, {:.0f} MiB of memory at most\n",
             s["posts_per_second"].get<double>(), s["seconds"].get<double>(),
             static_cast<double>(s["memory_bytes_max"].get<std::uint64_t>()) / (1 << 20));
  const auto row = [](const std::string& name, const Json& p) {
    fmt::print("  {:<9} {:>9.3f} {:>9.3f} {:>9.3f} {:>9.3f}\n", name, p["p50"].get<double>(),
               p["p95"].get<double>(), p["p99"].get<double>(), p["max"].get<double>());
  };
  fmt::print("latency, ms       p50       p95       p99       max\n");
  for (const auto& [name, p] : s["stages"].items()) row(name, p);
  row("total", s["latency_ms"]);
  fmt::print("cache       {} of {} texts were known\n", s["cache_hits"].get<std::uint64_t>(),
             s["cache_hits"].get<std::uint64_t>() + s["cache_misses"].get<std::uint64_t>());
  if (s["model"].contains("escalated")) {
    fmt::print("cascade     {} texts were in doubt and went to '{}'\n",
               s["model"]["escalated"].get<std::uint64_t>(), kCascadeSecond);
  }
  fmt::print("alerts      {}\n", s["alerts"].size());
  for (const Json& alert : s["alerts"]) {
    fmt::print("  {}  {:<8} {:<8} {}\n", alert["opened_at"].get<std::string>(),
               alert["kind"].get<std::string>(), alert["severity"].get<std::string>(),
               alert["title"].get<std::string>());
  }
}

Status replay(const ReplayOptions& options) {
  TRY_ASSIGN(Config config, resolve_config(options.common));
  TRY_ASSIGN(const double speed, parse_speed(options.speed));
  config.pipeline.posts_in_flight_max =
      std::min(config.pipeline.posts_in_flight_max, kReplayInFlight);
  // History is not judged by its age here.
  config.store.retention = std::chrono::hours{24 * 36'500};
  std::optional<TemporaryFolder> temporary;
  config.store.dir = options.data_dir;
  if (options.data_dir.empty()) {
    TRY_ASSIGN(TemporaryFolder folder, TemporaryFolder::create());
    temporary.emplace(std::move(folder));
    config.store.dir = temporary->path();
  }
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  SystemClock clock;
  TRY_ASSIGN(const auto runtime, Runtime::start(config, Runtime::Mode::kReplay, clock, {}));
  const auto listener = std::make_shared<ReplayListener>(runtime->metrics());
  const SteadyTime started = clock.steady_now();
  std::uint64_t rejected = 0;
  {
    Reader reader(*runtime, speed, listener);
    for (const std::string& file : options.files) TRY(reader.read(file));
    rejected = reader.rejected();
    runtime->finish();
    if (runtime->counting().unwritten() > 0) {
      return Error{Code::kUnavailable, "alerts could not be written; see the log above"};
    }
  }
  const double seconds = std::chrono::duration<double>(clock.steady_now() - started).count();
  if (listener->failed() > 0) {
    return Error{Code::kUnavailable,
                 fmt::format("{} posts could not be stored", listener->failed())};
  }
  TRY_ASSIGN(const std::vector<Alert> alerts, all_alerts(runtime->store()));
  const Json summary = summary_json(*runtime, alerts, rejected, seconds);
  if (options.json) {
    fmt::print("{}\n", summary.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    print_for_people(summary);
  }
  return {};
}

}  // namespace

int run_replay(const ReplayOptions& options) {
  const Status status = replay(options);
  if (status) return 0;
  fail(status.error());
  return interrupted != 0 ? 128 + static_cast<int>(interrupted) : 1;
}

}  // namespace tidewatch

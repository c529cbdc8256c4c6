// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "app/bench/bench_options.h"
#include "app/bench/load_runner.h"
#include "app/bench/swap_driver.h"
#include "app/cli_support.h"
#include "app/version.h"
#include "bench_serve/rate_search.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMissedShareMax = 0.001;
constexpr double kSweepWarmupSeconds = 2;

std::chrono::nanoseconds nanoseconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

std::vector<LoadPhase> plain_phases(double rate, double warmup_s, double seconds) {
  std::vector<LoadPhase> phases;
  if (warmup_s > 0) phases.push_back({"warm-up", {rate, nanoseconds(warmup_s)}, false});
  phases.push_back({"load", {rate, nanoseconds(seconds)}, true});
  return phases;
}

// The whole of a trace as one phase, a moment longer than its last post.
std::vector<LoadPhase> trace_phases(const Trace& trace) {
  const auto length = trace.due(trace.size() - 1) + std::chrono::milliseconds(1);
  const double seconds = std::chrono::duration<double>(length).count();
  return {{"trace", {static_cast<double>(trace.size()) / seconds, length}, true}};
}

std::vector<LoadPhase> overload_phases(const BenchServeOptions& options, double peak) {
  std::vector<LoadPhase> phases;
  const auto half = [&](std::string name, bool measured, double seconds) {
    phases.push_back({std::move(name), {peak / 2, nanoseconds(seconds)}, measured});
  };
  half("warm-up", false, std::max(options.warmup_seconds, 1.0));
  for (const double times : options.overload) {
    phases.push_back(
        {fmt::format("{}x", times), {peak * times, nanoseconds(options.seconds)}, true});
    half(fmt::format("after {}x", times), true, options.recovery_seconds);
  }
  return phases;
}

// Whether the promise was kept: P99 within the deadline and at most one in a thousand missed.
bool kept(const PhaseFigures& figures, double deadline_ms) {
  return figures.counts.offered > 0 && figures.latency.p99 <= deadline_ms &&
         static_cast<double>(figures.counts.missed()) <=
             kMissedShareMax * static_cast<double>(figures.counts.offered);
}

struct SweepStep {
  double rate = 0;
  bool kept = false;
  LoadFigures figures;
};

class ServeBench {
 public:
  ServeBench(const BenchServeOptions& options, LoadRunner& runner)
      : options_(options), runner_(runner) {}

  Status run() {
    double peak = options_.rate;
    if (options_.sweep) {
      TRY(sweep());
      const SweepStep* best = best_step();
      if (best == nullptr) {
        if (!options_.overload.empty()) {
          return Error{Code::kFailedPrecondition,
                       "no rate keeps the promise, so there is no peak to overload"};
        }
        figures_ = steps_.back().figures;
        return {};
      }
      peak = best->rate;
      peak_goodput_ = goodput(best->figures.total);
      figures_ = best->figures;
    }
    if (!options_.overload.empty()) {
      TRY_ASSIGN(figures_, runner_.run(overload_phases(options_, peak), "overload"));
      if (peak_goodput_ == 0) peak_goodput_ = unloaded_goodput();
    } else if (!options_.sweep) {
      TRY(plain());
    }
    return {};
  }

  Json json() const {
    Json out{{"bench", "serve"},
             {"machine", machine_text()},
             {"version", version_text()},
             {"via", runner_.via()},
             {"path", runner_.path()},
             {"deadline_ms", options_.deadline_ms},
             {"seed", options_.seed},
             {"cache", !options_.no_cache},
             {"duplicates", options_.duplicates}};
    out["texts"] = texts_json();
    out.update(to_json(figures_));
    if (options_.sweep) out["sweep"] = sweep_json();
    if (!options_.overload.empty()) out["overload"] = overload_json();
    if (swap_) out["swap"] = to_json(*swap_);
    return out;
  }

  std::string text() const {
    std::string out = fmt::format(
        "machine        {}\nversion        {}\nway            {}, {}; texts {:.1f} tokens on "
        "average "
        "({} to {}), {}; {:.0f} % empty\n",
        machine_text(), version_text(), runner_.via(), runner_.path(), runner_.texts().tokens_mean,
        runner_.texts().tokens_min, runner_.texts().tokens_max, lengths(),
        100 * runner_.texts().empty_share);
    for (const SweepStep& step : steps_) {
      const PhaseFigures& total = step.figures.total;
      out +=
          fmt::format("try {:>9.0f}/s  {:<6} good {:>9.0f}/s  p99 {:>8.2f} ms  missed {} of {}\n",
                      step.rate, step.kept ? "kept" : "failed", goodput(total), total.latency.p99,
                      total.counts.missed(), total.counts.offered);
    }
    if (options_.sweep) {
      const SweepStep* best = best_step();
      out += fmt::format("highest rate   {:.0f} posts/s\n", best != nullptr ? best->rate : 0);
    }
    out += to_text(figures_, options_.deadline_ms);
    if (!options_.overload.empty()) out += overload_text();
    if (swap_) {
      out += fmt::format(
          "swaps          {} made, {} refused, p99 {:.1f} ms a swap, {:.1f} from the switch to the "
          "first answer; latency p99 inside {:.2f}, outside {:.2f} ms; {} failed inside\n",
          swap_->swaps, swap_->refused, swap_->took.p99, swap_->first_answer.p99, swap_->inside.p99,
          swap_->outside.p99, swap_->failed_inside);
    }
    return out;
  }

 private:
  static double goodput(const PhaseFigures& figures) {
    return figures.seconds > 0 ? static_cast<double>(figures.counts.good) / figures.seconds : 0;
  }

  Status plain() {
    const auto phases =
        runner_.trace() ? trace_phases(*runner_.trace())
                        : plain_phases(options_.rate, options_.warmup_seconds, options_.seconds);
    std::optional<SwapDriver> driver;
    if (options_.swaps > 0) {
      TRY_ASSIGN(SwapDriver::Options swaps, swap_options());
      driver.emplace(std::move(swaps));
    }
    TRY_ASSIGN(figures_, runner_.run(phases, "load"));
    if (!driver) return {};
    driver->stop();
    swap_ = SwapLoadFigures{driver->swaps(),
                            driver->refused(),
                            driver->took(),
                            driver->first_answer(),
                            driver->gpu_free_bytes(),
                            runner_.last_tally().marked(),
                            runner_.last_tally().unmarked(),
                            runner_.last_tally().marked_failed()};
    if (!driver->refusal().empty()) {
      fmt::print(stderr, "tidewatch: the first refused swap: {}\n", driver->refusal());
    }
    return {};
  }

  Result<SwapDriver::Options> swap_options() {
    SwapDriver::Options swaps;
    if (options_.swap_url.empty()) {
      swaps.host = "127.0.0.1";
      swaps.port = runner_.engine()->http_port();
    } else {
      TRY_ASSIGN(const BenchTarget target, parse_bench_target(options_.swap_url));
      swaps.host = target.host;
      swaps.port = target.port;
    }
    swaps.model = options_.common.model;
    swaps.engines = options_.swap_engines;
    swaps.swaps = options_.swaps;
    const double every = options_.seconds / static_cast<double>(options_.swaps);
    swaps.first = nanoseconds(options_.warmup_seconds + every / 2);
    swaps.every = nanoseconds(every);
    swaps.mark = [this](bool marked) { runner_.set_marked(marked); };
    return swaps;
  }

  Status sweep() {
    RateSearch::Options search_options;
    search_options.first = options_.rate;
    RateSearch search(search_options);
    while (const auto rate = search.next()) {
      TRY_ASSIGN(LoadFigures figures,
                 runner_.run(plain_phases(*rate, kSweepWarmupSeconds, options_.step_seconds),
                             fmt::format("try {:.0f}/s", *rate)));
      const bool good = kept(figures.total, options_.deadline_ms);
      search.tried(*rate, good);
      steps_.push_back({*rate, good, std::move(figures)});
    }
    return {};
  }

  const SweepStep* best_step() const {
    const SweepStep* best = nullptr;
    for (const SweepStep& step : steps_) {
      if (step.kept && (best == nullptr || step.rate > best->rate)) best = &step;
    }
    return best;
  }

  // Without a sweep: what came through at no more than the peak's own rate.
  double unloaded_goodput() const {
    double best = 0;
    for (const PhaseFigures& phase : figures_.phases) {
      if (phase.measured && phase.rate <= options_.rate * 1.001)
        best = std::max(best, goodput(phase));
    }
    return best;
  }

  struct OverloadLine {
    const PhaseFigures* during = nullptr;
    const PhaseFigures* after = nullptr;
    double resident_bytes = 0;
    double goodput_share = 0;
  };
  std::vector<OverloadLine> overload_lines() const {
    std::vector<OverloadLine> lines;
    for (std::size_t i = 1; i + 1 < figures_.phases.size(); i += 2) {
      OverloadLine line;
      line.during = &figures_.phases[i];
      line.after = &figures_.phases[i + 1];
      line.resident_bytes = figures_.phase_resident_bytes[i];
      if (peak_goodput_ > 0) line.goodput_share = goodput(*line.during) / peak_goodput_;
      lines.push_back(line);
    }
    return lines;
  }

  Json overload_json() const {
    Json out = Json::array();
    for (const OverloadLine& line : overload_lines()) {
      out.push_back({{"name", line.during->name},
                     {"rate", line.during->rate},
                     {"goodput_per_s", goodput(*line.during)},
                     {"goodput_share_of_peak", line.goodput_share},
                     {"accepted_p99_ms", line.during->latency.p99},
                     {"refusal_ms", percentiles_json(line.during->refusal)},
                     {"resident_peak_bytes", line.resident_bytes},
                     {"normal_after_s", line.after->normal_after_s}});
    }
    return out;
  }

  std::string overload_text() const {
    std::string out =
        "overload       good/s  of peak  p99 accepted  refused within p99  memory  normal after\n";
    for (const OverloadLine& line : overload_lines()) {
      out += fmt::format(
          "{:<14} {:>6.0f}  {:>5.1f} %  {:>9.2f} ms  {:>15.2f} ms  {:>3.0f} MiB  {:.2f} s\n",
          line.during->name, goodput(*line.during), 100 * line.goodput_share,
          line.during->latency.p99, line.during->refusal.p99, line.resident_bytes / 1024 / 1024,
          line.after->normal_after_s);
    }
    return out;
  }

  Json sweep_json() const {
    Json tries = Json::array();
    for (const SweepStep& step : steps_) {
      const PhaseFigures& total = step.figures.total;
      tries.push_back({{"rate", step.rate},
                       {"kept", step.kept},
                       {"goodput_per_s", goodput(total)},
                       {"p99_ms", total.latency.p99},
                       {"missed", total.counts.missed()},
                       {"offered", total.counts.offered}});
    }
    const SweepStep* best = best_step();
    return {{"best_rate", best != nullptr ? best->rate : 0},
            {"best_goodput_per_s", best != nullptr ? goodput(best->figures.total) : 0},
            {"tries", std::move(tries)}};
  }

  Json texts_json() const {
    const TextFigures& texts = runner_.texts();
    return {{"sampled", texts.sampled},
            {"tokens_mean", texts.tokens_mean},
            {"tokens_min", texts.tokens_min},
            {"tokens_p50", texts.tokens_p50},
            {"tokens_p99", texts.tokens_p99},
            {"tokens_max", texts.tokens_max},
            {"bytes_mean", texts.bytes_mean},
            {"empty_share", texts.empty_share},
            {"lengths", lengths()}};
  }
  std::string_view lengths() const {
    if (runner_.trace()) return "as in the trace";
    return options_.tokens > 0 ? "all of one length" : "log-normal, clipped";
  }

  const BenchServeOptions& options_;
  LoadRunner& runner_;
  LoadFigures figures_;
  std::vector<SweepStep> steps_;
  double peak_goodput_ = 0;
  std::optional<SwapLoadFigures> swap_;
};

// Looks every acknowledged post up and counts the store's posts.
Result<Json> verify(LoadRunner& runner, bool& whole) {
  Store& store = runner.engine()->runtime().store();
  std::uint64_t acknowledged = 0;
  std::uint64_t missing = 0;
  std::string id;
  for (std::uint64_t i = 0; i < runner.posts_sent(); ++i) {
    if (!runner.acknowledged(i)) continue;
    ++acknowledged;
    write_post_id(runner.seed(), i, id);
    TRY_ASSIGN(const auto post, store.post(id));
    if (!post) ++missing;
  }
  const std::uint64_t stored = store.stats().posts;
  // A post whose answer did not come may be stored all the same: never the other way round.
  whole = missing == 0 && stored >= acknowledged;
  return Json{{"acknowledged", acknowledged}, {"missing", missing}, {"stored", stored}};
}

Status serve(const BenchServeOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  SystemClock clock;
  TRY_ASSIGN(const auto runner, LoadRunner::create(options, clock));
  ServeBench bench(options, *runner);
  TRY(bench.run());
  runner->disconnect();
  std::optional<Json> verified;
  bool whole = true;
  if (options.verify) {
    TRY_ASSIGN(verified, verify(*runner, whole));
  }
  if (options.json) {
    Json json = bench.json();
    if (verified) json["verify"] = *verified;
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("{}", bench.text());
    if (verified) fmt::print("verify         {}\n", verified->dump());
  }
  if (!whole) return Error{Code::kDataLoss, "acknowledged posts are missing from the store"};
  return {};
}

}  // namespace

int run_bench_serve(const BenchServeOptions& options) {
  if (const Status status = check_options(options); !status) {
    fail(status.error());
    return 2;
  }
  const Status status = serve(options);
  return status ? 0 : fail(status.error());
}

}  // namespace tidewatch

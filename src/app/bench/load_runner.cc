// SPDX-License-Identifier: Apache-2.0
#include "app/bench/load_runner.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <thread>
#include <utility>

#include "app/bench/inprocess_transport.h"
#include "infer/cascade.h"

namespace tidewatch {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kAnswerGrace{10};
constexpr milliseconds kWatchEvery{100};
constexpr std::chrono::duration<double> kPauseMin{0.0005};
constexpr std::size_t kSampledTexts = 5'000;
constexpr std::size_t kHttpConnections = 64;
constexpr std::size_t kKserveConnections = 2;
constexpr std::size_t kGrpcStreams = 4;  // the server reads at most so many messages ahead on each

double thread_cpu_seconds() {
  timespec cpu{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  return static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9;
}

double own_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// A line on standard error while a load runs; silent when that is no terminal.
class LoadProgress {
 public:
  explicit LoadProgress(std::string what)
      : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1) {}
  ~LoadProgress() {
    if (terminal_) fmt::print(stderr, "\r\033[K");
  }
  void show(const Tally& tally, double at_s, double of_s) const {
    if (!terminal_) return;
    const PhaseFigures figures = tally.figures(
        tally.phase_at(std::chrono::nanoseconds(static_cast<std::int64_t>(at_s * 1e9))));
    fmt::print(stderr, "\r\033[K{} {}: {:.0f}/{:.0f} s, {} accepted, {} refused, p99 {:.1f} ms",
               what_, figures.name, at_s, of_s, figures.counts.accepted(), figures.counts.refused,
               figures.latency.p99);
    std::fflush(stderr);
  }

 private:
  const std::string what_;
  const bool terminal_;
};

struct CacheCounts {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
};

CacheCounts cache_counts(LocalEngine* engine) {
  if (engine == nullptr) return {};
  Metrics& metrics = engine->runtime().metrics();
  return {metrics.cache_hits().value(), metrics.cache_misses().value()};
}

// What the tally and the probe know; the rest is still to be filled in.
LoadFigures read_tally(const Tally& tally, const ProcessProbe& probe) {
  LoadFigures figures;
  figures.total = tally.total();
  for (std::size_t i = 0; i < tally.num_phases(); ++i) {
    figures.phases.push_back(tally.figures(i));
    figures.phase_resident_bytes.push_back(probe.peak_resident_bytes(i));
    figures.accepted_all += figures.phases.back().counts.accepted();
  }
  figures.timeline = tally.timeline();
  figures.lag = tally.lag();
  figures.resident_peak_bytes = probe.peak_resident_bytes();
  figures.resident_first_bytes = probe.first().resident_bytes;
  figures.resident_last_bytes = probe.last().resident_bytes;
  figures.open_fds_first = probe.first().open_fds;
  figures.open_fds_last = probe.last().open_fds;
  return figures;
}

}  // namespace

LoadRunner::LoadRunner(const BenchServeOptions& options, const Clock& clock)
    : options_(options), clock_(clock), via_(options.via) {}

LoadRunner::~LoadRunner() { disconnect(); }

Result<std::unique_ptr<LoadRunner>> LoadRunner::create(const BenchServeOptions& options,
                                                       const Clock& clock) {
  std::unique_ptr<LoadRunner> runner(new LoadRunner(options, clock));
  TRY_ASSIGN(Config config, resolve_config(options.common));
  if (!options.target.empty()) {
    TRY_ASSIGN(runner->target_, parse_bench_target(options.target));
    runner->via_ = runner->target_->via;
  }
  if (!options.trace_file.empty()) {
    TRY_ASSIGN(runner->trace_, Trace::read(options.trace_file));
  }
  TRY(runner->make_texts(config));
  if (options.verify) {
    const double expected = options.trace_file.empty()
                                ? 1.2 * options.rate * (options.seconds + options.warmup_seconds)
                                : static_cast<double>(runner->trace_->size());
    const auto words = static_cast<std::size_t>(expected / 64) + 1'024;
    runner->acknowledged_ = std::vector<std::atomic<std::uint64_t>>(words);
  }
  if (!runner->target_) TRY(runner->start_engine(config));
  TRY_ASSIGN(runner->transport_, runner->make_transport());
  TRY(runner->transport_->open());
  return runner;
}

Status LoadRunner::make_texts(const Config& config) {
  std::string model = config.inference.model;
  if (model == kCascadeName || model == "none") model = kCascadeFirst;
  TRY_ASSIGN(const ModelManifest manifest, read_manifest(config.models() / model));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(manifest));
  TextMakerOptions options;
  options.seed = options_.seed;
  TRY_ASSIGN(options.duplicates, parse_duplicates(options_.duplicates));
  options.lengths.tokens_max = std::min(options.lengths.tokens_max, tokenizer.tokens_max());
  if (options_.tokens > 0) {
    options.lengths = TextLengthOptions::all(std::min(options_.tokens, tokenizer.tokens_max()));
  }
  TRY_ASSIGN(TextMaker texts, TextMaker::create(tokenizer, options));
  texts_.emplace(std::move(texts));
  measure_texts(tokenizer);
  return {};
}

void LoadRunner::measure_texts(const Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids(tokenizer.tokens_max());
  std::vector<std::uint32_t> lengths;
  std::string text;
  std::size_t bytes = 0;
  const std::size_t count = trace_ ? std::min(trace_->size(), kSampledTexts) : kSampledTexts;
  for (std::size_t i = 0; i < count; ++i) {
    text.clear();
    if (trace_) {
      text = trace_->text(i);
    } else {
      texts_->append(i, text);
    }
    if (text.empty()) continue;
    bytes += text.size();
    lengths.push_back(static_cast<std::uint32_t>(tokenizer.encode(text, ids)));
  }
  TextFigures& figures = text_figures_;
  figures.sampled = lengths.size();
  figures.empty_share = 1 - static_cast<double>(lengths.size()) / static_cast<double>(count);
  if (lengths.empty()) return;
  std::sort(lengths.begin(), lengths.end());
  double sum = 0;
  for (const std::uint32_t length : lengths) sum += length;
  const auto size = static_cast<double>(lengths.size());
  figures.tokens_mean = sum / size;
  figures.bytes_mean = static_cast<double>(bytes) / size;
  figures.tokens_min = lengths.front();
  figures.tokens_p50 = lengths[lengths.size() / 2];
  figures.tokens_p99 = lengths[lengths.size() * 99 / 100];
  figures.tokens_max = lengths.back();
}

Status LoadRunner::start_engine(const Config& from) {
  Config config = from;
  config.store.dir = options_.data_dir;
  if (options_.no_cache) config.inference.cache_bytes_max = 0;
  if (options_.common.config_file.empty()) config.log_level = LogLevel::kWarning;
  config.deadline_ms = options_.deadline_ms;
  init_logging(config.log_level, config.log_format);
  TRY_ASSIGN(engine_, LocalEngine::start(config, clock_));
  return {};
}

Result<std::unique_ptr<Transport>> LoadRunner::make_transport() {
  TransportOptions options;
  options.classify = classify();
  options.tell_deadline = !options_.no_deadline;
  options.bare = options_.bare;
  options.seed = options_.seed;
  options.model = options_.common.model;
  options.connections = options_.connections;
  if (target_) {
    options.host = target_->host;
    options.port = target_->port;
  } else {
    options.model = engine_->runtime().inference().name();
  }
  if (!acknowledged_.empty()) {
    options.on_acknowledged = [this](std::uint64_t index) {
      if (index / 64 >= acknowledged_.size()) return;
      acknowledged_[index / 64].fetch_or(1ULL << (index % 64), std::memory_order_relaxed);
    };
  }
  if (via_ == "inprocess") return make_inprocess_transport(options, engine_->runtime());
  if (via_ == "http") {
    if (options.classify && options.model.empty()) options.model = "fast";
    if (options.connections == 0) options.connections = kHttpConnections;
    if (engine_) options.port = engine_->http_port();
    return make_http_transport(options);
  }
  if (via_ == "kserve") {
    options.model = target_->model;
    if (options.connections == 0) options.connections = kKserveConnections;
    return make_kserve_transport(options);
  }
  if (options.connections == 0) options.connections = kGrpcStreams;
  if (engine_) options.port = engine_->grpc_port();
  return make_grpc_transport(options);
}

bool LoadRunner::acknowledged(std::uint64_t index) const {
  if (index / 64 >= acknowledged_.size()) return false;
  return (acknowledged_[index / 64].load(std::memory_order_relaxed) >> (index % 64) & 1) != 0;
}

void LoadRunner::disconnect() {
  if (transport_) transport_->close();
}

void LoadRunner::wait_for_answers(const Tally& tally) const {
  const SteadyTime until = std::chrono::steady_clock::now() + kAnswerGrace;
  while (tally.outstanding() > 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(milliseconds(5));
  }
}

std::unique_ptr<PostSource> LoadRunner::make_source(const std::vector<LoadPhase>& phases) const {
  if (trace_) return std::make_unique<TraceSource>(*trace_, *texts_);
  std::vector<RatePhase> rates;
  rates.reserve(phases.size());
  for (const LoadPhase& phase : phases) rates.push_back(phase.rate);
  return std::make_unique<PoissonSource>(std::move(rates), *texts_, options_.seed + next_index_);
}

GeneratorOptions LoadRunner::generator_options() const {
  GeneratorOptions generator;
  generator.bundle_window =
      std::chrono::nanoseconds(static_cast<std::int64_t>(options_.bundle_ms * 1e6));
  generator.bundle_posts_max = options_.bundle_posts;
  if (via_ == "kserve") {
    generator.bundle_posts_max = options_.kserve_batch;
    if (options_.kserve_batch == 1) generator.bundle_window = {};
  }
  return generator;
}

double LoadRunner::cpu_seconds() const {
  double cpu = own_cpu_seconds();
  if (options_.pid != 0) cpu += read_process_usage(options_.pid).cpu_seconds;
  return cpu;
}

LoadRunner::Spent LoadRunner::send_all(PostSource& source, const LoadLength& length,
                                       const std::string& what) {
  const std::atomic<bool> stop{false};
  std::atomic<bool> sent_all{false};
  std::uint64_t sent = 0;
  Spent spent;
  std::thread sender([&] {
    sent = generate(source, *transport_, tally_, next_index_, generator_options(), marked_, stop);
    spent.sender_cpu_seconds = thread_cpu_seconds();
    sent_all.store(true, std::memory_order_release);
  });
  const LoadProgress progress(what);
  const SteadyTime began = std::chrono::steady_clock::now();
  double cpu_first = length.warmup_s > 0 ? -1 : cpu_seconds();
  while (!sent_all.load(std::memory_order_acquire)) {
    const double at_s =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    if (cpu_first < 0 && at_s >= length.warmup_s) cpu_first = cpu_seconds();
    progress.show(*tally_, at_s, length.whole_s);
    std::chrono::duration<double> pause = kWatchEvery;
    if (cpu_first < 0) {
      pause = std::clamp(std::chrono::duration<double>(length.warmup_s - at_s), kPauseMin, pause);
    }
    std::this_thread::sleep_for(pause);
  }
  sender.join();
  wait_for_answers(*tally_);
  spent.cpu_seconds = cpu_seconds() - std::max(cpu_first, 0.0);
  next_index_ += sent;
  return spent;
}

Result<LoadFigures> LoadRunner::run(const std::vector<LoadPhase>& phases, const std::string& what) {
  LoadLength length;
  bool measuring = false;
  for (const LoadPhase& phase : phases) {
    const double seconds = std::chrono::duration<double>(phase.rate.length).count();
    measuring = measuring || phase.measured;
    if (!measuring) length.warmup_s += seconds;
    length.whole_s += seconds;
  }
  tally_ = std::make_shared<Tally>(phases, milliseconds(options_.deadline_ms));
  ProcessProbe::Options probe_options;
  probe_options.pid = options_.pid;
  probe_options.csv_file = options_.samples_file;
  if (engine_) probe_options.data_dir = engine_->data_dir();
  const std::uint64_t disk_before = engine_ ? disk_bytes(engine_->data_dir()) : 0;
  const CacheCounts cache_before = cache_counts(engine_.get());
  const TransportCounts sent_before = transport_->counts();
  TRY_ASSIGN(const auto probe, ProcessProbe::start(probe_options, tally_));

  const auto source = make_source(phases);
  const Spent spent = send_all(*source, length, what);
  probe->stop();

  LoadFigures figures = read_tally(*tally_, *probe);
  figures.cpu_seconds = spent.cpu_seconds;
  figures.transport = transport_->counts();
  figures.transport.messages -= sent_before.messages;
  figures.transport.bytes_sent -= sent_before.bytes_sent;
  figures.transport.bytes_received -= sent_before.bytes_received;
  figures.transport.cpu_seconds -= sent_before.cpu_seconds;
  if (via_ != "inprocess") {  // there the sender does the engine's tokenizing, too
    figures.generator_cpu_seconds = (spent.sender_cpu_seconds + figures.transport.cpu_seconds) *
                                    (length.whole_s - length.warmup_s) / length.whole_s;
  }
  if (engine_) {
    const std::uint64_t disk_after = disk_bytes(engine_->data_dir());
    figures.disk_bytes = disk_after > disk_before ? disk_after - disk_before : 0;
    const CacheCounts cache = cache_counts(engine_.get());
    figures.engine_known = true;
    figures.cache_hits = cache.hits - cache_before.hits;
    figures.cache_misses = cache.misses - cache_before.misses;
    figures.index_lag_posts = engine_->runtime().store().stats().index_lag_posts;
  }
  return figures;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/bench/bench_options.h"
#include "app/bench/local_engine.h"
#include "bench_serve/generator.h"
#include "bench_serve/load_report.h"
#include "bench_serve/process_probe.h"

namespace tidewatch {

// What was found out about the texts of a load before it began, with the model's own tokenizer.
struct TextFigures {
  std::size_t sampled = 0;  // texts that are not empty
  double tokens_mean = 0;
  std::uint32_t tokens_min = 0;
  std::uint32_t tokens_p50 = 0;
  std::uint32_t tokens_p99 = 0;
  std::uint32_t tokens_max = 0;
  double bytes_mean = 0;
  double empty_share = 0;
};

// One server under load: starts the engine where no target is given, connects, and runs loads one
// after the other; texts go on where the last load ended, so that none comes twice unasked.
// Threads: all members from one thread, but for set_marked(). Life cycle: create(); run() …;
// disconnect() before the store is looked at.
class LoadRunner {
 public:
  static Result<std::unique_ptr<LoadRunner>> create(const BenchServeOptions& options,
                                                    const Clock& clock);
  ~LoadRunner();

  // Runs the phases (or, with a trace, plays that) and waits for the answers, at most
  // kAnswerGrace. `what` is shown on the progress line. Errors: the CSV file cannot be written.
  Result<LoadFigures> run(const std::vector<LoadPhase>& phases, const std::string& what);
  void disconnect();

  // Posts sent while set are told apart (Tally::marked).
  void set_marked(bool marked) { marked_.store(marked, std::memory_order_relaxed); }
  std::uint64_t posts_sent() const { return next_index_; }
  const std::optional<Trace>& trace() const { return trace_; }
  const TextFigures& texts() const { return text_figures_; }
  const std::string& via() const { return via_; }
  LocalEngine* engine() { return engine_.get(); }  // null: a target
  std::uint64_t seed() const { return options_.seed; }
  // With --verify: whether post `index` was acknowledged.
  bool acknowledged(std::uint64_t index) const;
  const Tally& last_tally() const { return *tally_; }

 private:
  LoadRunner(const BenchServeOptions& options, const Clock& clock);
  Status start_engine(const Config& config);
  Status make_texts(const Config& config);
  Result<std::unique_ptr<Transport>> make_transport();
  void measure_texts(const Tokenizer& tokenizer);
  void wait_for_answers(const Tally& tally) const;

  const BenchServeOptions options_;
  const Clock& clock_;
  std::string via_;
  std::optional<BenchTarget> target_;
  std::unique_ptr<LocalEngine> engine_;
  std::optional<TextMaker> texts_;
  TextFigures text_figures_;
  std::optional<Trace> trace_;
  std::uint64_t next_index_ = 0;
  std::atomic<bool> marked_{false};
  std::vector<std::atomic<std::uint64_t>> acknowledged_;  // one bit a post
  std::shared_ptr<Tally> tally_;
  std::unique_ptr<Transport> transport_;  // last: its threads use the rest
};

}  // namespace tidewatch

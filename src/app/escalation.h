// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "batch/dispatcher.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "infer/model_registry.h"
#include "infer/score_cache.h"
#include "infer/score_sink.h"
#include "observe/metrics.h"

namespace tidewatch {

// The second model of a cascade, with queues and workers of its own: takes the texts that the
// first model was in doubt about and tells their sinks what the second says. A text whose run
// fails keeps its first scores.
//
// Bounds: with `wait_when_full` the queue holds `bucket_items_max` texts a length bucket and a
// caller waits for room (replay: every doubtful text is escalated). Without it no more than
// `tokens_max` token ids wait or run (a text that finds nothing before it always fits); more are
// refused at once, and the caller answers with what it has.
// Ownership: everything passed by reference must outlive it. Threads: every member may be called
// concurrently; sinks are told from its workers.
// Life cycle: runs from construction; the destructor runs what is queued.
class Escalation {
 public:
  struct Options {
    bool wait_when_full = true;
    std::size_t tokens_max = 192;
    std::size_t instances = 0;  // texts at once; 0: one a core if it may wait, else half of that
    BatchPolicyOptions policy;
    std::size_t bucket_items_max = 4'096;
    std::chrono::milliseconds deadline_reserve{0};  // see Inference::Options
  };
  // What is known of a doubtful text.
  struct Doubtful {
    ScoreCache::Key key;  // under which the final scores are remembered
    Scores first;
    ScoreTiming timing;  // of the first model's run
  };

  Escalation(const Options& options, std::shared_ptr<const Model> model, const Clock& clock,
             Metrics& metrics, ScoreCache& cache, Counter& answered_first);
  ~Escalation();
  Escalation(const Escalation&) = delete;
  Escalation& operator=(const Escalation&) = delete;

  // Taken: `item` was moved from, its sink will be told once. Else, with it untouched: full,
  // stopped, or too late for its deadline, `deadline_reserve` before which the run must be over.
  [[nodiscard]] Offer offer(BatchItem& item, const Doubtful& doubtful) EXCLUDES(mu_);

  void drain() { dispatcher_->drain(); }
  LatencyProfile& profile() { return dispatcher_->profile(); }
  std::size_t queue_depth() const { return dispatcher_->queue_depth(); }
  const Model& model() const { return *model_; }
  std::shared_ptr<const Model> shared_model() const { return model_; }

 private:
  struct Pending {
    Doubtful doubtful;
    ScoreSink* sink = nullptr;
    std::uint64_t cookie = 0;
  };
  // Room for `tokens` more, or false.
  bool reserve(std::size_t tokens) noexcept;
  void run(std::size_t worker, std::span<BatchItem> batch) EXCLUDES(mu_);
  // A text that waited too long, or whose client has gone, keeps its first scores.
  void drop(BatchItem& item) EXCLUDES(mu_);
  std::vector<Pending> take(std::span<const BatchItem> batch) EXCLUDES(mu_);

  const Options options_;
  const std::shared_ptr<const Model> model_;
  const Clock& clock_;
  ScoreCache& cache_;
  Counter& inferred_;
  Counter& escalated_;
  Counter& answered_;
  Counter& answered_first_;  // counts the texts that keep their first scores after a failed run
  Counter& failed_;
  Counter& late_;
  std::atomic<std::size_t> tokens_{0};  // that wait or run
  Mutex mu_;
  std::uint64_t next_ticket_ GUARDED_BY(mu_) = 0;
  std::unordered_map<std::uint64_t, Pending> pending_ GUARDED_BY(mu_);  // by ticket; bounded above
  std::unique_ptr<Dispatcher> dispatcher_;  // last: its workers use the rest
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "batch/batch_policy.h"
#include "batch/latency_profile.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/request_limits.h"
#include "core/result.h"

namespace tidewatch {

class ScoreSink;  // infer/score_sink.h: who gets the answer; only carried here

// A text on its way to a model. `token_ids` holds [CLS] … [SEP], 2 to 512 ids.
struct BatchItem {
  std::vector<std::int32_t> token_ids;
  SteadyTime enqueued_at{};  // set by the dispatcher
  ScoreSink* sink = nullptr;
  std::uint64_t cookie = 0;  // the sink's own
  // Where the labels of its tokens go (infer/sequence.h) before the sink is told; null: nobody
  // asks.
  std::vector<std::uint8_t>* token_labels = nullptr;
  RequestLimits limits;
  // False: refused when its deadline cannot be kept, dropped when it is cancelled or late. True:
  // the deadline decides only who goes first (a post that must be stored whatever happens).
  bool must_run = true;
  std::chrono::nanoseconds predicted_wait{0};  // set by the dispatcher
};

// What became of an offer.
struct Offer {
  enum class Verdict : std::uint8_t { kTaken, kFull, kStopped, kTooLate };
  Verdict verdict = Verdict::kTaken;
  // How long it will wait (kTaken) or would have (kTooLate, kFull), its own run included.
  std::chrono::nanoseconds predicted{0};
  explicit operator bool() const noexcept { return verdict == Verdict::kTaken; }
};

// Queues texts by length, orders them by urgency and hands batches to workers as batch_policy
// decides. Knows how long that will take: LatencyProfile gives the time of each run, corrected by
// how waits that were predicted turned out.
//
// Ownership: `clock` must outlive it. Items are moved in and moved to `run` or `drop`.
// Threads: submit from any thread; `run` and `drop` are called on `workers` threads at once, each
// with its own worker index, and must not throw. Bound: each bucket holds `bucket_items_max` items;
// when it is full try_submit refuses and submit waits. In the steady state nothing is allocated.
// Life cycle: runs from construction. drain() waits until every item has been run; stop() (also
// in the destructor) runs what is queued and joins; afterwards submits are refused.
class Dispatcher {
 public:
  struct Options {
    std::string name = "model";  // of its threads
    BatchPolicyOptions policy;
    std::size_t workers = 2;
    std::size_t bucket_items_max = 4'096;
    // Of those places, how many only items that must run may take, so that requests which come
    // without limits never make a post wait for a place.
    std::size_t must_run_items = 0;
  };
  using Run = std::function<void(std::size_t worker, std::span<BatchItem> batch)>;
  // Told of an item with must_run false that is not run: kCancelled or kDeadlineExceeded.
  using Drop = std::function<void(BatchItem& item, Code why)>;

  Dispatcher(Options options, const Clock& clock, Run run, Drop drop = nullptr);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Never waits. Unless taken the item is untouched.
  [[nodiscard]] Offer try_submit(BatchItem&& item) EXCLUDES(mu_);
  // Waits for room; false only when stopped.
  [[nodiscard]] bool submit(BatchItem&& item) EXCLUDES(mu_);

  // How long a text of this priority, with a deadline, would wait now before its run begins: what
  // is as urgent and waits or runs. What waits without a deadline is overtaken.
  std::chrono::nanoseconds predicted_wait(Priority priority = Priority::kNormal) const
      EXCLUDES(mu_);
  // From the next batch on. `workers` stays, and `policy.runs_max` is below it.
  void set_policy(const BatchPolicyOptions& policy) EXCLUDES(mu_);
  // The least that texts which come together take once their runs begin: one by one over the
  // workers, or in runs filled by ids.
  std::chrono::nanoseconds least_time(const LatencyProfile::Shape& texts) const EXCLUDES(mu_);
  LatencyProfile& profile() noexcept { return profile_; }

  void drain() EXCLUDES(mu_);
  void stop() EXCLUDES(mu_);

  // Items waiting, over all buckets (those being run not counted).
  std::size_t queue_depth() const EXCLUDES(mu_);
  // Waiting items of one bucket.
  std::size_t bucket_depth(std::size_t bucket) const EXCLUDES(mu_);

 private:
  struct Place {
    std::int64_t urgency;
    std::uint64_t order;  // of arrival: among equals the first goes first
    std::uint32_t slot;
    // A max-heap by std::push_heap, so the comparison is turned around.
    bool operator<(const Place& other) const noexcept {
      return urgency != other.urgency ? urgency > other.urgency : order > other.order;
    }
  };
  struct Worker {
    std::vector<BatchItem> batch;
    std::vector<BatchItem> dropped;
    std::vector<Code> why;
  };

  void work(std::size_t worker) EXCLUDES(mu_);
  // Takes the next batch, waiting as the policy says. False: stopped and empty.
  bool next_batch(std::size_t worker) EXCLUDES(mu_);
  void fill(std::size_t worker, const BatchDecision& decision, SteadyTime now) REQUIRES(mu_);
  QueueView view(SteadyTime now) const REQUIRES(mu_);
  std::size_t most_urgent_bucket() const REQUIRES(mu_);
  BatchItem take(std::size_t bucket) REQUIRES(mu_);
  bool empty() const REQUIRES(mu_) { return depth_ == 0; }
  void enqueue(std::size_t bucket, BatchItem&& item, SteadyTime now) REQUIRES(mu_);
  std::chrono::nanoseconds wait_for(const RequestLimits& limits, SteadyTime now) const
      REQUIRES(mu_);
  // The run that a new text would be part of.
  std::chrono::nanoseconds own_run(std::size_t tokens, const RequestLimits& limits) const
      REQUIRES(mu_);
  bool fills_by_ids() const REQUIRES(mu_) { return policy_.tokens_max > 0; }
  std::size_t runs_max() const REQUIRES(mu_);
  // What a waiting text counts for in the backlog.
  std::int64_t work_of(std::size_t tokens, std::size_t usual) const REQUIRES(mu_);
  std::int64_t work_before(const RequestLimits& limits) const REQUIRES(mu_);
  std::int64_t& backlog_of(const RequestLimits& limits) REQUIRES(mu_);
  std::size_t usual_batch() const REQUIRES(mu_);

  const Options options_;
  const Clock& clock_;
  const Run run_;
  const Drop drop_;
  LatencyProfile profile_;
  std::vector<Worker> scratch_;  // by worker; each touched by its own thread only
  mutable Mutex mu_;
  BatchPolicyOptions policy_ GUARDED_BY(mu_);
  CondVar has_work_;
  CondVar has_room_;
  CondVar idle_;
  std::vector<BatchItem> slots_ GUARDED_BY(mu_);
  std::vector<std::uint32_t> free_slots_ GUARDED_BY(mu_);
  std::array<std::vector<Place>, kBuckets> heaps_ GUARDED_BY(mu_);
  std::size_t depth_ GUARDED_BY(mu_) = 0;
  std::uint64_t next_order_ GUARDED_BY(mu_) = 0;
  // What waits, by priority, with a deadline and without: its predicted run time in nanoseconds;
  // where runs are filled by ids, ids. And when each worker will be free.
  using Backlog = std::array<std::int64_t, kPriorities>;
  Backlog backlog_ GUARDED_BY(mu_){};
  Backlog patient_backlog_ GUARDED_BY(mu_){};
  std::vector<SteadyTime> free_at_ GUARDED_BY(mu_);
  double wait_factor_ GUARDED_BY(mu_) = 1.0;  // how long waits last, beside what was predicted
  std::size_t running_ GUARDED_BY(mu_) = 0;   // workers inside run_
  std::size_t sleeping_ GUARDED_BY(mu_) = 0;  // workers that wait for work
  bool draining_ GUARDED_BY(mu_) = false;     // flush without waiting for windows
  bool stopped_ GUARDED_BY(mu_) = false;
  std::vector<std::jthread> workers_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include "batch/batch_policy.h"
#include "core/clock.h"
#include "core/mutex.h"

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
};

// Queues texts by length and hands batches to workers as batch_policy decides.
//
// Ownership: `clock` must outlive it. Items are moved in and moved to `run`.
// Threads: submit from any thread; `run` is called on `workers` threads at once, each with its own
// worker index, and must not throw. Bound: each bucket holds `bucket_items_max` items; when it is
// full try_submit refuses and submit waits.
// Life cycle: runs from construction. drain() waits until every item has been run; stop() (also
// in the destructor) runs what is queued and joins; afterwards submits are refused.
class Dispatcher {
 public:
  struct Options {
    BatchPolicyOptions policy;
    std::size_t workers = 2;
    std::size_t bucket_items_max = 4'096;
  };
  using Run = std::function<void(std::size_t worker, std::span<BatchItem> batch)>;

  Dispatcher(Options options, const Clock& clock, Run run);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Returns false, with the item untouched, when its bucket is full or the dispatcher stopped.
  [[nodiscard]] bool try_submit(BatchItem&& item) EXCLUDES(mu_);
  // Waits for room; false only when stopped.
  [[nodiscard]] bool submit(BatchItem&& item) EXCLUDES(mu_);

  void drain() EXCLUDES(mu_);
  void stop() EXCLUDES(mu_);

  // Items waiting, over all buckets (those being run not counted).
  std::size_t queue_depth() const EXCLUDES(mu_);
  // Waiting items of one bucket.
  std::size_t bucket_depth(std::size_t bucket) const EXCLUDES(mu_);

 private:
  void work(std::size_t worker) EXCLUDES(mu_);
  // Takes the next batch into `batch`, waiting as the policy says. False: stopped and empty.
  bool next_batch(std::vector<BatchItem>& batch) EXCLUDES(mu_);
  QueueView view() const REQUIRES(mu_);
  bool empty() const REQUIRES(mu_);
  void enqueue(std::size_t bucket, BatchItem&& item) REQUIRES(mu_);

  const Options options_;
  const Clock& clock_;
  const Run run_;
  mutable Mutex mu_;
  CondVar has_work_;
  CondVar has_room_;
  CondVar idle_;
  std::array<std::deque<BatchItem>, kBuckets> buckets_ GUARDED_BY(mu_);
  std::size_t running_ GUARDED_BY(mu_) = 0;  // workers inside run_
  bool draining_ GUARDED_BY(mu_) = false;    // flush without waiting for windows
  bool stopped_ GUARDED_BY(mu_) = false;
  std::vector<std::jthread> workers_;
};

}  // namespace tidewatch

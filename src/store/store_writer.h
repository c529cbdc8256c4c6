// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "core/bounded_queue.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "infer/scored_post.h"
#include "infer/scores.h"
#include "store/store.h"

namespace tidewatch {

// A post after its transaction. `cookie` is what try_submit was given (whom to answer).
struct CommittedPost {
  ScoredPost post;
  bool is_new = false;  // false: a duplicate id, or not written at all (see the Status)
  std::uint64_t cookie = 0;
};

// Group commit: takes posts one at a time, writes what has gathered in one transaction with one
// fsync, and tells. It never waits for a batch to fill: the fsync of one batch is the time in
// which the next one gathers.
// Ownership: `store` outlives the writer; posts are moved in and lent to `on_commit`, which may
// move them out.
// Threads: try_submit, submit, drain and queue_size may be called concurrently; `on_commit` runs
// on the writer's one thread, in the order of submission, and must not call drain or stop.
// Bounds: queue_posts_max; when full, try_submit refuses and submit waits.
// Errors: `on_commit` gets the error and the posts of a transaction that failed: nothing of it
// was written, nothing of it may be acknowledged. The writer goes on with the next batch.
// Life cycle: starts in the constructor; stop() (or the destructor) writes what is queued first.
class StoreWriter {
 public:
  struct Options {
    std::size_t queue_posts_max = 16'384;
    std::size_t batch_posts_max = 2'048;
    const Clock* clock = nullptr;  // for busy_since(); nullptr: it is never known
  };
  using OnCommit = std::function<void(std::span<CommittedPost>, const Status&)>;

  StoreWriter(Store& store, LabelSchema labels, Options options, OnCommit on_commit);
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // Returns false, with the post untouched: full or stopped.
  [[nodiscard]] bool try_submit(ScoredPost&& post, std::uint64_t cookie);
  // Waits for room. Returns false, with the post untouched, only when stopped.
  [[nodiscard]] bool submit(ScoredPost&& post, std::uint64_t cookie);

  // Returns when everything submitted before the call was told to `on_commit`.
  void drain();
  void stop();
  std::size_t queue_size() const;
  // Since when the commit under way has been; nothing between two commits.
  std::optional<SteadyTime> busy_since() const {
    const std::int64_t since = busy_since_ns_.load(std::memory_order_relaxed);
    if (since == 0) return std::nullopt;
    return SteadyTime{std::chrono::nanoseconds{since}};
  }

 private:
  bool enqueue(ScoredPost&& post, std::uint64_t cookie, bool wait);
  void run();

  Store& store_;
  const LabelSchema labels_;
  const Options options_;
  const OnCommit on_commit_;
  BoundedQueue<CommittedPost> queue_;
  std::atomic<std::int64_t> busy_since_ns_{0};
  Mutex mu_;
  CondVar progressed_;
  std::uint64_t submitted_ GUARDED_BY(mu_) = 0;
  std::uint64_t told_ GUARDED_BY(mu_) = 0;
  std::jthread thread_;
};

}  // namespace tidewatch

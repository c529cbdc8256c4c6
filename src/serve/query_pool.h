// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "core/bounded_queue.h"

namespace tidewatch {

// A few threads that run what may block, so that the I/O threads never do.
// Threads: every member may be called concurrently; stop() from one, and not from a job.
// Bound: `waiting_max` jobs; try_run refuses more.
class QueryPool {
 public:
  using Job = std::function<void()>;  // must not throw

  QueryPool(int threads, std::size_t waiting_max);
  ~QueryPool();
  QueryPool(const QueryPool&) = delete;
  QueryPool& operator=(const QueryPool&) = delete;

  // False when the queue is full or the pool is stopped: the job will not run.
  [[nodiscard]] bool try_run(Job job);
  std::size_t waiting() const { return jobs_.size(); }

  // Refuses new jobs, runs what waits, and returns when the last has ended.
  void stop();

 private:
  BoundedQueue<Job> jobs_;
  std::vector<std::jthread> threads_;
};

}  // namespace tidewatch

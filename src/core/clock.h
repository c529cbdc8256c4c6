// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>

namespace tidewatch {

// Event time: when a post was written, in milliseconds since the Unix epoch, UTC. Comes from the
// post; never compared with a steady time.
using EventTime = std::chrono::sys_time<std::chrono::milliseconds>;

// Processing time, for latencies and deadlines. Never goes back.
using SteadyTime = std::chrono::steady_clock::time_point;

// The only source of time for logic, so that tests and replays decide what time it is.
// Threads: every member may be called concurrently.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual EventTime wall_now() const = 0;
  virtual SteadyTime steady_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  EventTime wall_now() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }
  SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
};

// A clock that moves only when told to. Starts at the Unix epoch unless told otherwise.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(EventTime start = EventTime{}) : start_(start) {}

  EventTime wall_now() const override {
    return start_ + std::chrono::duration_cast<std::chrono::milliseconds>(elapsed());
  }
  SteadyTime steady_now() const override {
    return SteadyTime{std::chrono::duration_cast<SteadyTime::duration>(elapsed())};
  }
  void advance(std::chrono::nanoseconds by) {
    elapsed_ns_.fetch_add(by.count(), std::memory_order_relaxed);
  }

 private:
  std::chrono::nanoseconds elapsed() const {
    return std::chrono::nanoseconds{elapsed_ns_.load(std::memory_order_relaxed)};
  }

  const EventTime start_;
  std::atomic<std::int64_t> elapsed_ns_{0};
};

}  // namespace tidewatch

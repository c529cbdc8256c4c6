// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "core/mutex.h"

namespace tidewatch {

// A first-in first-out queue of at most `capacity` items between threads.
// When it is full, try_push refuses (the caller sheds and says so) and push waits (back-pressure).
// Threads: every member may be called concurrently; push, pop and pop_some block.
// Life cycle: close() wakes every waiter; afterwards pushes fail and pops hand out what is left.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}
  BoundedQueue(const BoundedQueue&) = delete;
  BoundedQueue& operator=(const BoundedQueue&) = delete;

  // Takes the item and returns true, or leaves it untouched and returns false: full or closed.
  [[nodiscard]] bool try_push(T&& item) {
    {
      MutexLock lock(mu_);
      if (closed_ || items_.size() >= capacity_) return false;
      items_.push_back(std::move(item));
    }
    not_empty_.notify_one();
    return true;
  }

  // Waits for room. Returns false, with the item untouched, only when the queue is closed.
  [[nodiscard]] bool push(T&& item) {
    {
      MutexLock lock(mu_);
      while (!closed_ && items_.size() >= capacity_) not_full_.wait(mu_);
      if (closed_) return false;
      items_.push_back(std::move(item));
    }
    not_empty_.notify_one();
    return true;
  }

  // Waits for an item. Returns nothing when the queue is closed and empty.
  std::optional<T> pop() {
    std::optional<T> item;
    {
      MutexLock lock(mu_);
      while (!closed_ && items_.empty()) not_empty_.wait(mu_);
      if (items_.empty()) return std::nullopt;
      item.emplace(std::move(items_.front()));
      items_.pop_front();
    }
    not_full_.notify_one();
    return item;
  }

  // Waits for at least one item, then moves up to `count_max` into `out` (appending) without
  // waiting for more. Returns false when the queue is closed and empty.
  bool pop_some(std::vector<T>& out, std::size_t count_max) {
    {
      MutexLock lock(mu_);
      while (!closed_ && items_.empty()) not_empty_.wait(mu_);
      if (items_.empty()) return false;
      for (std::size_t i = 0; i < count_max && !items_.empty(); ++i) {
        out.push_back(std::move(items_.front()));
        items_.pop_front();
      }
    }
    not_full_.notify_all();
    return true;
  }

  // As pop_some, but returns true with nothing appended once `until` is reached.
  bool pop_some_until(std::vector<T>& out, std::size_t count_max,
                      std::chrono::steady_clock::time_point until) {
    {
      MutexLock lock(mu_);
      while (!closed_ && items_.empty()) {
        if (!not_empty_.wait_until(mu_, until)) break;
      }
      if (items_.empty()) return !closed_;
      for (std::size_t i = 0; i < count_max && !items_.empty(); ++i) {
        out.push_back(std::move(items_.front()));
        items_.pop_front();
      }
    }
    not_full_.notify_all();
    return true;
  }

  void close() {
    {
      MutexLock lock(mu_);
      closed_ = true;
    }
    not_empty_.notify_all();
    not_full_.notify_all();
  }

  std::size_t size() const {
    MutexLock lock(mu_);
    return items_.size();
  }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  const std::size_t capacity_;
  mutable Mutex mu_;
  CondVar not_empty_;
  CondVar not_full_;
  std::deque<T> items_ GUARDED_BY(mu_);
  bool closed_ GUARDED_BY(mu_) = false;
};

}  // namespace tidewatch

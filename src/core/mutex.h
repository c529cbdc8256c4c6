// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// Clang's thread-safety annotations; the lint lane runs -Wthread-safety. Nothing under g++.
#if defined(__clang__)
#define TIDEWATCH_TSA(x) __attribute__((x))
#else
#define TIDEWATCH_TSA(x)
#endif
#define CAPABILITY(x) TIDEWATCH_TSA(capability(x))
#define SCOPED_CAPABILITY TIDEWATCH_TSA(scoped_lockable)
#define GUARDED_BY(x) TIDEWATCH_TSA(guarded_by(x))
#define REQUIRES(...) TIDEWATCH_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) TIDEWATCH_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) TIDEWATCH_TSA(acquire_capability(__VA_ARGS__))
#define RELEASE(...) TIDEWATCH_TSA(release_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS TIDEWATCH_TSA(no_thread_safety_analysis)

namespace tidewatch {

// std::mutex with the annotations that libstdc++'s lacks.
class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mu_.lock(); }
  void unlock() RELEASE() { mu_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

// Holds a Mutex for a scope.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mu) ACQUIRE(mu) : mu_(mu) { mu_.lock(); }
  ~MutexLock() RELEASE() { mu_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// A condition variable that waits on a Mutex. Call with the Mutex held; it is held on return.
// Wakes may be spurious: always wait in a loop on the condition.
class CondVar {
 public:
  void wait(Mutex& mu) REQUIRES(mu) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }

  // Returns false on time-out.
  bool wait_until(Mutex& mu, std::chrono::steady_clock::time_point until)
      REQUIRES(mu) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    const std::cv_status status = cv_.wait_until(lock, until);
    lock.release();
    return status == std::cv_status::no_timeout;
  }
  void notify_one() { cv_.notify_one(); }
  void notify_all() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace tidewatch

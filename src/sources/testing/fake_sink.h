// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "sources/source.h"

namespace tidewatch {

// A sink that tests look into: holds receipts back, is full, fails. Knows ids as the store does.
// Threads: every member may be called concurrently.
class FakeSink final : public PostSink {
 public:
  bool offer(Post& post, const std::shared_ptr<ReceiptListener>& listener,
             std::uint64_t ticket) override {
    MutexLock lock(mu_);
    if (held_.size() >= room_) return false;
    held_.push_back({std::move(post), listener, ticket});
    held_max_ = std::max(held_max_, held_.size());
    changed_.notify_all();
    if (!holding_) tell_held();
    return true;
  }

  // Keeps what comes without receipts until release(); at most `room` posts, more are refused.
  void hold(std::size_t room) {
    MutexLock lock(mu_);
    holding_ = true;
    room_ = room;
  }
  // Tells all that is held, and from now on at once.
  void release() {
    MutexLock lock(mu_);
    holding_ = false;
    room_ = SIZE_MAX;
    tell_held();
  }
  // The next posts cannot be stored, until this is called with false.
  void fail(bool failing) {
    MutexLock lock(mu_);
    failing_ = failing;
  }
  void wait_for_held(std::size_t count) {
    MutexLock lock(mu_);
    while (held_.size() < count) changed_.wait(mu_);
  }
  void wait_for_stored(std::size_t count) {
    MutexLock lock(mu_);
    while (stored_.size() < count) changed_.wait(mu_);
  }
  void wait_for_failures(std::size_t count) {
    MutexLock lock(mu_);
    while (failures_ < count) changed_.wait(mu_);
  }
  std::vector<Post> stored() const {
    MutexLock lock(mu_);
    return stored_;
  }
  std::size_t held_max() const {
    MutexLock lock(mu_);
    return held_max_;
  }
  std::size_t duplicates() const {
    MutexLock lock(mu_);
    return duplicates_;
  }

 private:
  struct Held {
    Post post;
    std::shared_ptr<ReceiptListener> listener;
    std::uint64_t ticket;
  };
  void tell_held() REQUIRES(mu_) {
    for (Held& one : std::exchange(held_, {})) {
      if (failing_) {
        ++failures_;
        one.listener->told(one.ticket, Receipt::kFailed, "disk full");
      } else if (ids_.insert(one.post.id).second) {
        stored_.push_back(std::move(one.post));
        one.listener->told(one.ticket, Receipt::kStored, "");
      } else {
        ++duplicates_;
        one.listener->told(one.ticket, Receipt::kDuplicate, "");
      }
    }
    changed_.notify_all();
  }

  mutable Mutex mu_;
  CondVar changed_;
  std::vector<Held> held_ GUARDED_BY(mu_);
  std::vector<Post> stored_ GUARDED_BY(mu_);
  std::set<std::string> ids_ GUARDED_BY(mu_);
  bool holding_ GUARDED_BY(mu_) = false;
  bool failing_ GUARDED_BY(mu_) = false;
  std::size_t room_ GUARDED_BY(mu_) = SIZE_MAX;
  std::size_t held_max_ GUARDED_BY(mu_) = 0;
  std::size_t duplicates_ GUARDED_BY(mu_) = 0;
  std::size_t failures_ GUARDED_BY(mu_) = 0;
};

// Moves a manual clock instead of waiting, and does what the test wants done at each wait.
class StepPauser final : public Pauser {
 public:
  explicit StepPauser(ManualClock& clock) : clock_(clock) {}
  bool pause(const std::stop_token& stop, std::chrono::milliseconds time) override {
    if (stop.stop_requested()) return false;
    clock_.advance(time);
    pauses.push_back(time);
    if (on_pause) on_pause(time);
    return !stop.stop_requested();
  }
  std::vector<std::chrono::milliseconds> pauses;
  std::function<void(std::chrono::milliseconds)> on_pause;

 private:
  ManualClock& clock_;
};

// A folder that goes with the test.
class TestFolder {
 public:
  TestFolder() {
    char name[] = "/tmp/tidewatch-sources-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "serve/engine.h"

namespace tidewatch {

// One alert as a Watch stream tells it; shared by all watchers.
struct AlertFrame {
  std::string event;     // "opened", "updated", "closed" or "acknowledged"
  std::string severity;  // info | warning | critical
  std::string json;
};

// 0 info, 1 warning, 2 critical; nothing for any other word.
std::optional<int> severity_rank(std::string_view severity) noexcept;

// What one Watch client has yet to be sent.
// Threads: the hub's publishers and one reader. Bound: the hub's `events_max`.
class AlertWatcher {
 public:
  enum class State : std::uint8_t { kOpen, kTooSlow, kClosed };

  std::shared_ptr<const AlertFrame> take() EXCLUDES(mu_);  // null: nothing waits
  State state() const EXCLUDES(mu_);

 private:
  friend class AlertHub;
  mutable Mutex mu_;
  std::deque<std::shared_ptr<const AlertFrame>> waiting_ GUARDED_BY(mu_);
  State state_ GUARDED_BY(mu_) = State::kOpen;
  int rank_min_ = 0;
  std::function<void()> wake_;  // set once by subscribe; called without mu_
};

// Spreads alerts to the open Watch streams. A watcher that is `events_max` behind is ended: it
// calls again and is told what is open.
// Threads: every member may be called concurrently; publishing never waits for a client.
class AlertHub final : public AlertEvents {
 public:
  AlertHub(std::size_t watchers_max, std::size_t events_max)
      : watchers_max_(watchers_max), events_max_(events_max) {}

  void publish_alert(std::string_view event, const Alert& alert) override EXCLUDES(mu_);

  // Nothing when there are watchers_max, or after close(). `wake` is called from publishers when
  // something waits or the watcher ended; it must not block or call back.
  std::shared_ptr<AlertWatcher> subscribe(int rank_min, std::function<void()> wake) EXCLUDES(mu_);
  void unsubscribe(const std::shared_ptr<AlertWatcher>& watcher) EXCLUDES(mu_);
  void close() EXCLUDES(mu_);
  std::size_t watchers() const EXCLUDES(mu_);

 private:
  const std::size_t watchers_max_;
  const std::size_t events_max_;
  mutable Mutex mu_;
  std::vector<std::shared_ptr<AlertWatcher>> watchers_ GUARDED_BY(mu_);
  bool closed_ GUARDED_BY(mu_) = false;
};

}  // namespace tidewatch

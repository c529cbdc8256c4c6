// SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/alert_hub.h"

#include <utility>

namespace tidewatch {

std::optional<int> severity_rank(std::string_view severity) noexcept {
  if (severity == "info") return 0;
  if (severity == "warning") return 1;
  if (severity == "critical") return 2;
  return std::nullopt;
}

std::shared_ptr<const AlertFrame> AlertWatcher::take() {
  MutexLock lock(mu_);
  if (waiting_.empty()) return nullptr;
  auto frame = std::move(waiting_.front());
  waiting_.pop_front();
  return frame;
}

AlertWatcher::State AlertWatcher::state() const {
  MutexLock lock(mu_);
  return state_;
}

void AlertHub::publish_alert(std::string_view event, const Alert& alert) {
  const auto frame = std::make_shared<const AlertFrame>(
      AlertFrame{std::string(event), alert.severity, to_json(alert)});
  const int rank = severity_rank(alert.severity).value_or(0);
  MutexLock lock(mu_);
  if (closed_) return;
  for (const auto& watcher : watchers_) {
    if (rank < watcher->rank_min_) continue;
    {
      MutexLock watcher_lock(watcher->mu_);
      if (watcher->state_ != AlertWatcher::State::kOpen) continue;
      if (watcher->waiting_.size() >= events_max_) {
        watcher->state_ = AlertWatcher::State::kTooSlow;
      } else {
        watcher->waiting_.push_back(frame);
      }
    }
    watcher->wake_();
  }
}

std::shared_ptr<AlertWatcher> AlertHub::subscribe(int rank_min, std::function<void()> wake) {
  auto watcher = std::make_shared<AlertWatcher>();
  watcher->rank_min_ = rank_min;
  watcher->wake_ = std::move(wake);
  MutexLock lock(mu_);
  if (closed_ || watchers_.size() >= watchers_max_) return nullptr;
  watchers_.push_back(watcher);
  return watcher;
}

void AlertHub::unsubscribe(const std::shared_ptr<AlertWatcher>& watcher) {
  MutexLock lock(mu_);
  std::erase(watchers_, watcher);
}

void AlertHub::close() {
  MutexLock lock(mu_);
  closed_ = true;
  for (const auto& watcher : watchers_) {
    {
      MutexLock watcher_lock(watcher->mu_);
      watcher->state_ = AlertWatcher::State::kClosed;
    }
    watcher->wake_();
  }
}

std::size_t AlertHub::watchers() const {
  MutexLock lock(mu_);
  return watchers_.size();
}

}  // namespace tidewatch

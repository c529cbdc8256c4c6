// SPDX-License-Identifier: Apache-2.0
#include "sources/source_status.h"

#include <utility>

#include "observe/log.h"

namespace tidewatch {

std::string_view state_name(SourceState state) noexcept {
  switch (state) {
    case SourceState::kStarting:
      return "starting";
    case SourceState::kRunning:
      return "running";
    case SourceState::kBehind:
      return "behind";
    case SourceState::kWaiting:
      return "waiting";
    case SourceState::kStopped:
      return "stopped";
  }
  return "stopped";
}

SourceStatus::SourceStatus(std::string name, std::string type, std::string_view lag_unit,
                           const Clock& clock)
    : name_(std::move(name)), clock_(clock) {
  view_.name = name_;
  view_.type = std::move(type);
  view_.lag_unit = lag_unit;
}

void SourceStatus::set_state(SourceState state) {
  MutexLock lock(mu_);
  if (state == SourceState::kBehind && view_.state != SourceState::kBehind) ++view_.slowed;
  view_.state = state;
}

void SourceStatus::heard() {
  MutexLock lock(mu_);
  view_.last_message_at = clock_.wall_now();
}

void SourceStatus::count(std::uint64_t stored, std::uint64_t duplicates) {
  MutexLock lock(mu_);
  view_.stored += stored;
  view_.duplicates += duplicates;
}

void SourceStatus::rejected() {
  MutexLock lock(mu_);
  ++view_.rejected;
}

void SourceStatus::failed(const std::string& why) {
  bool news = false;
  {
    MutexLock lock(mu_);
    ++view_.errors;
    news = view_.last_error != why;
    view_.last_error = why;
    view_.last_error_at = clock_.wall_now();
  }
  if (news) log(LogLevel::kWarning, "sources", "failed", {{"source", name_}, {"reason", why}});
}

void SourceStatus::set_lag(std::optional<double> lag) {
  MutexLock lock(mu_);
  view_.lag = lag;
}

void SourceStatus::set_next_attempt(std::optional<EventTime> at) {
  MutexLock lock(mu_);
  view_.next_attempt_at = at;
}

SourceStatus::View SourceStatus::view() const {
  MutexLock lock(mu_);
  return view_;
}

}  // namespace tidewatch

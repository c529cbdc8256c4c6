// SPDX-License-Identifier: Apache-2.0
#include "sources/source.h"

#include <condition_variable>
#include <mutex>

namespace tidewatch {
namespace {

constexpr std::chrono::milliseconds kBehindPause{2};

}  // namespace

bool SystemPauser::pause(const std::stop_token& stop, std::chrono::milliseconds time) {
  std::mutex mu;
  std::condition_variable_any wake;  // nobody notifies it: only a stop ends the wait early
  std::unique_lock lock(mu);
  wake.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

void keep_trying(const SourceContext& context, SourceStatus& status, Backoff& backoff,
                 const std::stop_token& stop, const std::function<Status()>& attempt) {
  while (!stop.stop_requested()) {
    const Status ended = attempt();
    if (stop.stop_requested()) break;
    status.failed(ended.error().message);
    status.set_state(SourceState::kWaiting);
    const auto wait = backoff.next(ended.error().retry_after);
    status.set_next_attempt(context.clock.wall_now() + wait);
    context.pauser.pause(stop, wait);
    status.set_next_attempt(std::nullopt);
  }
  status.set_state(SourceState::kStopped);
}

bool deliver(const SourceContext& context, SourceStatus& status, const std::stop_token& stop,
             Post& post, const std::shared_ptr<ReceiptListener>& listener, std::uint64_t ticket) {
  bool waited = false;
  while (!context.sink.offer(post, listener, ticket)) {
    if (!waited) status.set_state(SourceState::kBehind);
    waited = true;
    if (!context.pauser.pause(stop, kBehindPause)) return false;
  }
  if (waited) status.set_state(SourceState::kRunning);
  return true;
}

}  // namespace tidewatch

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

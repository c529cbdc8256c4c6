// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "alert/alert_manager.h"
#include "alert/life_cycle.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "store/store.h"

namespace tidewatch {

// Where alerts from the stream meet people: every alert is written here, with its state, its
// history and the messages that follow from it, in one transaction of the store.
//
//   Counting ── write ──┐                        ┌─► store: alert, history, outbox
//   HTTP, gRPC ── act ──┴─► one alert at a time ─┴─► on_told
//
// Ownership: clock and store must outlive it. Threads: every member may be called concurrently;
// one write at a time, each waits for the disk (one fsync). `on_told` is called under the lock
// after the alert is on disk, in the order of the writes; it must not block or call back.
// Errors: the store's; then nothing was written or told, and the call may be repeated. When only
// the outbox is full the alert is written without its messages, and logged.
class AlertDesk {
 public:
  struct Options {
    std::vector<std::string> channels;  // each alert event goes to each
  };
  using OnTold = std::function<void(const AlertUpdate&)>;

  AlertDesk(Options options, const Clock& clock, Store& store, OnTold on_told);
  AlertDesk(const AlertDesk&) = delete;
  AlertDesk& operator=(const AlertDesk&) = delete;

  // News of an alert from the stream. Its state is what people made of it (carry_state).
  Status write(const AlertUpdate& update) EXCLUDES(mu_);

  // What a person does with an alert. Returns it as it is afterwards. kNotFound,
  // kFailedPrecondition (not possible in its state).
  Result<Alert> act(const std::string& id, const AlertAction& action) EXCLUDES(mu_);

 private:
  Status put(const AlertUpdate& update, const std::vector<AlertHistoryEntry>& history)
      REQUIRES(mu_);
  std::vector<OutboxMessage> messages_for(const AlertUpdate& update) const;

  const Options options_;
  const Clock& clock_;
  Store& store_;
  const OnTold on_told_;
  Mutex mu_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "alert/alert_manager.h"
#include "alert/life_cycle.h"
#include "alert/subscriber.h"
#include "alert/telling_ledger.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"
#include "store/store.h"

namespace tidewatch {

// Where alerts from the stream meet people: every alert is written here, with its state, its
// history and the messages that follow from it, in one transaction of the store.
//
//   Counting ── write ──┐                        ┌─► store: alert, history, tellings, outbox
//   HTTP, gRPC ── act ──┼─► one alert at a time ─┴─► on_told
//   its own thread, once a second ── escalate ──┘
//
// Decisions are pure (alert/subscriber.h, alert/life_cycle.h); the desk only applies them.
// Ownership: clock and store must outlive it. Threads: every member may be called concurrently;
// one write at a time, each waits for the disk (one fsync). `on_told` is called under the lock
// after the alert is on disk, in the order of the writes; it must not block or call back.
// Errors: the store's; then nothing was written or told, and the call may be repeated. When only
// the outbox is full the alert is written without its messages, and logged.
// Life cycle: restore(), then start() (serve alone), both optional; the destructor stops.
class AlertDesk {
 public:
  struct Options {
    std::vector<std::string> listeners;  // channels that are told everything at once: the log
    std::vector<Subscriber> subscribers;
    std::string public_url;  // of the dashboard, for links; empty: messages have none
  };
  using OnTold = std::function<void(const AlertUpdate&)>;

  AlertDesk(Options options, const Clock& clock, Store& store, OnTold on_told);
  ~AlertDesk();
  AlertDesk(const AlertDesk&) = delete;
  AlertDesk& operator=(const AlertDesk&) = delete;

  // Takes what subscribers were told by earlier runs.
  Status restore() EXCLUDES(mu_);
  void start();

  // News of an alert from the stream. Its state is what people made of it (carry_state).
  Status write(const AlertUpdate& update) EXCLUDES(mu_);

  // What a person does with an alert. Returns it as it is afterwards. kNotFound,
  // kFailedPrecondition (not possible in its state).
  Result<Alert> act(const std::string& id, const AlertAction& action) EXCLUDES(mu_);

  // Makes the escalation steps that are due at the wall time `now`; returns how many.
  Result<std::size_t> escalate_due(EventTime now) EXCLUDES(mu_);

 private:
  struct Plan {
    std::map<std::string, OutboxMessage> messages;  // by channel
    std::vector<Telling> tellings;
  };
  Plan plan_news(const AlertUpdate& update, EventTime now) REQUIRES(mu_);
  Plan plan_escalation(const AlertUpdate& update, const std::string& note, EventTime now)
      REQUIRES(mu_);
  void escalate_for(const Subscriber& subscriber, Telling telling, const AlertUpdate& update,
                    const std::string& note, EventTime now, Plan& plan);
  void add_message(Plan& plan, const std::string& channel, const AlertUpdate& update, EventTime now,
                   EventTime not_before, const std::string& note);
  Status put(const AlertUpdate& update, const std::vector<AlertHistoryEntry>& history, Plan plan)
      REQUIRES(mu_);
  void run();

  const Options options_;
  const Clock& clock_;
  Store& store_;
  const OnTold on_told_;
  Mutex mu_;
  CondVar wake_;
  bool stopping_ GUARDED_BY(mu_) = false;
  TellingLedger ledger_ GUARDED_BY(mu_);
  std::set<std::string> settled_ GUARDED_BY(mu_);  // alerts that need no escalation as they stand
  std::jthread thread_;                            // last: uses the rest
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "app/alert_desk.h"

#include <utility>

#include "observe/log.h"

namespace tidewatch {

AlertDesk::AlertDesk(Options options, const Clock& clock, Store& store, OnTold on_told)
    : options_(std::move(options)), clock_(clock), store_(store), on_told_(std::move(on_told)) {}

Status AlertDesk::write(const AlertUpdate& update) {
  MutexLock lock(mu_);
  AlertUpdate told = update;
  TRY_ASSIGN(const std::optional<Alert> before, store_.alert(update.alert.id));
  std::vector<AlertHistoryEntry> history;
  if (auto entry = carry_state(before, update.event, clock_.wall_now(), told.alert)) {
    history.push_back(*std::move(entry));
  }
  return put(told, history);
}

Result<Alert> AlertDesk::act(const std::string& id, const AlertAction& action) {
  MutexLock lock(mu_);
  TRY_ASSIGN(std::optional<Alert> alert, store_.alert(id));
  if (!alert) return Error{Code::kNotFound, "no alert '" + id + "'"};
  TRY_ASSIGN(const std::optional<AlertHistoryEntry> entry,
             apply(action, clock_.wall_now(), *alert));
  if (!entry) return *alert;
  AlertUpdate update{*alert, action.event};
  TRY(put(update, {*entry}));
  return *std::move(alert);
}

Status AlertDesk::put(const AlertUpdate& update, const std::vector<AlertHistoryEntry>& history) {
  const std::vector<OutboxMessage> messages = messages_for(update);
  Status status = store_.put_alert(update.alert, messages, history);
  if (!status && status.error().code == Code::kResourceExhausted && !messages.empty()) {
    // A receiver that is away for long must not keep people from seeing alerts here.
    const std::string reason = status.error().message;
    status = store_.put_alert(update.alert, {}, history);
    if (status) {
      log(LogLevel::kError, "alert", "the outbox is full: this alert is shown but not sent",
          {{"id", update.alert.id}, {"reason", reason}});
    }
  }
  if (status && on_told_) on_told_(update);
  return status;
}

std::vector<OutboxMessage> AlertDesk::messages_for(const AlertUpdate& update) const {
  std::vector<OutboxMessage> messages;
  if (is_action(update.event)) return messages;
  for (const std::string& channel : options_.channels) {
    OutboxMessage message;
    message.dedupe_key = alert_dedupe_key(update.alert, update.event, channel);
    message.channel = channel;
    message.body = to_json(update.alert, update.event);
    message.next_attempt_at = clock_.wall_now();
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace tidewatch

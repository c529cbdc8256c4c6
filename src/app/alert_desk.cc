// SPDX-License-Identifier: Apache-2.0
#include "app/alert_desk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "alert/alert_message.h"
#include "core/thread_name.h"
#include "observe/log.h"

namespace tidewatch {
namespace {

constexpr std::chrono::seconds kTick{1};

std::string dedupe_key(const AlertUpdate& update, const std::string& channel, EventTime now) {
  std::string key = alert_dedupe_key(update.alert, update.event, channel);
  // What people do has no event time: twice is twice.
  if (is_action(update.event)) key += ':' + std::to_string(now.time_since_epoch().count());
  return key;
}

ShownPost shown_post(const StoredPost& stored) {
  return {stored.post.id, shorten(stored.post.text, kShownTextBytesMax), stored.post.author,
          stored.post.url, stored.post.time};
}

}  // namespace

AlertDesk::AlertDesk(Options options, const Clock& clock, Store& store, OnTold on_told)
    : options_(std::move(options)), clock_(clock), store_(store), on_told_(std::move(on_told)) {}

AlertDesk::~AlertDesk() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status AlertDesk::restore() {
  TRY_ASSIGN(std::vector<Telling> tellings,
             store_.tellings(clock_.wall_now() - TellingLedger::kRemembered));
  const MutexLock lock(mu_);
  for (Telling& telling : tellings) ledger_.put(std::move(telling));
  return {};
}

void AlertDesk::start() {
  const bool escalates =
      std::any_of(options_.subscribers.begin(), options_.subscribers.end(),
                  [](const Subscriber& subscriber) { return !subscriber.escalation.empty(); });
  if (escalates) thread_ = std::jthread([this] { run(); });
}

void AlertDesk::run() {
  name_thread("escalate");
  bool failed = false;
  while (true) {
    {
      const MutexLock lock(mu_);
      const SteadyTime until = clock_.steady_now() + kTick;
      while (!stopping_ && wake_.wait_until(mu_, until)) {
      }
      if (stopping_) return;
    }
    const Result<std::size_t> steps = escalate_due(clock_.wall_now());
    if (!steps && !failed) {
      log(LogLevel::kError, "alert", "alerts cannot be escalated; it is tried again",
          {{"reason", steps.error().message}});
    }
    failed = !steps.ok();
  }
}

Status AlertDesk::write(const AlertUpdate& update) {
  const MutexLock lock(mu_);
  AlertUpdate told = update;
  const EventTime now = clock_.wall_now();
  TRY_ASSIGN(const std::optional<Alert> before, store_.alert(update.alert.id));
  std::vector<AlertHistoryEntry> history;
  if (auto entry = carry_state(before, update.event, now, told.alert)) {
    history.push_back(*std::move(entry));
  }
  return put(told, history, plan_news(told, now));
}

Result<Alert> AlertDesk::act(const std::string& id, const AlertAction& action) {
  const MutexLock lock(mu_);
  TRY_ASSIGN(std::optional<Alert> alert, store_.alert(id));
  if (!alert) return Error{Code::kNotFound, "no alert '" + id + "'"};
  const EventTime now = clock_.wall_now();
  TRY_ASSIGN(const std::optional<AlertHistoryEntry> entry, apply(action, now, *alert));
  if (!entry) return *alert;
  const AlertUpdate update{*alert, action.event};
  TRY(put(update, {*entry},
          action.event == AlertEvent::kEscalated ? plan_escalation(update, action.note, now)
                                                 : plan_news(update, now)));
  return *std::move(alert);
}

Result<std::size_t> AlertDesk::escalate_due(EventTime now) {
  const MutexLock lock(mu_);
  ledger_.prune(now);
  std::size_t steps = 0;
  for (const Subscriber& subscriber : options_.subscribers) {
    std::vector<Telling> candidates;
    ledger_.each([&](const Telling& telling) REQUIRES(mu_) {
      const std::size_t step = telling.escalations;
      if (telling.subscriber != subscriber.name || step >= subscriber.escalation.size() ||
          !telling.first_at || now - *telling.first_at < subscriber.escalation[step].after ||
          telling.ended || settled_.contains(telling.alert_id)) {
        return;
      }
      candidates.push_back(telling);
    });
    for (const Telling& telling : candidates) {
      TRY_ASSIGN(std::optional<Alert> alert, store_.alert(telling.alert_id));
      if (!alert || !is_pending(*alert) || alert->state == "acknowledged") {
        settled_.insert(telling.alert_id);
        continue;
      }
      const auto step = next_escalation(subscriber, *alert, telling, now);
      if (!step) continue;
      const std::string note = "not acknowledged within " +
                               std::to_string(subscriber.escalation[*step].after.count()) +
                               " min (" + subscriber.name + ")";
      const AlertAction action{AlertEvent::kEscalated, std::string(kEngineName), note,
                               std::chrono::minutes{0}};
      TRY_ASSIGN(const std::optional<AlertHistoryEntry> entry, apply(action, now, *alert));
      if (!entry) continue;
      const AlertUpdate update{*alert, AlertEvent::kEscalated};
      Plan plan;
      for (const std::string& channel : options_.listeners) {
        add_message(plan, channel, update, now, now, note);
      }
      escalate_for(subscriber, telling, update, note, now, plan);
      TRY(put(update, {*entry}, std::move(plan)));
      ++steps;
    }
  }
  return steps;
}

AlertDesk::Plan AlertDesk::plan_news(const AlertUpdate& update, EventTime now) {
  Plan plan;
  for (const std::string& channel : options_.listeners) {
    add_message(plan, channel, update, now, now, {});
  }
  for (const Subscriber& subscriber : options_.subscribers) {
    const std::vector<Telling> known =
        ledger_.known(subscriber.name, update.alert.id, update.alert.key);
    Verdict verdict = decide(subscriber, update.alert, update.event, known, now);
    if (verdict.telling) plan.tellings.push_back(*std::move(verdict.telling));
    if (verdict.tell) {
      for (const std::string& channel : subscriber.channels) {
        add_message(plan, channel, update, now, verdict.not_before, verdict.note);
      }
    } else if (!verdict.reason.empty()) {
      log(LogLevel::kDebug, "alert", "a subscriber is not told",
          {{"id", update.alert.id},
           {"event", std::string(event_name(update.event))},
           {"subscriber", subscriber.name},
           {"reason", verdict.reason}});
    }
  }
  return plan;
}

AlertDesk::Plan AlertDesk::plan_escalation(const AlertUpdate& update, const std::string& note,
                                           EventTime now) {
  Plan plan;
  for (const std::string& channel : options_.listeners) {
    add_message(plan, channel, update, now, now, note);
  }
  for (const Subscriber& subscriber : options_.subscribers) {
    const std::vector<Telling> known =
        ledger_.known(subscriber.name, update.alert.id, update.alert.key);
    Telling telling;
    telling.subscriber = subscriber.name;
    telling.alert_id = update.alert.id;
    telling.key = update.alert.key;
    const bool has_part = !known.empty() && known.front().alert_id == update.alert.id;
    if (has_part) telling = known.front();
    if (!has_part && !wants(subscriber, update.alert)) continue;
    escalate_for(subscriber, std::move(telling), update, note, now, plan);
  }
  return plan;
}

// The subscriber's next step, or its own channels when it has none left.
void AlertDesk::escalate_for(const Subscriber& subscriber, Telling telling,
                             const AlertUpdate& update, const std::string& note, EventTime now,
                             Plan& plan) {
  const std::size_t step = telling.escalations;
  const bool has_step = step < subscriber.escalation.size();
  const auto& channels = has_step ? subscriber.escalation[step].channels : subscriber.channels;
  for (const std::string& channel : channels) add_message(plan, channel, update, now, now, note);
  telling.escalations += has_step ? 1 : 0;
  if (!telling.first_at) telling.first_at = now;
  telling.last_at = now;
  plan.tellings.push_back(std::move(telling));
}

// Two subscribers may share a channel: it gets one message, the sooner of the two.
void AlertDesk::add_message(Plan& plan, const std::string& channel, const AlertUpdate& update,
                            EventTime now, EventTime not_before, const std::string& note) {
  OutboxMessage& message = plan.messages[channel];
  if (!message.channel.empty() && message.next_attempt_at <= not_before) return;
  message.channel = channel;
  message.dedupe_key = dedupe_key(update, channel, now);
  message.next_attempt_at = not_before;
  message.held = not_before > now;
  message.collapse_key = update.alert.id;
  message.body = note;  // put() makes the body, once for all that have the same note
}

Status AlertDesk::put(const AlertUpdate& update, const std::vector<AlertHistoryEntry>& history,
                      Plan plan) {
  std::vector<OutboxMessage> messages;
  if (!plan.messages.empty()) {
    AlertMessage content{update.alert, std::string(event_name(update.event)), {}, {}, {}};
    if (!options_.public_url.empty()) {
      content.link = options_.public_url + "/#/alerts/" + update.alert.id;
    }
    for (const std::string& id : update.alert.evidence) {
      if (content.evidence_posts.size() >= kMessagePostsMax) break;
      const auto post = store_.post(id);
      if (post.ok() && post->has_value()) content.evidence_posts.push_back(shown_post(**post));
    }
    std::map<std::string, std::string> bodies;  // by note
    for (auto& [channel, message] : plan.messages) {
      const auto [body, is_new] = bodies.try_emplace(message.body);
      if (is_new) {
        content.note = message.body;
        body->second = to_json(content);
      }
      message.body = body->second;
      messages.push_back(std::move(message));
    }
  }
  Status status = store_.put_alert(update.alert, messages, history, plan.tellings);
  if (!status && status.error().code == Code::kResourceExhausted && !messages.empty()) {
    // A receiver that is away for long must not keep people from seeing alerts here.
    const std::string reason = status.error().message;
    // The next news is told as the first then; an escalation step is not made again every second.
    if (!is_action(update.event)) plan.tellings.clear();
    status = store_.put_alert(update.alert, {}, history, plan.tellings);
    if (status) {
      log(LogLevel::kError, "alert", "the outbox is full: this alert is shown but not sent",
          {{"id", update.alert.id}, {"reason", reason}});
    }
  }
  if (!status) return status;
  for (Telling& telling : plan.tellings) ledger_.put(std::move(telling));
  settled_.erase(update.alert.id);
  if (on_told_) on_told_(update);
  return {};
}

}  // namespace tidewatch

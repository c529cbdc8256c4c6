// SPDX-License-Identifier: Apache-2.0
#include "alert/outbox_sender.h"

#include <algorithm>
#include <utility>

#include "core/thread_name.h"
#include "observe/log.h"

namespace tidewatch {
FailureVerdict verdict_on(Code code) noexcept {
  switch (code) {
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kResourceExhausted:
      return FailureVerdict::kChannelRests;
    case Code::kCancelled:
      return FailureVerdict::kCancelled;
    case Code::kInternal:
    case Code::kUnknown:
    case Code::kAborted:
    case Code::kDataLoss:
      return FailureVerdict::kTryAgain;
    default:
      return FailureVerdict::kDead;
  }
}

OutboxSender::OutboxSender(Outbox& outbox, std::vector<std::unique_ptr<Channel>> channels,
                           const Clock& clock, OutboxSenderOptions options)
    : outbox_(outbox), clock_(clock), options_(options), random_(options.seed) {
  const MutexLock lock(mu_);
  for (auto& channel : channels) {
    const std::string name(channel->name());
    ChannelState& state = states_[name];
    state.name = name;
    state.kind = channel->kind();
    Lane& lane = lanes_[name];
    lane.limiter = RateLimiter(channel->limits());
    lane.channel = std::move(channel);
  }
}

OutboxSender::~OutboxSender() { stop(); }

Result<OutboxSender::StepResult> OutboxSender::step(EventTime now) {
  if (!strangers_gone_) {
    std::vector<std::string> names;
    for (const auto& [name, lane] : lanes_) names.push_back(name);
    TRY_ASSIGN(const std::size_t gone, outbox_.give_up_unknown(names, now));
    strangers_gone_ = true;
    if (gone > 0) {
      log(LogLevel::kWarning, "alert",
          "messages for channels that are not configured any more are dead letters now",
          {{"messages", gone}});
    }
  }
  StepResult result;
  for (auto& [name, lane] : lanes_) TRY(step_lane(name, lane, now, result));
  return result;
}

Status OutboxSender::step_lane(const std::string& name, Lane& lane, EventTime now,
                               StepResult& result) {
  if (now < lane.rests_until) return {};
  const std::size_t room = lane.limiter.room(now, options_.batch_max);
  if (room == 0) return {};
  TRY_ASSIGN(const std::vector<OutboxMessage> messages, outbox_.due(now, name, room));
  for (const OutboxMessage& message : messages) {
    TRY_ASSIGN(const Sent sent, send(lane, message, now));
    result.delivered += sent == Sent::kDelivered ? 1 : 0;
    result.failed += sent == Sent::kFailed ? 1 : 0;
    if (now < lane.rests_until || sent == Sent::kStop) return {};
  }
  result.more_due = result.more_due || messages.size() >= options_.batch_max;
  return {};
}

Result<OutboxSender::Sent> OutboxSender::send(Lane& lane, const OutboxMessage& message,
                                              EventTime now) {
  if (sent_unmarked_.contains(message.id)) {
    TRY(mark_delivered(message.id));
    return Sent::kDelivered;
  }
  const Status sent = lane.channel->send(message);
  // A slow send counts from its end: the receiver may have counted it then.
  lane.limiter.sent(std::max(now, clock_.wall_now()));
  if (!sent.ok()) return settle_failure(lane, message, sent.error(), now);
  lane.failures = 0;
  sent_unmarked_.insert(message.id);
  record(message.channel, [](ChannelState& state) {
    ++state.totals.delivered;
    state.rests_until.reset();
    state.last_error.clear();
  });
  TRY(mark_delivered(message.id));
  return Sent::kDelivered;
}

Result<OutboxSender::Sent> OutboxSender::settle_failure(Lane& lane, const OutboxMessage& message,
                                                        const Error& error, EventTime now) {
  const FailureVerdict verdict = verdict_on(error.code);
  if (verdict == FailureVerdict::kCancelled) return Sent::kStop;
  const bool away = verdict == FailureVerdict::kChannelRests;
  const bool dead =
      verdict == FailureVerdict::kDead || (away ? now - message.created_at >= options_.age_max
                                                : message.attempts + 1 >= options_.attempts_max);
  std::chrono::milliseconds wait = backoff(away ? lane.failures : message.attempts);
  if (error.retry_after.count() > 0) {
    wait = std::min<std::chrono::milliseconds>(error.retry_after, std::chrono::hours{1});
  }
  if (away) {
    ++lane.failures;
    lane.rests_until = now + wait;
  }
  log(dead ? LogLevel::kError : LogLevel::kWarning, "alert",
      dead ? "a message cannot be delivered; it is a dead letter now (GET /v1/outbox)"
           : "a message was not delivered and will be tried again",
      {{"channel", message.channel},
       {"dedupe_key", message.dedupe_key},
       {"attempts", message.attempts + 1},
       {"wait_seconds", dead ? 0.0 : static_cast<double>(wait.count()) / 1e3},
       {"error", error.message}});
  record(message.channel, [&](ChannelState& state) {
    ++state.totals.failed;
    state.totals.dead += dead ? 1 : 0;
    state.last_error = error.message;
    if (away) state.rests_until = lane.rests_until;
  });
  if (dead) {
    TRY(outbox_.give_up(message.id, error.message, now));
  } else {
    TRY(outbox_.failed(message.id, error.message, now + wait));
  }
  return Sent::kFailed;
}

void OutboxSender::record(const std::string& channel,
                          const std::function<void(ChannelState&)>& change) {
  const MutexLock lock(mu_);
  change(states_[channel]);
}

Status OutboxSender::mark_delivered(std::uint64_t id) {
  TRY(outbox_.delivered(id));
  sent_unmarked_.erase(id);
  return {};
}

std::chrono::milliseconds OutboxSender::backoff(std::uint32_t failures) {
  const double doubled = static_cast<double>(options_.backoff_first.count()) *
                         static_cast<double>(1ULL << std::min<std::uint32_t>(failures, 40));
  const double bounded = std::min(doubled, static_cast<double>(options_.backoff_max.count()));
  // 53 bits by hand: std::uniform_real_distribution differs between libraries.
  const double unit = static_cast<double>(random_() >> 11) / static_cast<double>(1ULL << 53);
  const double spread = 1 + options_.jitter * (2 * unit - 1);
  return std::chrono::milliseconds{static_cast<std::int64_t>(bounded * spread)};
}

void OutboxSender::start() {
  if (!thread_.joinable()) thread_ = std::jthread([this] { run(); });
}

void OutboxSender::run() {
  name_thread("outbox");
  bool outbox_failed = false;
  for (;;) {
    std::uint64_t round = 0;
    {
      MutexLock lock(mu_);
      if (stopping_) return;
      round = rounds_asked_;
    }
    const Result<StepResult> result = step(clock_.wall_now());
    if (!result && !outbox_failed) {
      log(LogLevel::kError, "alert", "the outbox cannot be used; messages wait in it",
          {{"error", result.error().message}});
    }
    outbox_failed = !result.ok();
    if (result.ok() && result->more_due) continue;
    {
      MutexLock lock(mu_);
      rounds_done_ = std::max(rounds_done_, round);
      const SteadyTime until = clock_.steady_now() + options_.poll_interval;
      idle_.notify_all();
      while (!stopping_ && rounds_asked_ == round) {
        if (!wake_.wait_until(mu_, until)) break;
      }
    }
  }
}

void OutboxSender::notify() {
  {
    MutexLock lock(mu_);
    ++rounds_asked_;
  }
  wake_.notify_one();
}

std::size_t OutboxSender::drain(std::chrono::milliseconds wait_max) {
  const SteadyTime until = clock_.steady_now() + wait_max;
  if (!thread_.joinable()) {
    for (;;) {
      const Result<StepResult> result = step(clock_.wall_now());
      if (!result || !result->more_due || clock_.steady_now() >= until) break;
    }
  } else {
    notify();
    MutexLock lock(mu_);
    const std::uint64_t round = rounds_asked_;
    while (!stopping_ && rounds_done_ < round) {
      if (!idle_.wait_until(mu_, until)) break;
    }
  }
  const Result<std::size_t> left = outbox_.size();
  return left ? *left : 0;
}

void OutboxSender::stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  idle_.notify_all();
  if (!thread_.joinable()) return;
  for (const auto& [name, lane] : lanes_) lane.channel->stop();
  thread_.join();
}

OutboxSender::Totals OutboxSender::totals() const {
  const MutexLock lock(mu_);
  Totals sum;
  for (const auto& [name, state] : states_) {
    sum.delivered += state.totals.delivered;
    sum.failed += state.totals.failed;
    sum.dead += state.totals.dead;
  }
  return sum;
}

std::vector<OutboxSender::ChannelState> OutboxSender::channels() const {
  const MutexLock lock(mu_);
  std::vector<ChannelState> states;
  for (const auto& [name, state] : states_) states.push_back(state);
  return states;
}

}  // namespace tidewatch

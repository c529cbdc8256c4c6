// SPDX-License-Identifier: Apache-2.0
#include "alert/outbox_sender.h"

#include <algorithm>
#include <utility>

#include "core/thread_name.h"
#include "observe/log.h"

namespace tidewatch {
namespace {

bool receiver_is_away(Code code) {
  return code == Code::kUnavailable || code == Code::kDeadlineExceeded;
}

}  // namespace

OutboxSender::OutboxSender(Outbox& outbox, std::vector<std::unique_ptr<Channel>> channels,
                           const Clock& clock, OutboxSenderOptions options)
    : outbox_(outbox), clock_(clock), options_(options), random_(options.seed) {
  for (auto& channel : channels) {
    std::string name(channel->name());
    channels_.emplace(std::move(name), std::move(channel));
  }
}

OutboxSender::~OutboxSender() { stop(); }

Result<OutboxSender::StepResult> OutboxSender::step(EventTime now) {
  TRY_ASSIGN(const std::vector<OutboxMessage> messages, outbox_.due(now, options_.batch_max));
  StepResult result;
  result.more_due = messages.size() >= options_.batch_max;
  for (const OutboxMessage& message : messages) {
    TRY_ASSIGN(const Sent sent, send(message, now));
    if (sent == Sent::kCancelled) {
      result.more_due = false;
      break;
    }
    ++(sent == Sent::kDelivered ? result.delivered : result.failed);
    MutexLock lock(mu_);
    ++(sent == Sent::kDelivered ? totals_.delivered : totals_.failed);
  }
  return result;
}

Result<OutboxSender::Sent> OutboxSender::send(const OutboxMessage& message, EventTime now) {
  if (sent_unmarked_.contains(message.id)) {
    TRY(mark_delivered(message.id));
    return Sent::kDelivered;
  }
  const auto channel = channels_.find(message.channel);
  if (channel == channels_.end()) {
    TRY(outbox_.failed(message.id, "channel '" + message.channel + "' is not configured",
                       now + options_.backoff_max));
    return Sent::kFailed;
  }
  Rest& rest = rests_[message.channel];
  if (now < rest.until) {
    TRY(outbox_.failed(message.id, "held back: " + rest.error, rest.until));
    return Sent::kFailed;
  }
  const Status sent = channel->second->send(message);
  if (sent.ok()) {
    rest = Rest{};
    sent_unmarked_.insert(message.id);
    TRY(mark_delivered(message.id));
    return Sent::kDelivered;
  }
  const Error& error = sent.error();
  if (error.code == Code::kCancelled) return Sent::kCancelled;

  const bool away = receiver_is_away(error.code);
  const auto wait = backoff(away ? rest.failures : message.attempts);
  log(LogLevel::kWarning, "alert", "a message was not delivered and will be tried again",
      {{"channel", message.channel},
       {"dedupe_key", message.dedupe_key},
       {"attempts", message.attempts + 1},
       {"wait_seconds", static_cast<double>(wait.count()) / 1e3},
       {"error", error.message}});
  if (away) {
    ++rest.failures;
    rest.until = now + wait;
    rest.error = error.message;
  }
  TRY(outbox_.failed(message.id, error.message, now + wait));
  return Sent::kFailed;
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
  for (const auto& [name, channel] : channels_) channel->stop();
  thread_.join();
}

OutboxSender::Totals OutboxSender::totals() const {
  MutexLock lock(mu_);
  return totals_;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "alert/channel.h"
#include "alert/outbox.h"
#include "alert/rate_limit.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/result.h"

namespace tidewatch {

struct OutboxSenderOptions {
  std::chrono::milliseconds backoff_first{1'000};
  std::chrono::milliseconds backoff_max{10 * 60'000};
  double jitter = 0.2;         // each wait is spread by this share to either side
  std::uint64_t seed = 1;      // of the jitter
  std::size_t batch_max = 64;  // messages taken from the outbox at once
  std::chrono::milliseconds poll_interval{1'000};  // how often the thread looks without a notify
  std::uint32_t attempts_max = 10;  // of a message that fails though its receiver is there
  std::chrono::hours age_max{72};   // of a message whose receiver is away
};

// What a failed send means for its message and its channel.
enum class FailureVerdict : std::uint8_t { kChannelRests, kTryAgain, kDead, kCancelled };
FailureVerdict verdict_on(Code code) noexcept;

// Takes due messages from the outbox, sends each over the channel it names and marks it delivered.
// At least once: a message leaves the outbox only after its channel took it. A channel whose
// receiver is away rests as a whole, 1 s, 2 s, 4 s … 10 min, or for as long as the receiver asks
// (429 with Retry-After); others go on. What can never be delivered becomes a dead letter: refused
// for good at once, failing with its receiver there after attempts_max, older than age_max with its
// receiver away, or of a channel that is not configured any more. Each channel keeps within its
// limits(). Messages of one channel may arrive out of order after a failure; `updated_at` in the
// body tells the order.
//
// Ownership: the outbox and the clock must outlive the sender; channels are owned by it.
// Threads: step() is for one thread at a time: the tests, or the sender's own thread between
// start() and stop(). notify, drain, stop and totals may be called from any other thread.
// Life cycle: start() once, then drain() if wanted, then stop(); the destructor stops. stop()
// interrupts a blocked send.
class OutboxSender {
 public:
  OutboxSender(Outbox& outbox, std::vector<std::unique_ptr<Channel>> channels, const Clock& clock,
               OutboxSenderOptions options = {});
  ~OutboxSender();
  OutboxSender(const OutboxSender&) = delete;
  OutboxSender& operator=(const OutboxSender&) = delete;

  struct StepResult {
    std::size_t delivered = 0;
    std::size_t failed = 0;  // attempts that failed
    bool more_due = false;   // a batch was full: call again without waiting
  };
  // One round at the wall time `now`. An error is the outbox's own; nothing is lost by it.
  Result<StepResult> step(EventTime now);

  void start();
  void notify();  // something was put into the outbox

  // Waits until nothing is due any more or the time is over; returns how many messages are left in
  // the outbox (they stay there for the next run). Without start() it does the sending itself.
  std::size_t drain(std::chrono::milliseconds wait_max);
  void stop();

  struct Totals {
    std::uint64_t delivered = 0;
    std::uint64_t failed = 0;  // attempts
    std::uint64_t dead = 0;
  };
  Totals totals() const;  // over all channels

  struct ChannelState {
    std::string name;
    std::string kind;
    Totals totals;
    std::optional<EventTime> rests_until;  // its receiver is away, or asked for it
    std::string last_error;                // empty since the last delivery
  };
  std::vector<ChannelState> channels() const;  // by name

 private:
  struct Lane {
    std::unique_ptr<Channel> channel;
    RateLimiter limiter;         // for step()'s thread alone, like the two below
    std::uint32_t failures = 0;  // in a row, with the receiver away
    EventTime rests_until{};
  };
  enum class Sent : std::uint8_t { kDelivered, kFailed, kStop };  // kStop: no more of this channel

  Status step_lane(const std::string& name, Lane& lane, EventTime now, StepResult& result);
  Result<Sent> send(Lane& lane, const OutboxMessage& message, EventTime now);
  Result<Sent> settle_failure(Lane& lane, const OutboxMessage& message, const Error& error,
                              EventTime now);
  void record(const std::string& channel, const std::function<void(ChannelState&)>& change)
      EXCLUDES(mu_);
  Status mark_delivered(std::uint64_t id);
  std::chrono::milliseconds backoff(std::uint32_t failures);
  void run();

  Outbox& outbox_;
  const Clock& clock_;
  const OutboxSenderOptions options_;
  std::map<std::string, Lane, std::less<>> lanes_;  // by channel; the map itself never changes

  // For step()'s thread alone.
  std::mt19937_64 random_;
  bool strangers_gone_ = false;  // messages of channels that are not configured were given up
  std::set<std::uint64_t> sent_unmarked_;  // taken by the channel, but delivered() failed

  mutable Mutex mu_;
  CondVar wake_;
  CondVar idle_;
  bool stopping_ GUARDED_BY(mu_) = false;
  std::uint64_t rounds_asked_ GUARDED_BY(mu_) = 0;  // drain waits for the round it asked for
  std::uint64_t rounds_done_ GUARDED_BY(mu_) = 0;
  std::map<std::string, ChannelState> states_ GUARDED_BY(mu_);
  std::jthread thread_;  // last: stops before the rest goes
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "alert/channel.h"
#include "alert/outbox.h"
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
};

// Takes due messages from the outbox, sends each over the channel it names and marks it delivered.
// At least once: a message leaves the outbox only after its channel took it; one that fails is
// tried again after 1 s, 2 s, 4 s … 10 min, for ever. After a failure that says the receiver is
// away, all due messages of that channel wait for the same time; other channels go on. Messages of
// one channel may arrive out of order after a failure; `updated_at` in the body tells the order.
// A message for a channel that is not configured waits, tried every backoff_max.
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
    std::size_t failed = 0;  // attempts that failed, and messages held back with them
    bool more_due = false;   // the batch was full: call again without waiting
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
    std::uint64_t failed = 0;
  };
  Totals totals() const;

 private:
  // How a channel that cannot reach its receiver waits.
  struct Rest {
    std::uint32_t failures = 0;  // in a row
    EventTime until{};
    std::string error;
  };
  enum class Sent : std::uint8_t { kDelivered, kFailed, kCancelled };

  Result<Sent> send(const OutboxMessage& message, EventTime now);
  Status mark_delivered(std::uint64_t id);
  std::chrono::milliseconds backoff(std::uint32_t failures);
  void run();

  Outbox& outbox_;
  const Clock& clock_;
  const OutboxSenderOptions options_;
  std::map<std::string, std::unique_ptr<Channel>, std::less<>> channels_;

  // For step()'s thread alone.
  std::mt19937_64 random_;
  std::map<std::string, Rest> rests_;      // by channel
  std::set<std::uint64_t> sent_unmarked_;  // taken by the channel, but delivered() failed

  mutable Mutex mu_;
  CondVar wake_;
  CondVar idle_;
  bool stopping_ GUARDED_BY(mu_) = false;
  std::uint64_t rounds_asked_ GUARDED_BY(mu_) = 0;  // drain waits for the round it asked for
  std::uint64_t rounds_done_ GUARDED_BY(mu_) = 0;
  Totals totals_ GUARDED_BY(mu_);
  std::jthread thread_;  // last: stops before the rest goes
};

}  // namespace tidewatch

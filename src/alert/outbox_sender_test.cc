// SPDX-License-Identifier: Apache-2.0
#include "alert/outbox_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>

#include "alert/alert.h"
#include "alert/log_channel.h"
#include "alert/memory_outbox.h"

namespace tidewatch {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::SizeIs;

// Answers with what it was told to, then with success; remembers what it took.
class FakeChannel final : public Channel {
 public:
  struct Record {
    Mutex mu;
    std::vector<std::string> tried GUARDED_BY(mu);  // dedupe keys
    std::vector<std::string> taken GUARDED_BY(mu);
    std::deque<Code> answers GUARDED_BY(mu);
    milliseconds retry_after GUARDED_BY(mu){0};
    std::vector<RateLimit> limits;
    bool blocks GUARDED_BY(mu) = false;  // until stop
    bool stopped GUARDED_BY(mu) = false;
    CondVar change;

    std::vector<std::string> all_taken() {
      MutexLock lock(mu);
      return taken;
    }
    std::size_t tries() {
      MutexLock lock(mu);
      return tried.size();
    }
    void answer(std::initializer_list<Code> codes) {
      MutexLock lock(mu);
      answers.insert(answers.end(), codes);
    }
  };

  FakeChannel(std::string name, Record& record) : name_(std::move(name)), record_(record) {}
  std::string_view name() const override { return name_; }
  Status send(const OutboxMessage& message) override {
    MutexLock lock(record_.mu);
    record_.tried.push_back(message.dedupe_key);
    record_.change.notify_all();
    while (record_.blocks && !record_.stopped) record_.change.wait(record_.mu);
    if (record_.stopped) return Error{Code::kCancelled, "stopped"};
    if (!record_.answers.empty()) {
      const Code code = record_.answers.front();
      record_.answers.pop_front();
      if (code != Code::kOk) {
        const milliseconds wait =
            code == Code::kResourceExhausted ? record_.retry_after : milliseconds{0};
        return Error{code, "told to fail", wait};
      }
    }
    record_.taken.push_back(message.dedupe_key);
    return {};
  }
  std::vector<RateLimit> limits() const override { return record_.limits; }
  void stop() override {
    MutexLock lock(record_.mu);
    record_.stopped = true;
    record_.change.notify_all();
  }

 private:
  const std::string name_;
  Record& record_;
};

OutboxMessage message(const std::string& key, const std::string& channel = "hook") {
  OutboxMessage made;
  made.dedupe_key = key;
  made.channel = channel;
  made.body = "{}";
  return made;
}

class OutboxSenderTest : public ::testing::Test {
 protected:
  OutboxSenderTest() : clock_(EventTime{std::chrono::hours{1}}) { restart(); }

  // A new process over the same outbox.
  void restart(OutboxSenderOptions options = no_jitter()) {
    std::vector<std::unique_ptr<Channel>> channels;
    channels.push_back(std::make_unique<FakeChannel>("hook", hook_));
    channels.push_back(std::make_unique<FakeChannel>("chat", chat_));
    sender_ = std::make_unique<OutboxSender>(outbox_, std::move(channels), clock_, options);
  }
  static OutboxSenderOptions no_jitter() {
    OutboxSenderOptions options;
    options.jitter = 0;
    return options;
  }
  OutboxSender::StepResult step() {
    const auto result = sender_->step(clock_.wall_now());
    EXPECT_TRUE(result.ok());
    return result ? *result : OutboxSender::StepResult{};
  }
  void put(OutboxMessage made) {
    made.created_at = clock_.wall_now();
    ASSERT_TRUE(outbox_.put(made).ok());
  }

  ManualClock clock_;
  MemoryOutbox outbox_;
  FakeChannel::Record hook_;
  FakeChannel::Record chat_;
  std::unique_ptr<OutboxSender> sender_;
};

TEST_F(OutboxSenderTest, DeliversEachMessageOnce) {
  put(message("a"));
  put(message("b", "chat"));
  put(message("a"));
  EXPECT_EQ(step().delivered, 2U);
  EXPECT_EQ(step().delivered, 0U);
  EXPECT_THAT(hook_.all_taken(), ElementsAre("a"));
  EXPECT_THAT(chat_.all_taken(), ElementsAre("b"));
  EXPECT_EQ(*outbox_.size(), 0U);
  put(message("a"));  // told before
  EXPECT_EQ(step().delivered, 0U);
  EXPECT_EQ(sender_->totals().delivered, 2U);
}

TEST_F(OutboxSenderTest, BacksOffExponentiallyUpToTenMinutes) {
  put(message("a"));
  std::vector<std::int64_t> waits;
  EventTime last = clock_.wall_now();
  for (int i = 0; i < 14; ++i) {
    hook_.answer({Code::kUnavailable});
    EXPECT_EQ(step().failed, 1U);
    ASSERT_THAT(outbox_.messages(), SizeIs(1));
    const EventTime next = outbox_.messages()[0].next_attempt_at;
    waits.push_back(std::chrono::duration_cast<std::chrono::seconds>(next - last).count());
    clock_.advance(next - last - milliseconds{1});
    EXPECT_EQ(step().failed, 0U) << "not due yet";
    clock_.advance(milliseconds{1});
    last = clock_.wall_now();
  }
  EXPECT_THAT(waits, ElementsAre(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600));
  EXPECT_EQ(outbox_.messages()[0].last_error, "told to fail");
  EXPECT_EQ(step().delivered, 1U);
  EXPECT_THAT(hook_.all_taken(), ElementsAre("a"));
  EXPECT_EQ(sender_->totals().failed, 14U);
}

TEST_F(OutboxSenderTest, JitterSpreadsTheWaitAndComesFromTheSeed) {
  const auto waits_of = [&](std::uint64_t seed) {
    OutboxSenderOptions options;
    options.seed = seed;
    restart(options);
    std::vector<std::int64_t> waits;
    for (int i = 0; i < 30; ++i) {
      const std::string key =
          std::to_string(seed) + "." + std::to_string(clock_.wall_now().time_since_epoch().count());
      put(message(key));
      hook_.answer({Code::kInternal});
      step();
      const OutboxMessage failed = outbox_.messages().back();
      waits.push_back((failed.next_attempt_at - clock_.wall_now()).count());
      EXPECT_GE(waits.back(), 800);
      EXPECT_LE(waits.back(), 1'200);
      EXPECT_TRUE(outbox_.delivered(failed.id).ok());
      clock_.advance(std::chrono::hours{1});
    }
    return waits;
  };
  const auto first = waits_of(7);
  EXPECT_GT(std::set<std::int64_t>(first.begin(), first.end()).size(), 20U);
  EXPECT_EQ(waits_of(7), first);
  EXPECT_NE(waits_of(8), first);
}

TEST_F(OutboxSenderTest, AChannelWhoseReceiverIsAwayRestsAndOthersGoOn) {
  for (const char* key : {"a", "b", "c"}) put(message(key));
  put(message("x", "chat"));
  hook_.answer({Code::kDeadlineExceeded});
  const auto result = step();
  EXPECT_EQ(hook_.tries(), 1U) << "b and c did not wait for a time-out each";
  EXPECT_EQ(result.failed, 1U);
  EXPECT_THAT(chat_.all_taken(), ElementsAre("x"));
  put(message("d"));  // due at once, but its channel rests
  step();
  EXPECT_EQ(hook_.tries(), 1U);
  clock_.advance(milliseconds{1'000});
  EXPECT_EQ(step().delivered, 4U);
  EXPECT_THAT(hook_.all_taken(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(OutboxSenderTest, AFailedMessageDoesNotHoldUpTheRest) {
  for (const char* key : {"bad", "b", "c"}) put(message(key));
  hook_.answer({Code::kInternal});
  const auto result = step();
  EXPECT_EQ(result.failed, 1U);
  EXPECT_THAT(hook_.all_taken(), ElementsAre("b", "c"));
  clock_.advance(milliseconds{1'000});
  step();
  EXPECT_THAT(hook_.all_taken(), ElementsAre("b", "c", "bad"));
}

TEST_F(OutboxSenderTest, WhatIsRefusedForGoodIsADeadLetterAtOnce) {
  for (const Code code : {Code::kInvalidArgument, Code::kPermissionDenied, Code::kNotFound,
                          Code::kFailedPrecondition}) {
    put(message(std::string(code_name(code))));
    hook_.answer({code});
  }
  put(message("good"));
  EXPECT_EQ(step().failed, 4U);
  EXPECT_THAT(hook_.all_taken(), ElementsAre("good"));
  EXPECT_EQ(*outbox_.size(), 0U);
  ASSERT_THAT(outbox_.messages(), SizeIs(4));
  for (const OutboxMessage& dead : outbox_.messages()) {
    EXPECT_EQ(dead.dead_at, clock_.wall_now());
    EXPECT_EQ(dead.last_error, "told to fail");
    EXPECT_EQ(dead.attempts, 1U);
  }
  clock_.advance(std::chrono::hours{100});
  step();
  EXPECT_EQ(hook_.tries(), 5U) << "never again by itself";
  EXPECT_EQ(sender_->totals().dead, 4U);
  EXPECT_EQ(sender_->channels()[1].last_error, "") << "the delivery after them";
}

TEST_F(OutboxSenderTest, AMessageThatOnlyFailsIsGivenUpAfterTenAttempts) {
  put(message("a"));
  for (int i = 0; i < 10; ++i) {
    hook_.answer({Code::kInternal});
    step();
    clock_.advance(std::chrono::hours{1});
  }
  EXPECT_EQ(*outbox_.size(), 0U);
  ASSERT_THAT(outbox_.messages(), SizeIs(1));
  EXPECT_EQ(outbox_.messages()[0].attempts, 10U);
}

TEST_F(OutboxSenderTest, AReceiverThatIsAwayForThreeDaysIsGivenUp) {
  put(message("a"));
  const EventTime start = clock_.wall_now();
  while (*outbox_.size() > 0) {
    hook_.answer({Code::kUnavailable});
    step();
    clock_.advance(std::chrono::minutes{10});
    ASSERT_LE(clock_.wall_now() - start, std::chrono::hours{73});
  }
  EXPECT_GE(clock_.wall_now() - start, std::chrono::hours{72});
  put(message("b"));
  clock_.advance(std::chrono::minutes{10});
  EXPECT_EQ(step().delivered, 1U) << "what is new is tried";
}

TEST_F(OutboxSenderTest, RestsForAsLongAsTheReceiverAsks) {
  for (const char* key : {"a", "b"}) put(message(key));
  {
    MutexLock lock(hook_.mu);
    hook_.retry_after = milliseconds{37'000};
  }
  hook_.answer({Code::kResourceExhausted});
  EXPECT_EQ(step().failed, 1U);
  EXPECT_EQ(sender_->channels()[1].rests_until, clock_.wall_now() + milliseconds{37'000});
  clock_.advance(milliseconds{36'999});
  EXPECT_EQ(step().delivered, 0U);
  EXPECT_EQ(hook_.tries(), 1U);
  clock_.advance(milliseconds{1});
  EXPECT_EQ(step().delivered, 2U);
  EXPECT_FALSE(sender_->channels()[1].rests_until);
}

TEST_F(OutboxSenderTest, KeepsWithinEveryLimitOfItsChannel) {
  hook_.limits = {{20, std::chrono::minutes{1}}, {2, std::chrono::seconds{1}}};
  restart();
  for (int i = 0; i < 50; ++i) put(message(std::to_string(i)));
  std::vector<EventTime> sent;
  for (int i = 0; i < 2'000 && *outbox_.size() > 0; ++i) {
    sent.insert(sent.end(), step().delivered, clock_.wall_now());
    clock_.advance(milliseconds{100});
  }
  ASSERT_THAT(sent, SizeIs(50));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_TRUE(i < 20 || sent[i] - sent[i - 20] >= std::chrono::minutes{1}) << i;
    EXPECT_TRUE(i < 2 || sent[i] - sent[i - 2] >= std::chrono::seconds{1}) << i;
  }
  // And no slower than that: 20 within 10 s, then the next minute.
  EXPECT_LT(sent[19] - sent[0], std::chrono::seconds{11});
  EXPECT_LT(sent.back() - sent[0], std::chrono::seconds{127});
}

TEST_F(OutboxSenderTest, WhatWaitsForAChannelThatIsGoneIsADeadLetter) {
  put(message("a", "pager"));
  put(message("b"));
  EXPECT_EQ(step().delivered, 1U);
  EXPECT_EQ(*outbox_.size(), 0U);
  ASSERT_THAT(outbox_.messages(), SizeIs(1));
  EXPECT_EQ(outbox_.messages()[0].last_error, "channel 'pager' is not configured");
  EXPECT_TRUE(outbox_.messages()[0].dead_at);
}

TEST_F(OutboxSenderTest, SentButNotMarkedIsNotSentTwiceByTheSameProcess) {
  put(message("a"));
  outbox_.fail_next(MemoryOutbox::Member::kDelivered, 2);
  EXPECT_FALSE(sender_->step(clock_.wall_now()).ok());
  EXPECT_FALSE(sender_->step(clock_.wall_now()).ok());
  EXPECT_EQ(step().delivered, 1U);
  EXPECT_THAT(hook_.all_taken(), ElementsAre("a"));
  EXPECT_EQ(*outbox_.size(), 0U);
}

TEST_F(OutboxSenderTest, ACrashBetweenSendingAndMarkingSendsAgain) {
  put(message("a"));
  outbox_.fail_next(MemoryOutbox::Member::kDelivered, 1);
  EXPECT_FALSE(sender_->step(clock_.wall_now()).ok());
  restart();
  EXPECT_EQ(step().delivered, 1U);
  EXPECT_THAT(hook_.all_taken(), ElementsAre("a", "a")) << "at least once";
  EXPECT_EQ(*outbox_.size(), 0U);
}

TEST_F(OutboxSenderTest, RandomFaultsLoseNothing) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    OutboxSenderOptions options;
    options.seed = seed;
    options.batch_max = 1 + random() % 8;
    options.attempts_max = 1'000;  // nothing is given up here
    options.age_max = std::chrono::hours{100'000};
    restart(options);
    std::set<std::string> wanted;
    for (int i = 0; i < 40; ++i) {
      const std::string key = std::to_string(seed) + "-" + std::to_string(i);
      put(message(key, random() % 2 == 0 ? "hook" : "chat"));
      wanted.insert(key);
    }
    const std::vector<Code> codes{Code::kOk,
                                  Code::kOk,
                                  Code::kUnavailable,
                                  Code::kResourceExhausted,
                                  Code::kDeadlineExceeded,
                                  Code::kInternal};
    for (int i = 0; i < 5'000 && *outbox_.size() > 0; ++i) {
      if (i < 300) {
        (random() % 2 == 0 ? hook_ : chat_).answer({codes[random() % codes.size()]});
        const auto member = static_cast<MemoryOutbox::Member>(random() % 4);
        if (member != MemoryOutbox::Member::kPut) outbox_.fail_next(member, random() % 2);
        if (random() % 20 == 0) restart(options);
      }
      sender_->step(clock_.wall_now()).ignore("faults are injected");
      clock_.advance(milliseconds{static_cast<std::int64_t>(random() % 60'000)});
    }
    EXPECT_EQ(*outbox_.size(), 0U) << "seed " << seed;
    std::set<std::string> taken;
    for (auto* record : {&hook_, &chat_}) {
      for (const std::string& key : record->all_taken()) taken.insert(key);
      MutexLock lock(record->mu);
      record->answers.clear();
      record->taken.clear();
    }
    EXPECT_EQ(taken, wanted) << "seed " << seed;
  }
}

// The thread: real clock, no sleeps; each wait is for something that must happen.
TEST(OutboxSenderThread, SendsWhatIsPutAndDrains) {
  SystemClock clock;
  MemoryOutbox outbox;
  FakeChannel::Record record;
  std::vector<std::unique_ptr<Channel>> channels;
  channels.push_back(std::make_unique<FakeChannel>("hook", record));
  OutboxSenderOptions options;
  options.batch_max = 3;
  options.poll_interval = std::chrono::hours{1};  // only notify wakes it
  OutboxSender sender(outbox, std::move(channels), clock, options);
  sender.start();
  std::vector<std::jthread> putters;
  putters.reserve(4);
  for (int t = 0; t < 4; ++t) {
    putters.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        EXPECT_TRUE(outbox.put(message(std::to_string(t) + "." + std::to_string(i))).ok());
        sender.notify();
      }
    });
  }
  putters.clear();
  EXPECT_EQ(sender.drain(std::chrono::seconds{60}), 0U);
  EXPECT_THAT(record.all_taken(), SizeIs(100));
  EXPECT_EQ(sender.totals().delivered, 100U);
  sender.stop();
  sender.stop();
}

TEST(OutboxSenderThread, StopInterruptsABlockedSendAndKeepsTheMessage) {
  SystemClock clock;
  MemoryOutbox outbox;
  FakeChannel::Record record;
  {
    MutexLock lock(record.mu);
    record.blocks = true;
  }
  std::vector<std::unique_ptr<Channel>> channels;
  channels.push_back(std::make_unique<FakeChannel>("hook", record));
  OutboxSender sender(outbox, std::move(channels), clock, {});
  ASSERT_TRUE(outbox.put(message("a")).ok());
  sender.start();
  {
    MutexLock lock(record.mu);
    while (record.tried.empty()) record.change.wait(record.mu);
  }
  sender.stop();
  EXPECT_THAT(outbox.messages(), SizeIs(1));
  EXPECT_EQ(outbox.messages()[0].attempts, 0U);
}

TEST(OutboxSenderThread, DrainWithoutStartSendsItself) {
  SystemClock clock;
  MemoryOutbox outbox;
  FakeChannel::Record record;
  std::vector<std::unique_ptr<Channel>> channels;
  channels.push_back(std::make_unique<FakeChannel>("hook", record));
  OutboxSender sender(outbox, std::move(channels), clock, {});
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(outbox.put(message(std::to_string(i))).ok());
  EXPECT_EQ(sender.drain(std::chrono::seconds{60}), 0U);
  EXPECT_THAT(record.all_taken(), SizeIs(200));
}

TEST(MemoryOutbox, RefusesWhenFullAndKeepsWhatItHas) {
  MemoryOutbox outbox(2);
  EXPECT_TRUE(outbox.put(message("a")).ok());
  EXPECT_TRUE(outbox.put(message("b")).ok());
  EXPECT_TRUE(outbox.put(message("a")).ok()) << "known already";
  EXPECT_EQ(outbox.put(message("c")).error().code, Code::kResourceExhausted);
  EXPECT_EQ(*outbox.size(), 2U);
}

TEST(MemoryOutbox, TakesBackHeldMessagesAboutTheSame) {
  MemoryOutbox outbox;
  const auto held = [](const std::string& key, bool is_held) {
    OutboxMessage made = message(key);
    made.collapse_key = "al_1";
    made.held = is_held;
    made.next_attempt_at = EventTime{std::chrono::hours{is_held ? 9 : 0}};
    return made;
  };
  ASSERT_TRUE(outbox.put(held("opened", true)).ok());
  ASSERT_TRUE(outbox.put(held("updated", true)).ok());
  ASSERT_THAT(outbox.messages(), SizeIs(1));
  EXPECT_EQ(outbox.messages()[0].dedupe_key, "updated");
  ASSERT_TRUE(outbox.put(held("critical", false)).ok());
  ASSERT_TRUE(outbox.put(held("closed", true)).ok());
  ASSERT_THAT(outbox.messages(), SizeIs(2)) << "one that is not held stays";
}

TEST(LogChannel, WritesOneLineWithTheAlert) {
  Alert alert;
  alert.id = "al_0123456789abcdef";
  alert.severity = "critical";
  alert.title = "财经:讨论量升至 3 倍\n假的一行";
  alert.evidence = {"p1", "p2", "p3"};
  OutboxMessage sent = message("k", "log");
  sent.body = to_json(alert, AlertEvent::kOpened);
  LogChannel channel;
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(channel.send(sent).ok());
  sent.body = "not an alert";
  EXPECT_TRUE(channel.send(sent).ok());
  const std::string lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2) << lines;
  for (const char* part : {"alert opened", "al_0123456789abcdef", "财经:讨论量升至 3 倍",
                           "p1 p2 p3", "not an alert"}) {
    EXPECT_NE(lines.find(part), std::string::npos) << part << " in " << lines;
  }
}

}  // namespace
}  // namespace tidewatch

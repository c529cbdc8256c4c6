// SPDX-License-Identifier: Apache-2.0
#include "app/alert_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/rfc3339.h"

namespace tidewatch {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Over a real store, with a clock that moves only when told to.
class AlertDeskTest : public ::testing::Test {
 protected:
  AlertDeskTest() {
    std::string name = (std::filesystem::temp_directory_path() / "tidewatch-desk-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    duty_.name = "duty";
    duty_.channels = {"chat"};
    duty_.time_zone = *TimeZone::parse("+08:00");
  }
  ~AlertDeskTest() override {
    desk_.reset();
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

  void start(std::size_t outbox_max = 100) {
    desk_.reset();
    store_.reset();
    StoreOptions options;
    options.dir = dir_;
    options.background = false;
    options.outbox_messages_max = outbox_max;
    auto store = Store::open(options, clock_);
    ASSERT_TRUE(store.ok()) << store.error().message;
    store_ = *std::move(store);
    AlertDesk::Options desk;
    desk.subscribers = {duty_};
    desk.public_url = "https://tw.example";
    desk_ = std::make_unique<AlertDesk>(desk, clock_, *store_, [this](const AlertUpdate& update) {
      told_.push_back(std::string(event_name(update.event)) + " " + update.alert.state);
    });
    ASSERT_TRUE(desk_->restore().ok());
  }

  Alert alert(std::string severity = "warning") const {
    Alert made;
    made.id = "al_1";
    made.key = "finance@*";
    made.topic = "finance";
    made.region = "*";
    made.kind = "volume";
    made.severity = std::move(severity);
    made.state = "open";
    made.updated_at = clock_.wall_now();
    return made;
  }
  void write(AlertEvent event, std::string severity = "warning") {
    AlertUpdate update{alert(std::move(severity)), event};
    if (event == AlertEvent::kClosed) {
      update.alert.state = "closed";
      update.alert.closed_at = clock_.wall_now();
    }
    const Status written = desk_->write(update);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  // "event severity" of what the channel would send now.
  std::vector<std::string> due(const std::string& channel = "chat") {
    std::vector<std::string> due;
    const auto messages = store_->due(clock_.wall_now(), channel, 100);
    for (const OutboxMessage& message : messages.value()) {
      const auto body = nlohmann::json::parse(message.body);
      due.push_back(body["event"].get<std::string>() + " " + body["severity"].get<std::string>());
      EXPECT_EQ(body["link"], "https://tw.example/#/alerts/al_1");
    }
    return due;
  }
  std::vector<std::string> actions() {
    std::vector<std::string> actions;
    const auto history = store_->history("al_1");
    for (const AlertHistoryEntry& entry : history.value()) actions.push_back(entry.action);
    return actions;
  }

  ManualClock clock_{*parse_rfc3339("2026-11-25T12:00:00Z")};  // 20:00 at the desk
  std::filesystem::path dir_;
  Subscriber duty_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<AlertDesk> desk_;
  std::vector<std::string> told_;
};

TEST_F(AlertDeskTest, QuietHoursEndWithOneMessageOfTheLatestState) {
  duty_.quiet_hours = {{22 * 60, 7 * 60}};
  start();
  clock_.advance(hours{3});  // 23:00
  write(AlertEvent::kOpened);
  clock_.advance(minutes{5});
  write(AlertEvent::kUpdated);
  start();  // a restart in the night changes nothing
  clock_.advance(minutes{5});
  write(AlertEvent::kClosed);
  EXPECT_THAT(due(), IsEmpty());
  EXPECT_EQ(*store_->size(), 1U);
  clock_.advance(hours{8});  // 07:10
  EXPECT_THAT(due(), ElementsAre("closed warning"));
}

TEST_F(AlertDeskTest, WhatBecomesGraveInTheNightIsToldAtOnce) {
  duty_.quiet_hours = {{22 * 60, 7 * 60}};
  start();
  clock_.advance(hours{3});
  write(AlertEvent::kOpened);
  clock_.advance(minutes{5});
  write(AlertEvent::kUpdated, "critical");
  EXPECT_THAT(due(), ElementsAre("updated critical"));
  EXPECT_EQ(*store_->size(), 1U) << "the held one is taken back";
}

TEST_F(AlertDeskTest, EscalatesStepByStepOverARestart) {
  duty_.escalation = {{minutes{10}, {"phone"}}, {minutes{30}, {"boss"}}};
  start();
  write(AlertEvent::kOpened);
  clock_.advance(minutes{9});
  EXPECT_EQ(*desk_->escalate_due(clock_.wall_now()), 0U);
  start();
  clock_.advance(minutes{1});
  EXPECT_EQ(*desk_->escalate_due(clock_.wall_now()), 1U);
  EXPECT_EQ(*desk_->escalate_due(clock_.wall_now()), 0U);
  EXPECT_THAT(due("phone"), ElementsAre("escalated warning"));
  EXPECT_EQ(store_->alert("al_1").value()->state, "escalated");
  start();
  clock_.advance(minutes{20});
  EXPECT_EQ(*desk_->escalate_due(clock_.wall_now()), 1U);
  EXPECT_THAT(due("boss"), ElementsAre("escalated warning"));
  EXPECT_THAT(actions(), ElementsAre("opened", "escalated", "escalated"));
  EXPECT_EQ(told_.back(), "escalated escalated");
}

TEST_F(AlertDeskTest, AcknowledgedInTimeIsNotEscalated) {
  duty_.escalation = {{minutes{10}, {"phone"}}};
  start();
  write(AlertEvent::kOpened);
  ASSERT_TRUE(desk_->act("al_1", {AlertEvent::kAcknowledged, "li", "", {}}).ok());
  clock_.advance(hours{1});
  EXPECT_EQ(*desk_->escalate_due(clock_.wall_now()), 0U);
  // Taken back: somebody must look at it after all.
  ASSERT_TRUE(desk_->act("al_1", {AlertEvent::kReopened, "li", "", {}}).ok());
  EXPECT_EQ(*desk_->escalate_due(clock_.wall_now()), 1U);
}

TEST_F(AlertDeskTest, APersonEscalatesToTheNextStepThenToEverybody) {
  duty_.escalation = {{minutes{10}, {"phone"}}};
  start();
  write(AlertEvent::kOpened);
  const AlertAction escalate{AlertEvent::kEscalated, "li", "help", {}};
  ASSERT_TRUE(desk_->act("al_1", escalate).ok());
  EXPECT_THAT(due("phone"), ElementsAre("escalated warning"));
  EXPECT_THAT(due(), ElementsAre("opened warning"));
  clock_.advance(minutes{1});
  ASSERT_TRUE(desk_->act("al_1", escalate).ok());
  EXPECT_THAT(due("phone"), ElementsAre("escalated warning"));
  EXPECT_THAT(due(), ElementsAre("opened warning", "escalated warning"));
  EXPECT_EQ(desk_->act("al_2", escalate).error().code, Code::kNotFound);
}

TEST_F(AlertDeskTest, MutedAndResolvedAlertsAreKeptButNotSent) {
  start();
  write(AlertEvent::kOpened);
  ASSERT_TRUE(desk_->act("al_1", {AlertEvent::kMuted, "li", "", minutes{30}}).ok());
  clock_.advance(minutes{5});
  write(AlertEvent::kUpdated);
  ASSERT_TRUE(desk_->act("al_1", {AlertEvent::kUnmuted, "li", "", {}}).ok());
  ASSERT_TRUE(desk_->act("al_1", {AlertEvent::kResolved, "li", "", {}}).ok());
  clock_.advance(minutes{5});
  write(AlertEvent::kUpdated);
  EXPECT_THAT(due(), ElementsAre("opened warning"));
  EXPECT_EQ(store_->alert("al_1").value()->updated_at, clock_.wall_now());
  clock_.advance(minutes{5});
  write(AlertEvent::kUpdated, "critical");  // it opens again by itself
  EXPECT_THAT(due(), ElementsAre("opened warning", "updated critical"));
  EXPECT_EQ(store_->alert("al_1").value()->state, "open");
  EXPECT_EQ(actions().back(), "reopened");
}

TEST_F(AlertDeskTest, AFullOutboxHidesNoAlert) {
  start(0);
  write(AlertEvent::kOpened);
  EXPECT_EQ(store_->alert("al_1").value()->state, "open");
  EXPECT_THAT(told_, ElementsAre("opened open"));
  EXPECT_EQ(*store_->size(), 0U);
  // It was not told, so the next news is told as if it were the first.
  start(100);
  clock_.advance(minutes{5});
  write(AlertEvent::kUpdated);
  EXPECT_THAT(due(), ElementsAre("updated warning"));
}

TEST_F(AlertDeskTest, AFullOutboxMakesNoEscalationTwice) {
  duty_.escalation = {{minutes{10}, {"phone"}}};
  start(1);
  write(AlertEvent::kOpened);  // takes the only place
  clock_.advance(minutes{10});
  EXPECT_EQ(*desk_->escalate_due(clock_.wall_now()), 1U);
  clock_.advance(minutes{1});
  EXPECT_EQ(*desk_->escalate_due(clock_.wall_now()), 0U);
  EXPECT_THAT(actions(), ElementsAre("opened", "escalated"));
  EXPECT_EQ(store_->alert("al_1").value()->state, "escalated");
}

TEST_F(AlertDeskTest, TheSameNewsTwiceIsOneMessage) {
  start();
  write(AlertEvent::kOpened);
  write(AlertEvent::kOpened);
  EXPECT_EQ(*store_->size(), 1U);
}

}  // namespace
}  // namespace tidewatch

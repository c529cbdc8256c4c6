// SPDX-License-Identifier: Apache-2.0
#include "alert/life_cycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidewatch {
namespace {

using ::testing::HasSubstr;

constexpr EventTime kNow{std::chrono::seconds{1'000}};

Alert alert_in(std::string state, std::string severity = "warning") {
  Alert alert;
  alert.id = "al_1";
  alert.state = std::move(state);
  alert.severity = std::move(severity);
  if (alert.state == "closed") alert.closed_at = kNow;
  return alert;
}

TEST(LifeCycle, MovesAsPeopleSay) {
  struct Case {
    const char* from;
    AlertEvent event;
    const char* to;  // "": refused; the same as from: nothing happens
  };
  using E = AlertEvent;
  const Case cases[] = {
      {"open", E::kAcknowledged, "acknowledged"},
      {"open", E::kEscalated, "escalated"},
      {"open", E::kResolved, "resolved"},
      {"open", E::kReopened, "open"},
      {"escalated", E::kAcknowledged, "acknowledged"},
      {"escalated", E::kReopened, "open"},
      {"acknowledged", E::kAcknowledged, "acknowledged"},
      {"acknowledged", E::kEscalated, "escalated"},
      {"acknowledged", E::kReopened, "open"},
      {"resolved", E::kReopened, "open"},
      {"resolved", E::kAcknowledged, "resolved"},
      {"resolved", E::kEscalated, ""},
      {"resolved", E::kResolved, "resolved"},
      {"closed", E::kAcknowledged, "closed"},
      {"closed", E::kResolved, "resolved"},
      {"closed", E::kReopened, ""},
      {"closed", E::kEscalated, ""},
      {"closed", E::kMuted, ""},
      {"open", E::kOpened, ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.from) + " " + std::string(event_name(c.event)));
    Alert alert = alert_in(c.from);
    const auto entry =
        apply({.event = c.event, .by = "li", .note = "why", .mute = {}}, kNow, alert);
    const std::string to = c.to;
    ASSERT_EQ(entry.ok(), !to.empty());
    EXPECT_EQ(alert.state, to.empty() ? c.from : to);
    if (!entry.ok()) continue;
    ASSERT_EQ(entry->has_value(), to != c.from || c.event == E::kMuted);
    if (!*entry) continue;
    EXPECT_EQ((*entry)->by, "li");
    EXPECT_EQ((*entry)->note, "why");
    EXPECT_EQ((*entry)->state, to);
    EXPECT_EQ((*entry)->at, kNow);
    EXPECT_EQ((*entry)->action, event_name(c.event));
  }
}

TEST(LifeCycle, MutesForATime) {
  Alert alert = alert_in("acknowledged");
  const auto muted =
      apply({.event = AlertEvent::kMuted, .by = "li", .note = "", .mute = std::chrono::minutes{5}},
            kNow, alert);
  ASSERT_TRUE(muted.ok() && *muted);
  EXPECT_EQ(alert.muted_until, kNow + std::chrono::minutes{5});
  EXPECT_EQ(alert.state, "acknowledged");
  const auto again = apply({AlertEvent::kUnmuted, "li", "", {}}, kNow, alert);
  ASSERT_TRUE(again.ok() && *again);
  EXPECT_FALSE(alert.muted_until);
}

TEST(LifeCycle, StreamKeepsWhatPeopleSaid) {
  struct Case {
    const char* before;  // "": new
    const char* severity_before;
    AlertEvent event;
    const char* severity;
    const char* state;
    const char* action;  // of the entry; "": none
  };
  using E = AlertEvent;
  const Case cases[] = {
      {"", "", E::kOpened, "warning", "open", "opened"},
      {"open", "info", E::kUpdated, "critical", "open", ""},
      {"acknowledged", "info", E::kUpdated, "critical", "acknowledged", ""},
      {"escalated", "info", E::kUpdated, "info", "escalated", ""},
      {"acknowledged", "info", E::kClosed, "info", "closed", "closed"},
      {"resolved", "warning", E::kUpdated, "warning", "resolved", ""},
      {"resolved", "warning", E::kUpdated, "critical", "open", "reopened"},
      {"resolved", "warning", E::kClosed, "warning", "resolved", "closed"},
      {"closed", "warning", E::kUpdated, "warning", "open", "reopened"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.before) + " " + std::string(event_name(c.event)));
    std::optional<Alert> before;
    if (*c.before != '\0') {
      before = alert_in(c.before, c.severity_before);
      before->muted_until = kNow;
    }
    Alert alert = alert_in("open", c.severity);
    const auto entry = carry_state(before, c.event, kNow, alert);
    EXPECT_EQ(alert.state, c.state);
    EXPECT_EQ(entry ? entry->action : "", c.action);
    EXPECT_EQ(alert.muted_until.has_value(), before.has_value());
    EXPECT_EQ(entry ? entry->by : kEngineName, kEngineName);
  }
}

TEST(LifeCycle, ReadsRequests) {
  const auto empty = parse_action(AlertEvent::kMuted, " ");
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->mute, std::chrono::minutes{60});
  EXPECT_EQ(empty->by, "unnamed");
  const auto whole = parse_action(AlertEvent::kResolved, R"({"by":"李","note":"辟谣"})");
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->by, "李");
  EXPECT_EQ(whole->note, "辟谣");
  EXPECT_EQ(parse_action(AlertEvent::kMuted, R"({"minutes":0})")->event, AlertEvent::kUnmuted);
  struct Case {
    AlertEvent event;
    std::string body;
    const char* why;
  };
  const Case wrong[] = {
      {AlertEvent::kResolved, "[]", "JSON object"},
      {AlertEvent::kResolved, "{", "JSON object"},
      {AlertEvent::kResolved, R"({"by":3})", "'by'"},
      {AlertEvent::kResolved, R"({"note":")" + std::string(1'001, 'x') + "\"}", "'note'"},
      {AlertEvent::kMuted, R"({"minutes":10081})", "'minutes'"},
      {AlertEvent::kMuted, R"({"minutes":-1})", "'minutes'"},
      {AlertEvent::kResolved, R"({"minutes":1})", "'minutes'"},
      {AlertEvent::kMuted, R"({"minute":5})", "'minute' is not known here"},
  };
  for (const Case& c : wrong) {
    const auto action = parse_action(c.event, c.body);
    ASSERT_FALSE(action.ok()) << c.body;
    EXPECT_THAT(action.error().message, HasSubstr(c.why));
  }
}

}  // namespace
}  // namespace tidewatch

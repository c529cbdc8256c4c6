// SPDX-License-Identifier: Apache-2.0
#include "alert/alert.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidewatch {
namespace {

EventTime at(std::int64_t milliseconds) {
  return EventTime{std::chrono::milliseconds{milliseconds}};
}

Alert full_alert() {
  Alert alert;
  alert.id = "al_0123456789abcdef";
  alert.key = "finance@广东";
  alert.topic = "finance";
  alert.region = "广东";
  alert.kind = "negative";
  alert.severity = "warning";
  alert.state = "closed";
  alert.title = "财经 · 广东:\"引号\" \\ 😀";
  alert.onset_at = at(1'700'000'000'000);
  alert.opened_at = at(1'700'000'060'000);
  alert.updated_at = at(1'700'000'120'500);
  alert.closed_at = at(1'700'000'180'000);
  alert.from_rate = 0.2;
  alert.to_rate = 0.7;
  alert.score = 3.1;
  alert.posts = 120;
  alert.authors = 98;
  alert.texts = 77;
  alert.emotions = {{"sad", 0.6}, {"angry", 0.2}};  // order is not alphabetical: it must survive
  alert.terms = {"退款", "#315#"};
  alert.evidence = {"id1", "id2", "id3"};
  return alert;
}

void expect_equal(const Alert& a, const Alert& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.topic, b.topic);
  EXPECT_EQ(a.region, b.region);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.severity, b.severity);
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.title, b.title);
  EXPECT_EQ(a.onset_at, b.onset_at);
  EXPECT_EQ(a.opened_at, b.opened_at);
  EXPECT_EQ(a.updated_at, b.updated_at);
  EXPECT_EQ(a.closed_at, b.closed_at);
  EXPECT_EQ(a.from_rate, b.from_rate);
  EXPECT_EQ(a.to_rate, b.to_rate);
  EXPECT_EQ(a.score, b.score);
  EXPECT_EQ(a.posts, b.posts);
  EXPECT_EQ(a.authors, b.authors);
  EXPECT_EQ(a.texts, b.texts);
  EXPECT_EQ(a.emotions, b.emotions);
  EXPECT_EQ(a.terms, b.terms);
  EXPECT_EQ(a.evidence, b.evidence);
}

TEST(AlertJson, RoundTripsEveryMember) {
  for (const bool closed : {true, false}) {
    Alert alert = full_alert();
    if (!closed) alert.closed_at.reset();
    for (const std::string& json : {to_json(alert), to_json(alert, AlertEvent::kUpdated)}) {
      const Result<Alert> back = alert_from_json(json);
      ASSERT_TRUE(back.ok()) << back.error().message;
      expect_equal(*back, alert);
    }
  }
}

TEST(AlertJson, HasTheShapeOfTheApi) {
  Alert alert = full_alert();
  alert.closed_at.reset();
  const auto json = nlohmann::json::parse(to_json(alert, AlertEvent::kOpened));
  EXPECT_EQ(json.size(), 29U);
  EXPECT_EQ(json["event"], "opened");
  EXPECT_TRUE(json["closed_at"].is_null());
  EXPECT_EQ(json["updated_at"], "2023-11-14T22:15:20.500Z");
  EXPECT_EQ(json["emotions"]["sad"], 0.6);
  EXPECT_FALSE(nlohmann::json::parse(to_json(alert)).contains("event"));
}

TEST(AlertJson, InvalidUtf8BecomesTheReplacementCharacter) {
  Alert alert = full_alert();
  alert.title =
      "a\xFF"
      "b\xE4\xB8";
  const std::string json = to_json(alert);
  const Result<Alert> back = alert_from_json(json);
  ASSERT_TRUE(back.ok()) << json;
  EXPECT_EQ(back->title, "a\uFFFDb\uFFFD");
}

TEST(AlertJson, NamesTheMemberAtFault) {
  const struct {
    const char* member;
    nlohmann::json value;  // discarded: leave the member out
  } cases[] = {
      {"id", nlohmann::json::value_t::discarded},
      {"id", 5},
      {"opened_at", "yesterday"},
      {"opened_at", 5},
      {"closed_at", "never"},
      {"from_rate", "0.2"},
      {"posts", -1},
      {"posts", 1.5},
      {"emotions", nlohmann::json::array()},
      {"emotions", {{"sad", "much"}}},
      {"terms", "退款"},
      {"evidence", {1, 2}},
  };
  for (const auto& c : cases) {
    auto json = nlohmann::json::parse(to_json(full_alert()));
    if (c.value.is_discarded()) {
      json.erase(c.member);
    } else {
      json[c.member] = c.value;
    }
    const Result<Alert> back = alert_from_json(json.dump());
    ASSERT_FALSE(back.ok()) << c.member;
    EXPECT_EQ(back.error().code, Code::kInvalidArgument);
    EXPECT_NE(back.error().message.find(c.member), std::string::npos) << back.error().message;
  }
  for (const char* text : {"", "[]", "{", "{}x", "null"}) {
    EXPECT_FALSE(alert_from_json(text).ok()) << text;
  }
}

TEST(AlertDedupeKey, DiffersByEventRevisionAndChannel) {
  const Alert alert = full_alert();
  Alert later = alert;
  later.updated_at += std::chrono::milliseconds{1};
  const std::string key = alert_dedupe_key(alert, AlertEvent::kUpdated, "webhook");
  EXPECT_EQ(key, "al_0123456789abcdef:updated:1700000120500:webhook");
  EXPECT_NE(key, alert_dedupe_key(alert, AlertEvent::kClosed, "webhook"));
  EXPECT_NE(key, alert_dedupe_key(alert, AlertEvent::kUpdated, "log"));
  EXPECT_NE(key, alert_dedupe_key(later, AlertEvent::kUpdated, "webhook"));
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "alert/subscriber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/rfc3339.h"

namespace tidewatch {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using E = AlertEvent;

EventTime at(const char* time) { return parse_rfc3339(time).value(); }

const EventTime kNoon = at("2026-11-25T04:00:00Z");  // 12:00 in Shanghai

Alert alert_of(std::string id = "al_1", std::string severity = "warning") {
  Alert alert;
  alert.id = std::move(id);
  alert.key = "finance@广东";
  alert.topic = "finance";
  alert.region = "广东";
  alert.kind = "negative";
  alert.severity = std::move(severity);
  alert.state = "open";
  return alert;
}

// Follows one subscriber through news of alerts, as the desk does.
class Follower {
 public:
  explicit Follower(Subscriber subscriber) : subscriber_(std::move(subscriber)) {}

  Verdict hear(const Alert& alert, AlertEvent event, EventTime now) {
    Verdict verdict = decide(subscriber_, alert, event, known_, now);
    if (verdict.telling) {
      std::erase_if(known_, [&](const Telling& t) { return t.alert_id == alert.id; });
      known_.push_back(*verdict.telling);
    }
    return verdict;
  }
  const Telling& telling(const std::string& id) const {
    return *std::find_if(known_.begin(), known_.end(),
                         [&](const Telling& t) { return t.alert_id == id; });
  }

 private:
  const Subscriber subscriber_;
  std::vector<Telling> known_;
};

Alert closed(Alert alert) {
  alert.closed_at = kNoon;
  alert.state = "closed";
  return alert;
}

TEST(Subscriber, WantsWhatItsRulesSay) {
  struct Case {
    const char* name;
    Subscriber subscriber;
    bool wanted;
  };
  const auto with = [](auto set) {
    Subscriber subscriber;
    set(subscriber);
    return subscriber;
  };
  const Case cases[] = {
      {"everything", {}, true},
      {"graver", with([](Subscriber& s) { s.severity_min = Severity::kCritical; }), false},
      {"as grave", with([](Subscriber& s) { s.severity_min = Severity::kWarning; }), true},
      {"kind", with([](Subscriber& s) { s.kinds = {"negative"}; }), true},
      {"other kind", with([](Subscriber& s) { s.kinds = {"volume"}; }), false},
      {"topic", with([](Subscriber& s) { s.topics = {"car", "finance"}; }), true},
      {"other topic", with([](Subscriber& s) { s.topics = {"car"}; }), false},
      {"region", with([](Subscriber& s) { s.regions = {"广东"}; }), true},
      {"longer name", with([](Subscriber& s) { s.regions = {"广"}; }), false},
      {"topic, not region", with([](Subscriber& s) {
         s.topics = {"finance"};
         s.regions = {"北京"};
       }),
       false},
      {"key", with([](Subscriber& s) { s.keys = {"finance@广东"}; }), true},
      {"other key", with([](Subscriber& s) { s.keys = {"#高考#"}; }), false},
      {"key beside topics", with([](Subscriber& s) {
         s.topics = {"car"};
         s.keys = {"finance@广东"};
       }),
       true},
  };
  for (const Case& c : cases) EXPECT_EQ(wants(c.subscriber, alert_of()), c.wanted) << c.name;
  Alert city = alert_of();
  city.region = "广东 深圳";
  EXPECT_TRUE(wants(with([](Subscriber& s) { s.regions = {"广东"}; }), city));
}

TEST(Subscriber, IsToldOfTheWholeLifeOfAnAlert) {
  Follower follower{{}};
  EXPECT_TRUE(follower.hear(alert_of(), E::kOpened, kNoon).tell);
  EXPECT_TRUE(follower.hear(alert_of(), E::kUpdated, kNoon + seconds{60}).tell);
  EXPECT_TRUE(follower.hear(closed(alert_of()), E::kClosed, kNoon + minutes{9}).tell);
  // Not of what people do, unless it asks for it.
  EXPECT_EQ(follower.hear(alert_of(), E::kAcknowledged, kNoon).reason, "not subscribed");
  Subscriber curious;
  curious.events.insert(E::kAcknowledged);
  Follower second(curious);
  EXPECT_EQ(second.hear(alert_of(), E::kAcknowledged, kNoon).reason, "never told");
  EXPECT_TRUE(second.hear(alert_of(), E::kOpened, kNoon).tell);
  EXPECT_TRUE(second.hear(alert_of(), E::kAcknowledged, kNoon).tell);
}

TEST(Subscriber, HearsOfAnAlertOnceItIsGraveEnough) {
  Subscriber subscriber;
  subscriber.severity_min = Severity::kWarning;
  Follower follower(subscriber);
  EXPECT_FALSE(follower.hear(alert_of("al_1", "info"), E::kOpened, kNoon).telling);
  EXPECT_TRUE(follower.hear(alert_of(), E::kUpdated, kNoon + seconds{60}).tell);
  // What it was told of it goes on hearing of, whatever leads it now.
  Alert other = alert_of();
  other.severity = "info";
  EXPECT_TRUE(follower.hear(closed(other), E::kClosed, kNoon + minutes{9}).tell);
}

TEST(Subscriber, MutedAndResolvedAlertsAreSilent) {
  Follower follower{{}};
  Alert alert = alert_of();
  EXPECT_TRUE(follower.hear(alert, E::kOpened, kNoon).tell);
  alert.muted_until = kNoon + minutes{5};
  EXPECT_EQ(follower.hear(alert, E::kUpdated, kNoon + minutes{4}).reason, "muted");
  EXPECT_TRUE(follower.hear(alert, E::kUpdated, kNoon + minutes{5}).tell);
  alert.state = "resolved";
  EXPECT_EQ(follower.hear(alert, E::kUpdated, kNoon + minutes{6}).reason, "resolved");
  EXPECT_EQ(follower.hear(closed(alert), E::kClosed, kNoon + minutes{7}).tell, true);
}

TEST(Subscriber, CooldownIsByKeyAndPassedByWhatIsGraver) {
  Subscriber subscriber;
  subscriber.cooldown = minutes{30};
  Follower follower(subscriber);
  EXPECT_TRUE(follower.hear(alert_of("al_1"), E::kOpened, kNoon).tell);
  EXPECT_EQ(follower.hear(alert_of("al_2"), E::kOpened, kNoon + minutes{29}).reason, "cooldown");
  EXPECT_EQ(follower.hear(closed(alert_of("al_2")), E::kClosed, kNoon + minutes{29}).reason,
            "never told");
  EXPECT_TRUE(follower.hear(alert_of("al_3", "critical"), E::kOpened, kNoon + minutes{29}).tell);
  // The one that was kept back is told when it goes on beyond the cooldown.
  EXPECT_EQ(follower.hear(alert_of("al_4"), E::kOpened, kNoon + minutes{31}).reason, "cooldown");
  EXPECT_TRUE(follower.hear(alert_of("al_4"), E::kUpdated, kNoon + minutes{60}).tell);
}

TEST(Subscriber, UpdatesComeNoFasterThanWanted) {
  Subscriber subscriber;
  subscriber.update_interval = minutes{10};
  Follower follower(subscriber);
  EXPECT_TRUE(follower.hear(alert_of(), E::kOpened, kNoon).tell);
  EXPECT_EQ(follower.hear(alert_of(), E::kUpdated, kNoon + minutes{9}).reason, "update interval");
  EXPECT_TRUE(follower.hear(alert_of("al_1", "critical"), E::kUpdated, kNoon + minutes{9}).tell);
  EXPECT_TRUE(follower.hear(alert_of(), E::kUpdated, kNoon + minutes{19}).tell);
  EXPECT_TRUE(follower.hear(closed(alert_of()), E::kClosed, kNoon + minutes{20}).tell);
}

TEST(Subscriber, FlappingKeysAreQuietUntilTheyAreCalm) {
  Subscriber subscriber;
  subscriber.flap_openings_max = 2;
  subscriber.flap_window = minutes{60};
  Follower follower(subscriber);
  EXPECT_TRUE(follower.hear(alert_of(), E::kOpened, kNoon).tell);
  EXPECT_TRUE(follower.hear(closed(alert_of()), E::kClosed, kNoon + minutes{5}).tell);
  // The same alert, continued: the second opening says that it is the last one for now.
  const Verdict last = follower.hear(alert_of(), E::kUpdated, kNoon + minutes{10});
  EXPECT_TRUE(last.tell);
  EXPECT_THAT(last.note, HasSubstr("2 times within 60 min"));
  EXPECT_TRUE(follower.hear(closed(alert_of()), E::kClosed, kNoon + minutes{12}).tell);
  // Another alert of the key counts too; so does its closing, quietly.
  EXPECT_EQ(follower.hear(alert_of("al_2"), E::kOpened, kNoon + minutes{30}).reason, "flapping");
  EXPECT_EQ(follower.hear(closed(alert_of("al_2")), E::kClosed, kNoon + minutes{31}).tell, false);
  // An hour after the first opening there are two again.
  EXPECT_TRUE(follower.hear(alert_of("al_3"), E::kOpened, kNoon + minutes{71}).tell);
}

TEST(Subscriber, QuietHoursHoldBackUntilTheyEnd) {
  Subscriber subscriber;
  subscriber.time_zone = *TimeZone::parse("Asia/Shanghai");
  subscriber.quiet_hours = {{22 * 60, 7 * 60}, {7 * 60, 8 * 60 + 30}};
  struct Case {
    const char* now;
    const char* severity;
    const char* until;  // "": told at once
  };
  const Case cases[] = {
      {"2026-11-25T13:59:59Z", "warning", ""},                      // 21:59:59
      {"2026-11-25T14:00:00Z", "warning", "2026-11-26T00:30:00Z"},  // 22:00 to 08:30, two ranges
      {"2026-11-25T23:15:00Z", "info", "2026-11-26T00:30:00Z"},     // 07:15
      {"2026-11-26T00:30:00Z", "info", ""},                         // 08:30
      {"2026-11-25T18:00:00Z", "critical", ""},                     // 02:00, but critical
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.now);
    Follower follower(subscriber);
    const Verdict verdict = follower.hear(alert_of("al_1", c.severity), E::kOpened, at(c.now));
    EXPECT_TRUE(verdict.tell);
    EXPECT_EQ(to_rfc3339(verdict.not_before), to_rfc3339(at(*c.until == '\0' ? c.now : c.until)));
  }
}

TEST(Subscriber, QuietAllDayIsStillBounded) {
  Subscriber subscriber;
  subscriber.quiet_hours = {{0, 12 * 60}, {12 * 60, 0}};
  const auto until = quiet_until(subscriber, Severity::kInfo, kNoon);
  ASSERT_TRUE(until);
  EXPECT_LE(*until - kNoon, hours{48});
}

TEST(Subscriber, EscalatesWhatNobodyAcknowledges) {
  Subscriber subscriber;
  subscriber.escalation = {{minutes{10}, {"phone"}}, {minutes{30}, {"boss"}}};
  Alert alert = alert_of();
  Telling telling;
  telling.alert_id = alert.id;
  EXPECT_FALSE(next_escalation(subscriber, alert, telling, kNoon + hours{1}));  // never told
  telling.first_at = kNoon;
  EXPECT_FALSE(next_escalation(subscriber, alert, telling, kNoon + minutes{10} - seconds{1}));
  EXPECT_EQ(next_escalation(subscriber, alert, telling, kNoon + minutes{10}), 0U);
  telling.escalations = 1;
  alert.state = "escalated";
  EXPECT_FALSE(next_escalation(subscriber, alert, telling, kNoon + minutes{29}));
  EXPECT_EQ(next_escalation(subscriber, alert, telling, kNoon + minutes{30}), 1U);
  telling.escalations = 2;
  EXPECT_FALSE(next_escalation(subscriber, alert, telling, kNoon + hours{9}));
  telling.escalations = 0;
  for (const char* state : {"acknowledged", "resolved", "closed"}) {
    alert.state = state;
    EXPECT_FALSE(next_escalation(subscriber, alert, telling, kNoon + hours{1})) << state;
  }
  alert.state = "open";
  alert.muted_until = kNoon + hours{2};
  EXPECT_FALSE(next_escalation(subscriber, alert, telling, kNoon + hours{1}));
  EXPECT_EQ(next_escalation(subscriber, alert, telling, kNoon + hours{2}), 0U);
  subscriber.quiet_hours = {{4 * 60, 8 * 60}};  // 04:00 to 08:00 UTC
  EXPECT_FALSE(next_escalation(subscriber, alert, telling, kNoon + hours{3}));
  EXPECT_EQ(next_escalation(subscriber, alert, telling, kNoon + hours{4}), 0U);
}

TEST(TimeZone, ReadsNamesAndOffsets) {
  EXPECT_EQ(TimeZone::parse("Asia/Shanghai")->minute_of_day(kNoon), 12 * 60);
  EXPECT_EQ(TimeZone::parse("+08:00")->minute_of_day(kNoon), 12 * 60);
  EXPECT_EQ(TimeZone::parse("-03:30")->minute_of_day(kNoon), 30);
  EXPECT_EQ(TimeZone().minute_of_day(kNoon), 4 * 60);
  for (const char* wrong : {"", "+8", "+08:60", "Asia/Nowhere", "../etc/passwd"}) {
    const auto zone = TimeZone::parse(wrong);
    ASSERT_FALSE(zone.ok()) << wrong;
    EXPECT_THAT(zone.error().message, HasSubstr("Asia/Shanghai"));
  }
  // Over the change of the clock in Berlin, 25 October 2026 at 01:00 UTC.
  const TimeZone berlin = *TimeZone::parse("Europe/Berlin");
  EXPECT_EQ(to_rfc3339(berlin.next(at("2026-10-24T20:00:00Z"), 7 * 60)),
            to_rfc3339(at("2026-10-25T06:00:00Z")));
}

TEST(Subscriber, TakesAllRulesByOneKey) {
  Subscriber subscriber;
  subscriber.topics = {"car"};
  subscriber.keys = {"rule:*"};
  Alert alert = alert_of();
  EXPECT_FALSE(wants(subscriber, alert));
  alert.key = "rule:退款潮";
  alert.topic = alert.region = "*";
  EXPECT_TRUE(wants(subscriber, alert));
  alert.key = "kw:退款";
  EXPECT_FALSE(wants(subscriber, alert));
  alert.key = "*@*";
  EXPECT_FALSE(wants(subscriber, alert));
}

TEST(Subscriber, AMisspeltTopicIsToldWithTheNearestOne) {
  const std::vector<std::string> topics{"car", "finance", "tech"};
  Subscriber subscriber;
  subscriber.name = "desk";
  subscriber.topics = {"*", "tech"};
  EXPECT_TRUE(check_topics(std::span{&subscriber, 1}, topics));
  subscriber.topics = {"finanse"};
  const Status misspelt = check_topics(std::span{&subscriber, 1}, topics);
  ASSERT_FALSE(misspelt);
  for (const char* part :
       {"'desk'", "'finanse'", "did you mean 'finance'?", "car, finance, tech"}) {
    EXPECT_THAT(misspelt.error().message, HasSubstr(part));
  }
  subscriber.topics = {"财经新闻"};
  EXPECT_THAT(check_topics(std::span{&subscriber, 1}, topics).error().message,
              Not(HasSubstr("did you mean")));
}

}  // namespace
}  // namespace tidewatch

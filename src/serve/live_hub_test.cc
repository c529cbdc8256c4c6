// SPDX-License-Identifier: Apache-2.0
#include "serve/live_hub.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace tidewatch {
namespace {

std::vector<std::string> texts(const std::vector<LiveFrame>& frames) {
  std::vector<std::string> out;
  for (const LiveFrame& frame : frames) out.push_back(*frame);
  return out;
}

std::vector<std::string> all(LiveClient& client) { return texts(client.take(100'000)); }

TEST(LiveEvent, IsServerSentEventsFormat) {
  EXPECT_EQ(format_live_event("stats", "", "{}"), "event: stats\ndata: {}\n\n");
  EXPECT_EQ(format_live_event("alert", "al_1:2", "{}"), "id: al_1:2\nevent: alert\ndata: {}\n\n");
  EXPECT_EQ(format_live_event("a\nb", "i\r\nd", "1\n2\r\n3\r"),
            "id: id\nevent: ab\ndata: 1\ndata: 2\ndata: 3\ndata: \n\n");
}

TEST(LiveHub, TellsEveryClientAndWakesOnce) {
  LiveHub hub(10);
  int wakes = 0;
  const auto a = hub.subscribe("", [&] { ++wakes; });
  const auto b = hub.subscribe("", [] {});
  EXPECT_EQ(hub.clients(), 2u);
  hub.publish("stats", "", "1");
  hub.publish("stats", "", "2");
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(all(*a).size(), 2u);
  EXPECT_EQ(all(*b).size(), 2u);
  EXPECT_TRUE(all(*a).empty());
  hub.publish("stats", "", "3");
  EXPECT_EQ(wakes, 2);
  hub.unsubscribe(a);
  hub.publish("stats", "", "4");
  EXPECT_EQ(all(*a).size(), 1u);
  EXPECT_EQ(hub.clients(), 1u);
}

TEST(LiveHub, ResumesAfterTheLastEvent) {
  LiveHub hub(10);
  for (int i = 0; i < 5; ++i) {
    hub.publish("alert", "id" + std::to_string(i), std::to_string(i));
    hub.publish("stats", "", "s");
  }
  struct Case {
    const char* last;
    std::size_t count;
  };
  for (const Case& c :
       {Case{"", 0}, Case{"id4", 0}, Case{"id3", 1}, Case{"id0", 4}, Case{"forgotten", 5}}) {
    const auto client = hub.subscribe(c.last, [] {});
    const auto events = all(*client);
    ASSERT_EQ(events.size(), c.count) << c.last;
    if (c.count > 0) {
      EXPECT_EQ(events.back(), "id: id4\nevent: alert\ndata: 4\n\n");
    }
    hub.publish("stats", "", "later");
    EXPECT_EQ(all(*client).size(), 1u);
    hub.unsubscribe(client);
  }
}

TEST(LiveHub, RemembersABoundedNumber) {
  LiveHub hub(10);
  for (int i = 0; i < 1500; ++i) hub.publish("alert", "id" + std::to_string(i), "x");
  const auto client = hub.subscribe("id0", [] {});
  // New alerts come before the old ones are sent: none is lost, and the client is not cut off.
  for (int i = 0; i < 200; ++i) hub.publish("alert", "new" + std::to_string(i), "x");
  const auto events = all(*client);
  ASSERT_EQ(events.size(), LiveHub::kResumeMax + 200);
  EXPECT_EQ(events.front(), "id: id500\nevent: alert\ndata: x\n\n");
  EXPECT_FALSE(client->ended());
}

TEST(LiveClient, DropsTheOldestOfWhatCannotBeResumed) {
  LiveHub hub(10);
  const auto client = hub.subscribe("", [] {});
  hub.publish("alert", "first", "x");
  for (int i = 0; i < 1000; ++i) hub.publish("stats", "", std::to_string(i));
  hub.publish("alert", "last", "x");
  const auto events = all(*client);
  ASSERT_EQ(events.size(), LiveClient::kEventsMax);
  EXPECT_EQ(events.front(), "id: first\nevent: alert\ndata: x\n\n");
  EXPECT_EQ(events.back(), "id: last\nevent: alert\ndata: x\n\n");
  EXPECT_EQ(events[1], "event: stats\ndata: 746\n\n");
  EXPECT_FALSE(client->ended());
}

TEST(LiveClient, EndsWhenAlertsAloneOverflowIt) {
  LiveHub hub(10);
  int wakes = 0;
  const auto slow = hub.subscribe("", [&] { ++wakes; });
  const auto quick = hub.subscribe("", [] {});
  std::size_t seen = 0;
  for (int i = 0; i < 300; ++i) {
    hub.publish("alert", "id" + std::to_string(i), "x");
    seen += all(*quick).size();
  }
  EXPECT_EQ(seen, 300u);
  EXPECT_FALSE(quick->ended());
  EXPECT_TRUE(slow->ended());
  EXPECT_EQ(wakes, 2);
  const auto events = all(*slow);
  ASSERT_EQ(events.size(), LiveClient::kEventsMax);
  EXPECT_EQ(events.back(), "id: id255\nevent: alert\ndata: x\n\n");
  // It comes back with the last id it saw and misses nothing.
  const auto again = hub.subscribe("id255", [] {});
  EXPECT_EQ(all(*again).size(), 44u);
}

TEST(LiveClient, StatsNeverPushOutAlerts) {
  LiveHub hub(10);
  const auto client = hub.subscribe("", [] {});
  for (std::size_t i = 0; i < LiveClient::kEventsMax; ++i) hub.publish("alert", "id", "x");
  hub.publish("stats", "", "s");
  EXPECT_FALSE(client->ended());
  for (const auto& event : all(*client)) EXPECT_TRUE(event.starts_with("id: ")) << event;
}

TEST(LiveHub, BoundsItsClientsAndCloses) {
  LiveHub hub(2);
  int wakes = 0;
  const auto a = hub.subscribe("", [&] { ++wakes; });
  const auto b = hub.subscribe("", [&] { ++wakes; });
  EXPECT_EQ(hub.subscribe("", [] {}), nullptr);
  hub.unsubscribe(b);
  EXPECT_NE(hub.subscribe("", [&] { ++wakes; }), nullptr);
  hub.close();
  EXPECT_EQ(wakes, 2);
  EXPECT_TRUE(a->ended());
  hub.publish("alert", "id", "x");
  EXPECT_TRUE(all(*a).empty());
  hub.unsubscribe(a);
  EXPECT_EQ(hub.subscribe("", [] {}), nullptr);
}

TEST(LiveHub, TakesPublishersAndClientsAtOnce) {
  LiveHub hub(100);
  std::atomic<int> received{0};
  const auto reader = hub.subscribe("", [] {});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&hub] {
        for (int i = 0; i < 2000; ++i) hub.publish("stats", "", "x");
      });
    }
    threads.emplace_back([&hub] {
      for (int i = 0; i < 200; ++i) hub.unsubscribe(hub.subscribe("x", [] {}));
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) received += static_cast<int>(all(*reader).size());
    });
  }
  received += static_cast<int>(all(*reader).size());
  EXPECT_GT(received, 0);
  EXPECT_LE(received, 4000);
  EXPECT_EQ(hub.clients(), 1u);
}

}  // namespace
}  // namespace tidewatch

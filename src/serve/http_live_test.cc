// SPDX-License-Identifier: Apache-2.0
// GET /v1/live, and stopping the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "serve/testing/server_fixture.h"

namespace tidewatch {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing_support::HttpAnswer;
using testing_support::HttpClient;

class HttpLive : public testing_support::ServerTest {
 protected:
  // Opens a stream and waits until it is subscribed.
  std::unique_ptr<HttpClient> open(std::string_view headers = {}) {
    auto client = std::make_unique<HttpClient>(server->port());
    client->send("GET /v1/live HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n" +
                 std::string(headers) + "\r\n");
    const std::string head = client->read_until("\r\n\r\n");
    EXPECT_THAT(head, HasSubstr("HTTP/1.1 200 OK"));
    EXPECT_THAT(head, HasSubstr("Content-Type: text/event-stream"));
    EXPECT_THAT(head, HasSubstr("Cache-Control: no-store"));
    EXPECT_EQ(client->read_until("\n\n"), "retry: 2000\n\n");
    return client;
  }
  void wait_for_clients(double count) {
    while (metrics.live_clients().value() != count) std::this_thread::yield();
  }
};

TEST_F(HttpLive, StreamsEvents) {
  start();
  const auto a = open();
  const auto b = open();
  EXPECT_EQ(metrics.live_clients().value(), 2);
  server->live().publish("stats", "", R"({"posts_per_second":1})");
  server->live().publish("alert", "al_1:1", R"({"id":"al_1"})");
  for (const auto& client : {a.get(), b.get()}) {
    EXPECT_EQ(client->read_until("\n\n"), "event: stats\ndata: {\"posts_per_second\":1}\n\n");
    EXPECT_EQ(client->read_until("\n\n"), "id: al_1:1\nevent: alert\ndata: {\"id\":\"al_1\"}\n\n");
  }
}

TEST_F(HttpLive, ResumesAfterTheLastEventSeen) {
  start();
  for (int i = 0; i < 10; ++i) {
    server->live().publish("alert", "e" + std::to_string(i), std::to_string(i));
  }
  const auto client = open("Last-Event-ID: e7\r\n");
  EXPECT_THAT(client->read_until("\n\n"), HasSubstr("id: e8\n"));
  EXPECT_THAT(client->read_until("\n\n"), HasSubstr("id: e9\n"));
  server->live().publish("alert", "e10", "10");
  EXPECT_THAT(client->read_until("\n\n"), HasSubstr("id: e10\n"));
}

TEST_F(HttpLive, KeepsAQuietStreamOpen) {
  options.live_heartbeat = 5ms;
  options.idle_timeout = 20ms;  // of requests; a stream has none
  start();
  const auto client = open();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client->read_until("\n\n"), ": still here\n\n");
  server->live().publish("stats", "", "1");
  std::string event;
  while (!event.starts_with("event")) event = client->read_until("\n\n");
  EXPECT_EQ(event, "event: stats\ndata: 1\n\n");
}

TEST_F(HttpLive, NoticesThatAClientHasGone) {
  start();
  {
    const auto client = open();
    EXPECT_EQ(metrics.live_clients().value(), 1);
  }
  wait_for_clients(0);
  open()->reset();
  wait_for_clients(0);
}

TEST_F(HttpLive, ASlowClientHoldsUpNobodyAndLosesOldStatsFirst) {
  start();
  const auto slow = open();
  const auto quick = open();
  // More than the kernel's buffers and the client's own hold: 50 MB of stats, 100 alerts.
  const std::string big(50'000, 's');
  for (int alert = 0; alert < 100; ++alert) {
    for (int i = 0; i < 10; ++i) server->live().publish("stats", "", big);
    server->live().publish("alert", "e" + std::to_string(alert), "x");
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(quick->read_until("\n\n").starts_with("event: stats\n"));
    }
    EXPECT_TRUE(quick->read_until("\n\n").starts_with("id: e" + std::to_string(alert) + "\n"));
  }
  int stats = 0;
  for (int alerts = 0; alerts < 100;) {
    const std::string event = slow->read_until("\n\n");
    ASSERT_TRUE(event.ends_with("\n\n"));
    if (event.starts_with("event: stats")) {
      ++stats;
    } else {
      EXPECT_TRUE(event.starts_with("id: e" + std::to_string(alerts++) + "\n"));
    }
  }
  EXPECT_LT(stats, 1000);
  EXPECT_GT(stats, 0);
}

TEST_F(HttpLive, CutsAClientThatAlertsAloneOverflowAndItResumes) {
  start();
  auto slow = open();
  const auto quick = open();
  const std::string big(100'000, 'a');
  for (int i = 0; i < 800; ++i) {
    server->live().publish("alert", "e" + std::to_string(i), big);
    EXPECT_TRUE(quick->read_until("\n\n").starts_with("id: e" + std::to_string(i) + "\n"));
  }
  int next = 0;
  const auto read_on = [&next](HttpClient& client) {
    while (next < 800) {
      const std::string event = client.read_until("\n\n");
      if (!event.ends_with("\n\n")) return;
      EXPECT_TRUE(event.starts_with("id: e" + std::to_string(next) + "\n"));
      ++next;
    }
  };
  read_on(*slow);
  EXPECT_GT(next, 0);
  EXPECT_LT(next, 800);
  wait_for_clients(1);
  slow = open("Last-Event-ID: e" + std::to_string(next - 1) + "\r\n");
  read_on(*slow);
  EXPECT_EQ(next, 800);
}

TEST_F(HttpLive, BoundsItsClients) {
  options.live_clients_max = 1;
  start();
  auto first = open();
  const HttpAnswer refused = request("GET", "/v1/live");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "5");
  first.reset();
  wait_for_clients(0);
  open();
}

TEST_F(HttpLive, AnswersHeadAndRefusesOtherTypes) {
  start();
  EXPECT_EQ(request("HEAD", "/v1/live").header("content-type"), "text/event-stream");
  EXPECT_EQ(request("GET", "/v1/live", "", "Accept: application/json\r\n").status, 406);
  EXPECT_EQ(metrics.live_clients().value(), 0);
}

class HttpStop : public HttpLive {};

TEST_F(HttpStop, EndsIdleConnectionsAndStreamsAtOnce) {
  start();
  HttpClient idle(server->port());
  idle.request("GET", "/healthz");
  HttpClient fresh(server->port());
  fresh.request("GET", "/healthz");
  const auto stream = open();
  server->stop();
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(fresh.closed());
  EXPECT_TRUE(stream->closed());
  EXPECT_EQ(metrics.live_clients().value(), 0);
  EXPECT_EQ(metrics.http_connections().value(), 0);
  server->live().publish("stats", "", "nobody hears it");
  server->stop();
}

TEST_F(HttpStop, LetsAnswersUnderWayFinish) {
  std::latch asked(1);
  std::latch released(1);
  engine.on_query = [&] {
    asked.count_down();
    released.wait();
  };
  engine.hold_done = true;
  start();
  HttpClient query(server->port());
  query.send("GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
  HttpClient ingest(server->port());
  ingest.send("POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{}\n");
  HttpClient idle(server->port());
  idle.request("GET", "/healthz");
  asked.wait();
  engine.ingested(1);
  std::jthread stopper([this] { server->stop(); });
  EXPECT_TRUE(idle.closed());  // so stop() is under way
  released.count_down();
  engine.release_done(1);
  const HttpAnswer answered = query.read_answer();
  EXPECT_EQ(answered.status, 200);
  EXPECT_EQ(answered.header("connection"), "close");
  EXPECT_EQ(ingest.read_answer().status, 200);
}

TEST_F(HttpStop, CutsWhatDoesNotFinish) {
  options.stop_grace = 30ms;
  start();
  HttpClient body(server->port());
  body.send("POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{}\n");
  HttpClient head(server->port());
  head.send("GET /healthz HT");
  while (engine.bytes_fed() < 3 || metrics.http_connections().value() < 2) {
    std::this_thread::yield();
  }
  server->stop();
  EXPECT_EQ(body.read_answer().status, 0);
  EXPECT_EQ(head.read_answer().status, 0);
  EXPECT_FALSE(engine.ingested(1)[0].arrived_whole);  // what had come was kept
  EXPECT_EQ(metrics.http_connections().value(), 0);
}

TEST_F(HttpStop, StopsUnderLoad) {
  options.io_threads = 2;
  start();
  std::atomic<bool> go_on{true};
  std::atomic<int> answered{0};
  {
    // Connected before anything stops.
    std::vector<std::unique_ptr<HttpClient>> connected;
    for (int t = 0; t < 4; ++t) {
      connected.push_back(std::make_unique<HttpClient>(server->port()));
    }
    std::vector<std::jthread> clients;
    for (int t = 0; t < 4; ++t) {
      clients.emplace_back([&, t] {
        HttpClient& client = *connected[static_cast<std::size_t>(t)];
        while (go_on) {
          const HttpAnswer answer = t % 2 == 0 ? client.request("GET", "/v1/stats")
                                               : client.request("POST", "/v1/posts", "{}\n{}\n");
          if (answer.status != 200) break;
          ++answered;
        }
      });
    }
    clients.emplace_back([&] {
      while (go_on) server->live().publish("alert", "x", "y");
    });
    const auto stream = open();
    while (answered < 100) std::this_thread::yield();
    server->stop();
    go_on = false;
  }
  EXPECT_EQ(metrics.http_connections().value(), 0);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
// What clients may do wrong on the wire, and keep-alive and pipelining.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "serve/testing/server_fixture.h"

namespace tidewatch {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing_support::HttpAnswer;
using testing_support::HttpClient;

class HttpProtocol : public testing_support::ServerTest {
 protected:
  void expect_alive() { EXPECT_EQ(request("GET", "/healthz").status, 200); }
};

TEST_F(HttpProtocol, AnswersGarbageAndCloses) {
  start();
  struct Case {
    const char* name;
    std::string bytes;
    int status;
  };
  const std::string host = "Host: localhost\r\n";
  const std::string chunked =
      "POST /v1/posts HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n";
  const std::string post = "POST /v1/posts HTTP/1.1\r\n" + host;
  const Case cases[] = {
      {"no request line", "\r\n\r\n", 400},
      {"words", "hello there\r\n\r\n", 400},
      {"no version", "GET /\r\n" + host + "\r\n", 400},
      {"a blank in the path", "GET /a b HTTP/1.1\r\n" + host + "\r\n", 400},
      {"a control character", "GET /\x01 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"HTTP/3.7", "GET / HTTP/3.7\r\n" + host + "\r\n", 505},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + "\r\n\r\n", 400},
      {"a header without a colon", "GET / HTTP/1.1\r\n" + host + "oops\r\n\r\n", 400},
      {"a blank before the colon", "GET / HTTP/1.1\r\n" + host + "a : b\r\n\r\n", 400},
      {"bare line feeds", "GET / HTTP/1.1\nHost: localhost\n\n\r\n\r\n", 400},
      {"a NUL in a header", "GET / HTTP/1.1\r\n" + host + "a: " + std::string(1, '\0') + "\r\n\r\n",
       400},
      {"a length that is no number", post + "Content-Length: ten\r\n\r\n", 400},
      {"a negative length", post + "Content-Length: -1\r\n\r\n", 400},
      {"a length past 64 bits", post + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"two lengths", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400},
      {"length and chunks", chunked + "Content-Length: 3\r\n\r\n0\r\n\r\n", 400},
      {"an unknown transfer coding", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
       501},
      {"a chunk size that is no number", chunked + "\r\nxyz\r\nabc\r\n", 400},
      {"a chunk size past 64 bits", chunked + "\r\nfffffffffffffffff\r\nabc\r\n", 400},
      {"a negative chunk size", chunked + "\r\n-3\r\nabc\r\n", 400},
      {"a chunk longer than it says", chunked + "\r\n1\r\n{}\n\r\n0\r\n\r\n", 400},
      {"a header that is too long",
       "GET / HTTP/1.1\r\n" + host + "a: " + std::string(20'000, 'a') + "\r\n\r\n", 431},
      {"too many headers",
       [&] {
         std::string bytes = "GET / HTTP/1.1\r\n" + host;
         for (int i = 0; i < 5000; ++i) bytes += "a: b\r\n";
         return bytes + "\r\n";
       }(),
       431},
      {"a path that is too long",
       "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 431},
      {"a line that never ends", std::string(100'000, 'a'), 431},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    HttpClient client(server->port());
    client.send(c.bytes);
    const HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, c.status) << answer.body;
    EXPECT_EQ(answer.header("connection"), "close");
    EXPECT_EQ(answer.header("content-type"), "application/problem+json");
    EXPECT_THAT(answer.body, HasSubstr("\"status\":" + std::to_string(c.status)));
    client.shutdown_write();
    EXPECT_TRUE(client.closed());
  }
  expect_alive();
}

TEST_F(HttpProtocol, SurvivesRandomBytes) {
  start();
  std::mt19937_64 random(5);
  const std::string seed =
      "POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
      "Content-Encoding: gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /v1/stats HTTP/1.1\r\nHost: "
      "x\r\n\r\n";
  for (int round = 0; round < 400; ++round) {
    std::string bytes = seed;
    for (std::uint64_t flips = random() % 6; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(1 + random() % bytes.size());
    HttpClient client(server->port());
    client.send(bytes);
    client.shutdown_write();
    while (client.read_answer().status != 0) {
    }
  }
  expect_alive();
}

TEST_F(HttpProtocol, KeepsConnectionsAsTold) {
  start();
  HttpClient client(server->port());
  for (int i = 0; i < 5; ++i) {
    const HttpAnswer answer = client.request("GET", "/healthz");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("connection"), "keep-alive");
  }
  EXPECT_EQ(client.request("GET", "/healthz", "", "Connection: close\r\n").header("connection"),
            "close");
  EXPECT_TRUE(client.closed());

  HttpClient old(server->port());
  old.send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.read_answer().header("connection"), "close");
  EXPECT_TRUE(old.closed());

  HttpClient old_keeper(server->port());
  old_keeper.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(old_keeper.read_answer().header("connection"), "keep-alive");
  old_keeper.send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old_keeper.read_answer().status, 200);
}

TEST_F(HttpProtocol, AnswersPipelinedRequestsInOrder) {
  start();
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes += "GET /v1/posts/" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    bytes += "POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{}\n";
  }
  HttpClient client(server->port());
  client.send(bytes);
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(client.read_answer().body, HasSubstr("\"" + std::to_string(i) + "\""));
    EXPECT_THAT(client.read_answer().body, HasSubstr("\"accepted\":1"));
  }
}

TEST_F(HttpProtocol, AnswersByteByByteAndHalfClosedClients) {
  start();
  HttpClient client(server->port());
  for (const char c : std::string("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")) {
    client.send(std::string_view(&c, 1));
  }
  EXPECT_EQ(client.read_answer().status, 200);

  HttpClient half(server->port());
  half.send("GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
  half.shutdown_write();
  EXPECT_EQ(half.read_answer().status, 200);
  EXPECT_TRUE(half.closed());

  HttpClient silent(server->port());
  silent.shutdown_write();
  EXPECT_TRUE(silent.closed());

  HttpClient partial(server->port());
  partial.send("GET /v1/st");
  partial.shutdown_write();
  EXPECT_TRUE(partial.closed());
}

TEST_F(HttpProtocol, TakesABodyThatNobodyAskedFor) {
  start();
  HttpClient client(server->port());
  const HttpAnswer answer = client.request("GET", "/healthz", "unwanted");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("connection"), "close");  // it was not read
  client.shutdown_write();
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpProtocol, TimesOutSlowClients) {
  options.header_timeout = 50ms;
  options.idle_timeout = 50ms;
  start();
  HttpClient header(server->port());
  header.send("GET /healthz HTTP/1.1\r\nHos");
  EXPECT_EQ(header.read_answer().status, 408);
  header.shutdown_write();
  EXPECT_TRUE(header.closed());

  HttpClient body(server->port());
  body.send("POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(body.read_answer().status, 408);

  HttpClient idle(server->port());
  EXPECT_TRUE(idle.closed());  // without a word: nothing was asked

  HttpClient kept(server->port());
  kept.request("GET", "/healthz");
  EXPECT_TRUE(kept.closed());
}

TEST_F(HttpProtocol, DripFedHeadersDoNotHoldAConnection) {
  options.header_timeout = 60ms;
  options.live_heartbeat = 5ms;
  start();
  HttpClient metronome(server->port());
  metronome.send("GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
  HttpClient client(server->port());
  client.send("GET /healthz HTTP/1.1\r\n");
  // A header every few milliseconds: each comes in time, all of them together do not.
  int sent = 0;
  while (metrics.route("other").requests(408).value() == 0) {
    ASSERT_LT(++sent, 1000);
    metronome.read_until("still here\n\n");
    client.send("a: b\r\n");
  }
  EXPECT_GT(sent, 2);
  EXPECT_EQ(client.read_answer().status, 408);
}

TEST_F(HttpProtocol, TurnsAwayTooManyConnections) {
  options.connections_max = 2;
  start();
  HttpClient a(server->port());
  HttpClient b(server->port());
  EXPECT_EQ(a.request("GET", "/healthz").status, 200);
  EXPECT_EQ(b.request("GET", "/healthz").status, 200);
  HttpClient c(server->port());
  const HttpAnswer refused = c.read_answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_EQ(a.request("GET", "/healthz", "", "Connection: close\r\n").status, 200);
  EXPECT_TRUE(a.closed());
  while (metrics.http_connections().value() > 1) std::this_thread::yield();
  EXPECT_EQ(request("GET", "/healthz").status, 200);
}

TEST_F(HttpProtocol, ServesManyConnectionsAtOnce) {
  options.io_threads = 2;
  start();
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 64; ++i) clients.push_back(std::make_unique<HttpClient>(server->port()));
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) {
      clients[i]->send(
          i % 2 == 0 ? "GET /v1/posts/" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
                     : "POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n"
                       "\r\n{}\n{}\n");
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const HttpAnswer answer = clients[i]->read_answer();
      // Half of them ask for a query each, which is the most that may wait.
      EXPECT_TRUE(answer.status == 200) << answer.body;
      EXPECT_THAT(answer.body, HasSubstr(i % 2 == 0 ? "\"" + std::to_string(i) + "\""
                                                    : std::string("\"accepted\":2")));
    }
  }
}

}  // namespace
}  // namespace tidewatch

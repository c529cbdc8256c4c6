// SPDX-License-Identifier: Apache-2.0
// POST /v1/posts: streaming, back-pressure, codings, and clients that vanish.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <nlohmann/json.hpp>
#include <thread>

#include "serve/testing/compress.h"
#include "serve/testing/server_fixture.h"

namespace tidewatch {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing_support::FakeEngine;
using testing_support::HttpAnswer;
using testing_support::HttpClient;

class HttpIngest : public testing_support::ServerTest {
 protected:
  static json parse(const HttpAnswer& answer) { return json::parse(answer.body, nullptr, false); }
  static std::string chunk(std::string_view bytes) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return size + std::string(bytes) + "\r\n";
  }
  static std::string lines(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += "{\"text\":\"观潮 " + std::to_string(i) + "\"}\n";
    return out;
  }
  static constexpr const char* kChunkedHead =
      "POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
};

TEST_F(HttpIngest, AnswersForEveryLine) {
  start();
  struct Case {
    const char* name;
    std::string body;
    int status;
    int accepted;
    int rejected;
  };
  const Case cases[] = {
      {"nothing", "", 200, 0, 0},
      {"one without a line end", "{}", 200, 1, 0},
      {"some", "{}\nbad\n{}\n", 200, 2, 1},
      {"blank lines", "\n\n{}\n\n", 200, 1, 0},
      {"all bad", "bad\nworse\n", 400, 0, 2},
  };
  HttpClient client(server->port());
  std::size_t sessions = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const HttpAnswer answer =
        client.request("POST", "/v1/posts", c.body, "Content-Type: application/x-ndjson\r\n");
    EXPECT_EQ(answer.status, c.status);
    EXPECT_EQ(answer.header("connection"), "keep-alive");
    EXPECT_EQ(parse(answer)["accepted"], c.accepted);
    EXPECT_EQ(parse(answer)["rejected"], c.rejected);
    EXPECT_EQ(parse(answer)["errors"].size(), static_cast<std::size_t>(c.rejected));
    const auto ingested = engine.ingested(++sessions);
    EXPECT_EQ(ingested.back().bytes, c.body);
    EXPECT_TRUE(ingested.back().arrived_whole);
  }
}

TEST_F(HttpIngest, ReadsEveryCoding) {
  start();
  const std::string body = lines(5000);
  struct Case {
    const char* coding;
    std::string bytes;
  };
  const Case cases[] = {{"identity", body},
                        {"gzip", testing_support::gzip(body)},
                        {"zstd", testing_support::zstd(body)}};
  std::size_t sessions = 0;
  HttpClient client(server->port());
  for (const Case& c : cases) {
    for (const std::size_t piece : {std::size_t{100}, c.bytes.size()}) {
      SCOPED_TRACE(std::string(c.coding) + " in chunks of " + std::to_string(piece));
      std::string request = "POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: " +
                            std::string(c.coding) + "\r\nTransfer-Encoding: chunked\r\n\r\n";
      for (std::size_t at = 0; at < c.bytes.size(); at += piece) {
        request += chunk(std::string_view(c.bytes).substr(at, piece));
      }
      request += "0\r\nTrailer-Field: ignored\r\n\r\n";
      client.send(request);
      const HttpAnswer answer = client.read_answer();
      EXPECT_EQ(answer.status, 200) << answer.body;
      EXPECT_EQ(parse(answer)["accepted"], 5000);
      EXPECT_EQ(engine.ingested(++sessions).back().bytes, body);
    }
  }
}

TEST_F(HttpIngest, TakesPostsBeforeTheBodyEnds) {
  start();
  HttpClient client(server->port());
  client.send(kChunkedHead);
  client.send(chunk("{\"text\":\"a\"}\n"));
  while (engine.bytes_fed() < 13) std::this_thread::yield();
  client.send(chunk("{\"text\":\"b\"}\n"));
  while (engine.bytes_fed() < 26) std::this_thread::yield();
  client.send("0\r\n\r\n");
  EXPECT_EQ(parse(client.read_answer())["accepted"], 2);
}

TEST_F(HttpIngest, AnswersOnlyWhenPostsAreOnDisk) {
  engine.hold_done = true;
  start();
  HttpClient client(server->port());
  client.send("POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{}\n");
  engine.ingested(1);
  // The body is in and others are served, but there is no answer yet.
  EXPECT_EQ(request("GET", "/healthz").status, 200);
  EXPECT_EQ(metrics.route("POST /v1/posts").requests(200).value(), 0u);
  engine.release_done(1);
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpIngest, Says429WhenTheEngineIsBehind) {
  engine.lines_max = 10;
  start();
  // The whole body has been read: the connection lives on.
  HttpClient client(server->port());
  HttpAnswer answer = client.request("POST", "/v1/posts", lines(20));
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.header("retry-after"), "1");
  EXPECT_EQ(answer.header("content-type"), "application/problem+json");
  EXPECT_EQ(answer.header("connection"), "keep-alive");
  EXPECT_EQ(parse(answer)["accepted"], 10);
  EXPECT_EQ(parse(answer)["unprocessed_from_line"], 11);
  EXPECT_EQ(parse(answer)["code"], "RESOURCE_EXHAUSTED");
  EXPECT_EQ(client.request("GET", "/healthz").status, 200);

  // A long one has not: the client gets the answer although it goes on sending, then the end.
  std::string head =
      "POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n";
  client.send(head);
  std::jthread sender([&client] { client.send(std::string(8'000'000, '\n')); });
  answer = client.read_answer();
  EXPECT_EQ(answer.status, 200);
  sender.join();
  std::string many;
  while (many.size() < 8'000'000) many += "{\"text\":\"a\"}\n";
  many.resize(8'000'000);
  client.send(head);
  std::jthread second_sender([&client, &many] { client.send(many); });
  answer = client.read_answer();
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_EQ(parse(answer)["accepted"], 10);
  second_sender.join();
  client.shutdown_write();
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpIngest, SaysWhyASessionStopped) {
  struct Case {
    Code code;
    int status;
    bool retry;
  };
  const Case cases[] = {{Code::kInvalidArgument, 413, false},
                        {Code::kUnavailable, 503, true},
                        {Code::kInternal, 500, false}};
  engine.lines_max = 1;
  start();
  for (const Case& c : cases) {
    engine.stop_error = Error{c.code, "because"};
    const HttpAnswer answer = request("POST", "/v1/posts", lines(3));
    EXPECT_EQ(answer.status, c.status);
    EXPECT_EQ(parse(answer)["accepted"], 1);
    EXPECT_EQ(parse(answer)["unprocessed_from_line"], 2);
    EXPECT_EQ(parse(answer)["detail"], "because");
    EXPECT_EQ(!answer.header("retry-after").empty(), c.retry);
  }
}

TEST_F(HttpIngest, ReadsNoFasterThanTheEngineTakes) {
  std::latch released(1);
  engine.keep_bytes = false;
  engine.on_feed = [&] { released.wait(); };
  start();
  HttpClient client(server->port());
  constexpr std::size_t kTotal = 48 << 20;
  client.send("POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
              std::to_string(kTotal) + "\r\n\r\n");
  const std::string body(kTotal, '\n');
  // The kernel's buffers fill, then nothing goes any more: the server holds one piece.
  std::size_t sent = 0;
  while (const std::size_t more = client.send_now(std::string_view(body).substr(sent)))
    sent += more;
  EXPECT_LT(sent, kTotal / 2);
  EXPECT_EQ(engine.bytes_fed(), 0u);
  released.count_down();
  client.send(std::string_view(body).substr(sent));
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_EQ(engine.bytes_fed(), kTotal);
}

TEST_F(HttpIngest, KeepsWhatAVanishedClientSent) {
  start();
  {
    HttpClient client(server->port());
    client.send(kChunkedHead);
    client.send(chunk("{\"text\":\"a\"}\n{\"text\":"));
    while (engine.bytes_fed() < 21) std::this_thread::yield();
    client.reset();
  }
  auto ingested = engine.ingested(1);
  EXPECT_FALSE(ingested[0].arrived_whole);
  EXPECT_EQ(ingested[0].bytes, "{\"text\":\"a\"}\n{\"text\":");
  {
    HttpClient client(server->port());
    client.send("POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{}\n");
    client.shutdown_write();
    EXPECT_TRUE(client.closed());
  }
  ingested = engine.ingested(2);
  EXPECT_FALSE(ingested[1].arrived_whole);
  EXPECT_EQ(request("GET", "/healthz").status, 200);
}

TEST_F(HttpIngest, AccountsForABodyThatBreaksOff) {
  options.body_bytes_max = 1000;
  options.decoded_bytes_free = 500;
  options.decoded_ratio_max = 10;
  start();
  const std::string bomb = testing_support::gzip(std::string(900, '\n'));
  std::string cut = testing_support::gzip("{}\n{}\n");
  cut.resize(cut.size() - 4);
  struct Case {
    const char* name;
    const char* coding;
    std::string body;
    int status;
    int accepted;
    int from;
  };
  const Case cases[] = {
      {"too long", "identity", "{}\n{}\n" + std::string(2000, 'x'), 413, 2, 3},
      {"a bomb", "gzip", bomb, 413, 0, 1},
      {"cut short", "gzip", cut, 400, 2, 3},
      {"not gzip", "gzip", "{}\n", 400, 0, 1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    HttpClient client(server->port());
    client.send("POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: " +
                std::string(c.coding) + "\r\nTransfer-Encoding: chunked\r\n\r\n" +
                (c.status == 413 && c.accepted > 0 ? chunk("{}\n{}\n") + chunk(c.body.substr(6))
                                                   : chunk(c.body)) +
                "0\r\n\r\n");
    const HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, c.status);
    const json body = parse(answer);
    EXPECT_EQ(body["accepted"], c.accepted) << answer.body;
    EXPECT_EQ(body["unprocessed_from_line"], c.from) << answer.body;
  }
  // An honest Content-Length is refused before the body is read, and no session is opened.
  const std::size_t before = engine.ingested(0).size();
  const HttpAnswer early = request("POST", "/v1/posts", std::string(1001, 'x'));
  EXPECT_EQ(early.status, 413);
  EXPECT_EQ(engine.ingested(0).size(), before);
  EXPECT_EQ(request("POST", "/v1/posts", "{}", "Content-Type: text/html\r\n").status, 415);
  EXPECT_EQ(request("POST", "/v1/posts", "{}", "Content-Encoding: br\r\n").status, 415);
}

TEST_F(HttpIngest, TimesOutABodyThatStopsMoving) {
  options.idle_timeout = 50ms;
  start();
  HttpClient client(server->port());
  client.send(kChunkedHead);
  client.send(chunk("{}\n{\"te"));
  const HttpAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(parse(answer)["accepted"], 1);
  EXPECT_EQ(parse(answer)["unprocessed_from_line"], 2);
  EXPECT_FALSE(engine.ingested(1)[0].arrived_whole);
}

TEST_F(HttpIngest, BadChunksBreakTheBodyOff) {
  start();
  HttpClient client(server->port());
  client.send(kChunkedHead);
  client.send(chunk("{}\n") + "zz\r\n");
  const HttpAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(parse(answer)["accepted"], 1);
  EXPECT_EQ(parse(answer)["unprocessed_from_line"], 2);
  EXPECT_EQ(answer.header("connection"), "close");
}

TEST_F(HttpIngest, InvitesTheBodyOnlyWhenItIsWelcome) {
  start();
  HttpClient client(server->port());
  client.send(
      "POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("{}\n");
  EXPECT_EQ(client.read_answer().status, 200);

  client.send(
      "POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
      "Content-Type: image/png\r\nExpect: 100-continue\r\n\r\n");
  const HttpAnswer refused = client.read_answer();
  EXPECT_EQ(refused.status, 415);
  EXPECT_EQ(refused.header("connection"), "close");
}

TEST_F(HttpIngest, LateCallbacksFindNobodyAndDoNoHarm) {
  engine.hold_done = true;
  options.stop_grace = 20ms;
  start();
  HttpClient client(server->port());
  client.send("POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{}\n");
  HttpClient other(server->port());
  other.send("POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{}\n");
  engine.ingested(2);
  server.reset();  // stops; the callbacks are still out
  EXPECT_EQ(client.read_answer().status, 0);
  engine.release_done(2);
}

TEST_F(HttpIngest, DroppedCallbacksDoNoHarm) {
  engine.hold_done = true;
  options.stop_grace = 20ms;
  start();
  HttpClient client(server->port());
  client.send("POST /v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{}\n");
  engine.ingested(1);
  server.reset();
  engine.drop_done();
  EXPECT_EQ(client.read_answer().status, 0);
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
// Every route and status of docs/api.md, over a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <nlohmann/json.hpp>
#include <thread>

#include "serve/router.h"
#include "serve/testing/compress.h"
#include "serve/testing/server_fixture.h"

namespace tidewatch {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing_support::HttpAnswer;
using testing_support::HttpClient;

class HttpRoutes : public testing_support::ServerTest {};

json parse(const HttpAnswer& answer) { return json::parse(answer.body, nullptr, false); }

void expect_problem(const HttpAnswer& answer, int status) {
  EXPECT_EQ(answer.status, status);
  EXPECT_EQ(answer.header("content-type"), "application/problem+json");
  const json body = parse(answer);
  ASSERT_TRUE(body.is_object()) << answer.body;
  EXPECT_EQ(body["status"], status);
  EXPECT_EQ(body["type"], "about:blank");
  EXPECT_FALSE(body["title"].get<std::string>().empty());
  EXPECT_FALSE(body["detail"].get<std::string>().empty());
  EXPECT_FALSE(body["code"].get<std::string>().empty());
}

TEST_F(HttpRoutes, AskTheEngine) {
  start();
  struct Case {
    const char* method;
    const char* target;
    const char* body;
    const char* answer;
  };
  const Case cases[] = {
      {"GET", "/v1/stats", "", R"({"asked":"stats","argument":""})"},
      {"GET", "/v1/trends?window=300&limit=5", "",
       R"({"asked":"trends","argument":"","window":"300","limit":"5"})"},
      {"GET", "/v1/topics/finance%40%E5%B9%BF%E4%B8%9C/series?since=3600", "",
       R"({"asked":"series","argument":"finance@广东","since":"3600"})"},
      {"GET", "/v1/topics/%23a%2Fb%23/series", "", R"({"asked":"series","argument":"#a/b#"})"},
      {"GET", "/v1/alerts?limit=1", "", R"({"asked":"alerts","argument":"","limit":"1"})"},
      {"GET", "/v1/alerts/al_1", "", R"({"asked":"alert","argument":"al_1"})"},
      {"POST", "/v1/alerts/al_1/ack", "", R"({"asked":"ack","argument":"al_1"})"},
      {"POST", "/v1/alerts/al_1/escalate", "{}", R"({"asked":"escalate","argument":"al_1{}"})"},
      {"POST", "/v1/alerts/al_1/resolve", "", R"({"asked":"resolve","argument":"al_1"})"},
      {"POST", "/v1/alerts/al_1/reopen", "", R"({"asked":"reopen","argument":"al_1"})"},
      {"POST", "/v1/alerts/al_1/mute", "", R"({"asked":"mute","argument":"al_1"})"},
      {"GET", "/v1/outbox?limit=5", "", R"({"asked":"outbox","argument":"","limit":"5"})"},
      {"POST", "/v1/outbox/7/retry", "", R"({"asked":"retry_message","argument":"7"})"},
      {"GET", "/v1/channels", "", R"({"asked":"channels","argument":""})"},
      {"POST", "/v1/channels/desk/retry", "", R"({"asked":"retry_channel","argument":"desk"})"},
      {"GET", "/v1/posts?q=%E9%80%80%E6%AC%BE", "",
       R"({"asked":"posts","argument":"","q":"退款"})"},
      {"GET", "/v1/posts/a%20b", "", R"({"asked":"post","argument":"a b"})"},
      {"GET", "/v1/posts/summary?q=a", "", R"({"asked":"posts_summary","argument":"","q":"a"})"},
      {"GET", "/v1/models", "", R"({"asked":"models","argument":""})"},
      {"GET", "/v1/rules", "", R"({"asked":"rules 0 ","argument":""})"},
      {"GET", "/v1/rules/a%20b", "", R"({"asked":"rules 1 a b","argument":""})"},
      {"PUT", "/v1/rules/a", "{}", R"({"asked":"rules 2 a","argument":"{}"})"},
      {"DELETE", "/v1/rules/a", "", R"({"asked":"rules 3 a","argument":""})"},
      {"POST", "/v1/rules/validate", "{}", R"({"asked":"rules 4 ","argument":"{}"})"},
      {"POST", "/v1/rules/preview", "{}", R"({"asked":"rules 5 ","argument":"{}"})"},
      {"GET", "/v1/system", "", R"({"asked":"system","argument":""})"},
      {"POST", "/v1/classify", "{\"texts\":[]}",
       R"({"asked":"classify","argument":"{\"texts\":[]}"})"},
      {"GET", "/healthz", "", R"({"status":"ok"})"},
      {"GET", "/readyz", "", R"({"status":"ready"})"},
  };
  HttpClient client(server->port());  // one connection for all: keep-alive
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.method) + " " + c.target);
    const HttpAnswer answer = client.request(c.method, c.target, c.body);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("content-type"), "application/json");
    EXPECT_EQ(answer.header("connection"), "keep-alive");
    EXPECT_EQ(answer.body, c.answer);
    const HttpAnswer head =
        client.request(std::string_view(c.method) == "GET" ? "HEAD" : "OPTIONS", c.target);
    if (std::string_view(c.method) == "GET") {
      EXPECT_EQ(head.status, 200);
      EXPECT_EQ(head.header("content-length"), answer.header("content-length"));
    } else {
      EXPECT_EQ(head.status, 204);
      EXPECT_THAT(head.header("allow"), HasSubstr(c.method));
    }
  }
}

TEST_F(HttpRoutes, ServeMetricsTheDocumentAndTheDashboard) {
  start();
  const HttpAnswer exposed = request("GET", "/metrics");
  EXPECT_EQ(exposed.status, 200);
  EXPECT_EQ(exposed.header("content-type"), Metrics::kContentType);
  EXPECT_EQ(exposed.body, "fake_metric 1\n");

  const HttpAnswer document = request("GET", "/openapi.json");
  EXPECT_EQ(document.status, 200);
  EXPECT_EQ(parse(document)["openapi"], "3.1.0");
  EXPECT_EQ(parse(document)["paths"].contains("/v1/posts"), true);

  const HttpAnswer page = request("GET", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "<title>观潮</title>");
  EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.header("cache-control"), "no-cache");
  EXPECT_THAT(page.header("content-security-policy"), HasSubstr("default-src 'self'"));
  EXPECT_EQ(page.header("x-content-type-options"), "nosniff");
  EXPECT_EQ(page.header("referrer-policy"), "no-referrer");
  EXPECT_EQ(request("GET", "/alerts/al_1").body, page.body);
  EXPECT_EQ(request("GET", "/assets/app.js").body, "let tide = 1;");
  EXPECT_EQ(request("GET", "/assets/app.js", "", "If-None-Match: \"a\"\r\n").status, 304);
  EXPECT_EQ(request("HEAD", "/").header("content-length"), page.header("content-length"));
  expect_problem(request("GET", "/assets/gone.js"), 404);
}

TEST_F(HttpRoutes, SayWhenThereIsNoDashboard) {
  files = StaticFiles();
  start();
  const HttpAnswer root = request("GET", "/");
  EXPECT_EQ(root.status, 404);
  EXPECT_THAT(root.body, HasSubstr("not part of this build"));
}

TEST_F(HttpRoutes, RefuseWhatThereIsNot) {
  start();
  struct Case {
    const char* method;
    const char* target;
    int status;
    const char* allow;
  };
  const Case cases[] = {
      {"GET", "/v1/nothing", 404, ""},
      {"GET", "/v1/posts/a/b", 404, ""},
      {"POST", "/v1/nothing", 404, ""},
      {"OPTIONS", "/v1/nothing", 404, ""},
      {"DELETE", "/v1/posts", 405, "GET, HEAD, POST, OPTIONS"},
      {"PUT", "/v1/stats", 405, "GET, HEAD, OPTIONS"},
      {"BREW", "/v1/stats", 405, "GET, HEAD, OPTIONS"},
      {"GET", "/v1/classify", 405, "POST, OPTIONS"},
      {"GET", "/v1/alerts/al_1/ack", 405, "POST, OPTIONS"},
      {"POST", "/v1/live", 405, "GET, HEAD, OPTIONS"},
      {"POST", "/", 405, "GET, HEAD, OPTIONS"},
      {"GET", "/v1/posts/%", 400, ""},
      {"GET", "/v1/posts/%FF", 400, ""},
      {"GET", "/v1/posts?q=%zz", 400, ""},
  };
  HttpClient client(server->port());
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.method) + " " + c.target);
    const HttpAnswer answer = client.request(c.method, c.target);
    expect_problem(answer, c.status);
    EXPECT_EQ(answer.header("allow"), c.allow);
  }
  EXPECT_EQ(client.request("OPTIONS", "/").header("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(client.request("OPTIONS", "/v1/posts").status, 204);
}

TEST_F(HttpRoutes, TurnTheEnginesErrorsIntoProblems) {
  const std::pair<Code, int> cases[] = {
      {Code::kInvalidArgument, 400}, {Code::kNotFound, 404}, {Code::kResourceExhausted, 429},
      {Code::kUnavailable, 503},     {Code::kInternal, 500}, {Code::kDeadlineExceeded, 504},
      {Code::kUnimplemented, 501},   {Code::kDataLoss, 500}};
  start();
  HttpClient client(server->port());
  for (const auto& [code, status] : cases) {
    engine.query_error = Error{code, "because"};
    const HttpAnswer answer = client.request("GET", "/v1/alerts/al_1");
    expect_problem(answer, status);
    EXPECT_EQ(parse(answer)["detail"], "because");
    EXPECT_EQ(parse(answer)["code"], code_name(code));
    EXPECT_EQ(!answer.header("retry-after").empty(), status == 429 || status == 503);
  }
  engine.query_error.reset();
  engine.on_query = [] { throw std::runtime_error("surprise"); };
  expect_problem(client.request("GET", "/v1/stats"), 500);
  engine.on_query = nullptr;
  EXPECT_EQ(client.request("GET", "/v1/stats").status, 200);
  engine.not_ready = Error{Code::kUnavailable, "the model is being loaded"};
  const HttpAnswer not_ready = client.request("GET", "/readyz");
  expect_problem(not_ready, 503);
  EXPECT_EQ(parse(not_ready)["detail"], "the model is being loaded");
  EXPECT_EQ(client.request("GET", "/healthz").status, 200);
}

TEST_F(HttpRoutes, CheckBodiesBeforeTheyAreRead) {
  options.json_body_bytes_max = 1000;
  start();
  struct Case {
    const char* name;
    std::string headers;
    std::string body;
    int status;
  };
  const std::string small = "{\"texts\":[\"a\"]}";
  const Case cases[] = {
      {"plain", "", small, 200},
      {"json", "Content-Type: application/json; charset=utf-8\r\n", small, 200},
      {"curl's default", "Content-Type: application/x-www-form-urlencoded\r\n", small, 200},
      {"gzip", "Content-Encoding: gzip\r\n", testing_support::gzip(small), 200},
      {"zstd", "Content-Encoding: zstd\r\n", testing_support::zstd(small), 200},
      {"a form", "Content-Type: multipart/form-data; boundary=x\r\n", small, 415},
      {"XML", "Content-Type: text/xml\r\n", small, 415},
      {"brotli", "Content-Encoding: br\r\n", small, 415},
      {"not gzip", "Content-Encoding: gzip\r\n", small, 400},
      {"too long", "", std::string(1001, ' '), 413},
      {"too long when decoded", "Content-Encoding: gzip\r\n",
       testing_support::gzip(std::string(1001, ' ')), 413},
      {"an unknown expectation", "Expect: the-unexpected\r\n", small, 417},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const HttpAnswer answer = request("POST", "/v1/classify", c.body, c.headers);
    EXPECT_EQ(answer.status, c.status);
    if (c.status != 200) expect_problem(answer, c.status);
    if (c.status == 200) {
      EXPECT_EQ(parse(answer)["argument"], small);
    }
  }
  // Chunked, where no length announces it.
  HttpClient client(server->port());
  client.send(
      "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("400\r\n" + std::string(1024, ' ') + "\r\n0\r\n\r\n");
  expect_problem(client.read_answer(), 413);
}

TEST_F(HttpRoutes, RefuseWhenTooManyQueriesWait) {
  options.query_threads = 1;
  options.query_queue_max = 1;
  std::latch running(1);
  std::latch released(1);
  std::atomic<int> queries{0};
  engine.on_query = [&] {
    if (queries++ == 0) {
      running.count_down();
      released.wait();
    }
  };
  start();
  HttpClient first(server->port());
  first.send("GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
  running.wait();
  HttpClient second(server->port());
  second.send("GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
  while (metrics.queue_depth("query").value() < 1) std::this_thread::yield();
  HttpClient third(server->port());
  const HttpAnswer refused = third.request("GET", "/v1/stats");
  expect_problem(refused, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  // What needs no query still goes.
  EXPECT_EQ(third.request("GET", "/healthz").status, 200);
  released.count_down();
  EXPECT_EQ(first.read_answer().status, 200);
  EXPECT_EQ(second.read_answer().status, 200);
}

TEST_F(HttpRoutes, GuardTheLoopbackAgainstForeignPages) {
  start();
  struct Case {
    const char* name;
    const char* method;
    const char* target;
    const char* headers;
    int status;
  };
  const Case cases[] = {
      {"localhost", "GET", "/v1/stats", "Host: localhost:8000\r\n", 200},
      {"127.0.0.1", "GET", "/v1/stats", "Host: 127.0.0.1\r\n", 200},
      {"IPv6", "GET", "/v1/stats", "Host: [::1]:8000\r\n", 200},
      {"a rebound name", "GET", "/v1/stats", "Host: evil.example:8000\r\n", 421},
      {"the page too", "GET", "/", "Host: evil.example\r\n", 421},
      {"no Host", "GET", "/v1/stats", "", 400},
      {"two Hosts", "GET", "/v1/stats", "Host: localhost\r\nHost: evil.example\r\n", 400},
      {"the URL's host counts", "GET", "http://evil.example/v1/stats", "Host: localhost\r\n", 421},
      {"absolute form", "GET", "http://localhost/v1/stats", "Host: localhost\r\n", 200},
      {"own page", "POST", "/v1/alerts/a/ack",
       "Host: localhost:8000\r\nOrigin: http://localhost:8000\r\nContent-Length: 0\r\n", 200},
      {"another port's page", "POST", "/v1/alerts/a/ack",
       "Host: localhost:8000\r\nOrigin: http://localhost:3000\r\nContent-Length: 0\r\n", 403},
      {"a foreign page", "POST", "/v1/alerts/a/ack",
       "Host: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n", 403},
      {"a sandboxed page", "POST", "/v1/alerts/a/ack",
       "Host: localhost\r\nOrigin: null\r\nContent-Length: 0\r\n", 403},
      {"cross-site by the browser's word", "POST", "/v1/alerts/a/ack",
       "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n", 403},
      {"an unknown method of a foreign page", "DELETE", "/v1/posts",
       "Host: localhost\r\nOrigin: http://evil.example\r\n", 403},
      {"reading is harmless: no CORS header", "GET", "/v1/stats",
       "Host: localhost\r\nOrigin: http://evil.example\r\n", 200},
      {"the desk's own name", "GET", "/v1/stats", "Host: tide.example\r\n", 200},
      {"its page", "POST", "/v1/alerts/a/ack",
       "Host: tide.example\r\nOrigin: https://tide.example\r\nContent-Length: 0\r\n", 200},
      {"an allowed page", "POST", "/v1/alerts/a/ack",
       "Host: localhost\r\nOrigin: http://dev.example\r\nContent-Length: 0\r\n", 200},
  };
  server->stop();
  options.allowed_hosts = {"tide.example"};
  options.allowed_origins = {"http://dev.example"};
  start();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    HttpClient client(server->port());
    client.send(std::string(c.method) + " " + c.target + " HTTP/1.1\r\n" + c.headers + "\r\n");
    const HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, c.status);
    if (c.status != 200) expect_problem(answer, c.status);
    EXPECT_EQ(answer.header("access-control-allow-origin"), "");
  }
}

TEST_F(HttpRoutes, CountRequests) {
  start();
  HttpClient client(server->port());
  client.request("GET", "/v1/stats");
  client.request("GET", "/v1/stats");
  client.request("GET", "/v1/nothing");
  client.request("POST", "/v1/posts", "{}\n");
  const Counter& stats = metrics.route("GET /v1/stats").requests(200);
  EXPECT_EQ(stats.value(), 2u);
  EXPECT_EQ(metrics.route("other").requests(404).value(), 1u);
  EXPECT_EQ(metrics.http_connections().value(), 1);
  // The last request is counted after its answer has gone out.
  client.request("GET", "/healthz");
  EXPECT_EQ(metrics.route("POST /v1/posts").requests(200).value(), 1u);
}

TEST(HttpServerStart, SaysWhyItCannotListen) {
  testing_support::FakeEngine engine;
  Metrics metrics;
  HttpOptions options;
  options.port = 0;
  auto first = HttpServer::start(options, engine, metrics, {});
  ASSERT_TRUE(first.ok());
  options.port = (*first)->port();
  const auto second = HttpServer::start(options, engine, metrics, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(options.port)));
  options.bind = "not an address";
  const auto third = HttpServer::start(options, engine, metrics, {});
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace tidewatch

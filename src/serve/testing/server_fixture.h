// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "serve/http_server.h"
#include "serve/testing/fake_engine.h"
#include "serve/testing/http_client.h"

namespace tidewatch::testing_support {

inline constexpr StaticFile kPageFiles[] = {
    {"/assets/app.js", "let tide = 1;", "", "text/javascript; charset=utf-8", "\"a\""},
    {"/index.html", "<title>观潮</title>", "", "text/html; charset=utf-8", "\"p\""},
};

// A server on a free port over a FakeEngine, stopped at the end of the test.
class ServerTest : public testing::Test {
 protected:
  // Settings are made before.
  void start() {
    options.bind = "127.0.0.1";
    options.port = 0;
    auto started = HttpServer::start(options, engine, metrics, files);
    ASSERT_TRUE(started.ok()) << started.error().message;
    server = *std::move(started);
    ASSERT_NE(server->port(), 0);
  }
  HttpAnswer request(std::string_view method, std::string_view target, std::string_view body = {},
                     std::string_view more_headers = {}) {
    HttpClient client(server->port());
    return client.request(method, target, body, more_headers);
  }

  HttpOptions options;
  FakeEngine engine;
  Metrics metrics;
  StaticFiles files{kPageFiles};
  std::unique_ptr<HttpServer> server;
};

}  // namespace tidewatch::testing_support

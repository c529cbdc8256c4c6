// SPDX-License-Identifier: Apache-2.0
#include "serve/request_guard.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidewatch {
namespace {

TEST(RequestGuard, KnowsTheLoopbacksNames) {
  for (const char* host : {"localhost", "LocalHost", "localhost:8000", "127.0.0.1", "127.0.0.1:1",
                           "127.1.2.3:80", "[::1]", "[::1]:8000"}) {
    EXPECT_TRUE(names_loopback(host)) << host;
  }
  for (const char* host :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1.",
        "1.2.3.4", "127.0.0.1:80a", "localhost:80@evil", "[::2]", "[::1", "127.evil.a.b",
        "127.0..1", "::1", "evil.example:localhost", "127.0.0.1:8000:1", "0.0.0.0"}) {
    EXPECT_FALSE(names_loopback(host)) << host;
  }
}

TEST(RequestGuard, AllowsFurtherNames) {
  const std::vector<std::string> allowed = {"tide.example", "desk.example:8443"};
  EXPECT_TRUE(host_allowed("tide.example", allowed));
  EXPECT_TRUE(host_allowed("Tide.Example:8000", allowed));
  EXPECT_TRUE(host_allowed("desk.example:8443", allowed));
  EXPECT_TRUE(host_allowed("localhost:8000", allowed));
  EXPECT_FALSE(host_allowed("desk.example:1", allowed));
  EXPECT_FALSE(host_allowed("tide.example.evil", allowed));
  EXPECT_FALSE(host_allowed("tide.example", {}));
}

TEST(RequestGuard, ComparesOrigins) {
  struct Case {
    const char* origin;
    const char* host;
    bool allowed;
  };
  const Case cases[] = {
      {"", "localhost:8000", true},
      {"http://localhost:8000", "localhost:8000", true},
      {"https://LOCALHOST:8000", "localhost:8000", true},
      {"http://localhost:5173", "localhost:8000", false},
      {"http://127.0.0.1:8000", "localhost:8000", false},
      {"http://evil.example", "localhost:8000", false},
      {"null", "localhost:8000", false},
      {"http://", "", false},
      {"file://localhost:8000", "localhost:8000", false},
      {"http://dev.example:5173", "localhost:8000", true},
  };
  const std::vector<std::string> allowed = {"http://dev.example:5173"};
  for (const Case& c : cases) {
    EXPECT_EQ(origin_allowed(c.origin, c.host, allowed), c.allowed) << c.origin << ' ' << c.host;
  }
}

}  // namespace
}  // namespace tidewatch

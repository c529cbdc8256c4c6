// SPDX-License-Identifier: Apache-2.0
#include "serve/router.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tidewatch {
namespace {

TEST(ParseTarget, TakesUrlsApart) {
  struct Case {
    const char* raw;
    std::vector<std::string> segments;
    std::vector<std::pair<std::string, std::string>> params;
    const char* authority;
  };
  const Case cases[] = {
      {"/", {}, {}, ""},
      {"*", {}, {}, ""},
      {"/v1/alerts", {"v1", "alerts"}, {}, ""},
      {"/v1/alerts/", {"v1", "alerts", ""}, {}, ""},
      {"//v1", {"", "v1"}, {}, ""},
      {"/v1/topics/%23%E9%AB%98%E8%80%83%23/series", {"v1", "topics", "#高考#", "series"}, {}, ""},
      {"/v1/topics/财经@*/series", {"v1", "topics", "财经@*", "series"}, {}, ""},
      {"/a%2Fb+c", {"a/b+c"}, {}, ""},
      {"/p?q=a+b%2Bc&limit=5", {"p"}, {{"q", "a b+c"}, {"limit", "5"}}, ""},
      {"/p?q=%E9%AB%98&q=2&x&=y&&z=",
       {"p"},
       {{"q", "高"}, {"q", "2"}, {"x", ""}, {"", "y"}, {"z", ""}},
       ""},
      {"/p?a=b=c?d/e", {"p"}, {{"a", "b=c?d/e"}}, ""},
      {"/p#fragment", {"p"}, {}, ""},
      {"http://host:80/v1?x=1", {"v1"}, {{"x", "1"}}, "host:80"},
      {"http://host", {}, {}, "host"},
      {"https://host?x=1", {}, {{"x", "1"}}, "host"},
  };
  for (const Case& c : cases) {
    const auto target = parse_target(c.raw);
    ASSERT_TRUE(target.ok()) << c.raw << ": " << target.error().message;
    EXPECT_EQ(target->segments, c.segments) << c.raw;
    EXPECT_EQ(target->params, c.params) << c.raw;
    EXPECT_EQ(target->authority, c.authority) << c.raw;
  }
}

TEST(ParseTarget, RefusesWhatIsNoUrl) {
  for (const char* raw : {"", "v1", "?x=1", "/%", "/%4", "/%zz", "/%00", "/%ff", "/%ED%A0%80",
                          "/x?a=%", "/x?%=1", "/x?a=%C0%AF", "http://", "http:///x", "\x80"}) {
    const auto target = parse_target(raw);
    ASSERT_FALSE(target.ok()) << raw;
    EXPECT_EQ(target.error().code, Code::kInvalidArgument) << raw;
  }
  std::string many = "/x?";
  for (int i = 0; i < 65; ++i) many += "a=1&";
  EXPECT_FALSE(parse_target(many).ok());
}

TEST(Target, GivesTheFirstParameterOfAName) {
  const auto target = parse_target("/x?a=1&b=&a=2");
  EXPECT_EQ(target->param("a"), "1");
  EXPECT_EQ(target->param("b"), "");
  EXPECT_EQ(target->param("c"), std::nullopt);
}

TEST(FindRoute, FindsEveryRouteOfTheTable) {
  for (const RouteEntry& entry : route_table()) {
    std::string path(entry.pattern);
    const auto open = path.find('{');
    if (open != std::string::npos) path.replace(open, path.find('}') - open + 1, "some%20one");
    const auto match = find_route(entry.method, *parse_target(path));
    ASSERT_NE(match.entry, nullptr) << path;
    EXPECT_EQ(match.entry->handler, entry.handler) << path;
    EXPECT_EQ(match.argument, open == std::string::npos ? "" : "some one") << path;
  }
}

TEST(FindRoute, SaysWhatAPathTakes) {
  struct Case {
    const char* method;
    const char* path;
    bool found;
    const char* allow;
  };
  const Case cases[] = {
      {"HEAD", "/v1/stats", true, "GET, HEAD, OPTIONS"},
      {"POST", "/v1/stats", false, "GET, HEAD, OPTIONS"},
      {"OPTIONS", "/v1/posts", false, "GET, HEAD, POST, OPTIONS"},
      {"GET", "/v1/posts", true, "GET, HEAD, POST, OPTIONS"},
      {"HEAD", "/v1/classify", false, "POST, OPTIONS"},
      {"DELETE", "/v1/posts/x", false, "GET, HEAD, OPTIONS"},
      {"GET", "/v1/nothing", false, ""},
      {"GET", "/v1/posts/", false, ""},
      {"GET", "/v1/posts/a/b", false, ""},
      {"GET", "/v1/topics//series", false, ""},
      {"GET", "/v1/topics/a/b/series", false, ""},
      {"POST", "/swap-engine", true, "POST, OPTIONS"},
      {"DELETE", "/v1/models/base/canary", true, "GET, HEAD, POST, DELETE, OPTIONS"},
      {"POST", "/v1/models/base/canary/promote", true, "POST, OPTIONS"},
      {"PUT", "/v1/rules/x", true, "GET, HEAD, PUT, DELETE, OPTIONS"},
      {"PUT", "/v1/rules", false, "GET, HEAD, OPTIONS"},
      {"POST", "/v1/rules/validate", true, "GET, HEAD, POST, PUT, DELETE, OPTIONS"},
      {"GET", "/v1", false, ""},
      {"GET", "/", false, ""},
      {"get", "/v1/stats", false, "GET, HEAD, OPTIONS"},
  };
  for (const Case& c : cases) {
    const auto match = find_route(c.method, *parse_target(c.path));
    EXPECT_EQ(match.entry != nullptr, c.found) << c.method << ' ' << c.path;
    EXPECT_EQ(match.allow, c.allow) << c.method << ' ' << c.path;
  }
}

TEST(IsApiPath, KeepsThePageAwayFromTheApi) {
  for (const char* path : {"/v1", "/v1/x/y", "/metrics/x", "/healthz/", "/swap-engine"}) {
    EXPECT_TRUE(is_api_path(*parse_target(path))) << path;
  }
  for (const char* path : {"/", "/alerts", "/assets/v1", "/openapi.json/x"}) {
    EXPECT_FALSE(is_api_path(*parse_target(path))) << path;
  }
}

// The document describes exactly the routes that there are.
TEST(OpenApi, IsTrueToTheRoutes) {
  std::ifstream file(TIDEWATCH_SOURCE_DIR "/src/serve/openapi.json");
  const auto document = nlohmann::json::parse(file, nullptr, false);
  ASSERT_TRUE(document.is_object());
  EXPECT_EQ(document["openapi"], "3.1.0");

  std::set<std::pair<std::string, std::string>> described;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(c));
      described.emplace(upper, path);
      EXPECT_TRUE(operation.contains("operationId")) << path;
      EXPECT_TRUE(operation["responses"].contains("200")) << path;
      const bool takes_argument = path.find('{') != std::string::npos;
      bool says_argument = false;
      for (const auto& parameter : operation.value("parameters", nlohmann::json::array())) {
        if (parameter["in"] != "path") continue;
        says_argument =
            path.find("{" + parameter["name"].get<std::string>() + "}") != std::string::npos;
      }
      EXPECT_EQ(takes_argument, says_argument) << path;
    }
  }
  std::set<std::pair<std::string, std::string>> served;
  for (const RouteEntry& entry : route_table()) served.emplace(entry.method, entry.pattern);
  EXPECT_EQ(described, served);
}

// Every "$ref" leads somewhere, and every schema is used.
TEST(OpenApi, HasNoLooseEnds) {
  std::ifstream file(TIDEWATCH_SOURCE_DIR "/src/serve/openapi.json");
  const auto document = nlohmann::json::parse(file, nullptr, false);
  ASSERT_TRUE(document.is_object());
  std::map<std::string, int> uses;
  const std::string prefix = "#/components/schemas/";
  const std::function<void(const nlohmann::json&)> walk = [&](const nlohmann::json& node) {
    if (node.is_object() && node.contains("$ref")) {
      const auto target = node["$ref"].get<std::string>();
      ASSERT_EQ(target.rfind(prefix, 0), 0u) << target;
      ++uses[target.substr(prefix.size())];
    }
    if (node.is_structured()) {
      for (const auto& child : node) walk(child);
    }
  };
  walk(document);
  const auto& schemas = document["components"]["schemas"];
  for (const auto& [name, count] : uses) EXPECT_TRUE(schemas.contains(name)) << name;
  for (const auto& [name, schema] : schemas.items()) EXPECT_TRUE(uses.contains(name)) << name;
}

}  // namespace
}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "serve/static_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidewatch {
namespace {

constexpr StaticFile kFiles[] = {
    {"/assets/index-1.js", "script", "zipped", "text/javascript; charset=utf-8", "\"j\""},
    {"/favicon.ico", "icon", "", "image/x-icon", "\"i\""},
    {"/index.html", "<page>", "<zip>", "text/html; charset=utf-8", "\"p\""},
};

std::string header_of(const Answer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (key == name) return value;
  }
  return {};
}

TEST(StaticAnswer, ServesFilesAndThePage) {
  struct Case {
    const char* path;
    const char* accept_encoding;
    const char* if_none_match;
    int status;
    const char* body;
    const char* cache;
    const char* etag;
  };
  constexpr const char* kForever = "public, max-age=31536000, immutable";
  const Case cases[] = {
      {"/", "", "", 200, "<page>", "no-cache", "\"p\""},
      {"/index.html", "", "", 200, "<page>", "no-cache", "\"p\""},
      {"/", "gzip, br", "", 200, "<zip>", "no-cache", "\"p-gzip\""},
      {"/", "gzip;q=0", "", 200, "<page>", "no-cache", "\"p\""},
      {"/alerts", "", "", 200, "<page>", "no-cache", "\"p\""},
      {"/alerts/al_1", "", "", 200, "<page>", "no-cache", "\"p\""},
      {"/assets/index-1.js", "", "", 200, "script", kForever, "\"j\""},
      {"/assets/index-1.js?v=2", "gzip", "", 200, "zipped", kForever, "\"j-gzip\""},
      {"/assets/index-1.js", "", "\"j\"", 304, "", kForever, "\"j\""},
      {"/assets/index-1.js", "", "W/\"x\", W/\"j\"", 304, "", kForever, "\"j\""},
      {"/assets/index-1.js", "gzip", "\"j\"", 200, "zipped", kForever, "\"j-gzip\""},
      {"/assets/index-1.js", "", "*", 304, "", kForever, "\"j\""},
      {"/favicon.ico", "gzip", "", 200, "icon", "no-cache", "\"i\""},
  };
  const StaticFiles files(kFiles);
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.path) + " " + c.accept_encoding + " " + c.if_none_match);
    const Answer answer =
        static_answer(files, *parse_target(c.path), c.accept_encoding, c.if_none_match);
    EXPECT_EQ(answer.status, c.status);
    EXPECT_EQ(answer.bytes(), c.body);
    EXPECT_EQ(header_of(answer, "Cache-Control"), c.cache);
    EXPECT_EQ(header_of(answer, "ETag"), c.etag);
    EXPECT_EQ(header_of(answer, "Vary"), "Accept-Encoding");
    const bool zipped =
        c.status == 200 && std::string_view(c.etag).find("gzip") != std::string::npos;
    EXPECT_EQ(header_of(answer, "Content-Encoding"), zipped ? "gzip" : "");
  }
}

TEST(StaticAnswer, DoesNotHideMissingFilesBehindThePage) {
  const StaticFiles files(kFiles);
  for (const char* path : {"/assets/index-2.js", "/robots.txt", "/v1/nothing", "/v2", "/metrics/x",
                           "/../index.html", "/assets/../index.html", "/index.html/"}) {
    const Answer answer = static_answer(files, *parse_target(path), "", "");
    const bool page = answer.status == 200;
    EXPECT_EQ(page, std::string_view(path) == "/index.html/") << path;
  }
}

TEST(StaticAnswer, SaysThatThereIsNoDashboard) {
  const Answer root = static_answer({}, *parse_target("/"), "", "");
  EXPECT_EQ(root.status, 404);
  EXPECT_THAT(root.bytes(), testing::HasSubstr("TIDEWATCH_DASHBOARD"));
  EXPECT_EQ(root.content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(static_answer({}, *parse_target("/x"), "", "").content_type, kProblemType);
}

TEST(Accept, ReadsLists) {
  for (const char* yes :
       {"gzip", "GZIP", "br, gzip", "br;q=1.0,gzip;q=0.8", "*", "deflate, *;q=0.1"}) {
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  }
  for (const char* no :
       {"", "br", "identity", "gzip;q=0", "gzip;q=0.000", "gzip;q=0, *", "*;q=0", "gzipped"}) {
    EXPECT_FALSE(accepts_gzip(no)) << no;
  }
  for (const char* yes :
       {"", " ", "*/*", "text/event-stream", "text/*", "a/b, text/event-stream;q=0.9"}) {
    EXPECT_TRUE(accepts_event_stream(yes)) << yes;
  }
  for (const char* no : {"application/json", "text/html", "text/event-stream;q=0"}) {
    EXPECT_FALSE(accepts_event_stream(no)) << no;
  }
}

}  // namespace
}  // namespace tidewatch

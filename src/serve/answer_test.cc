// SPDX-License-Identifier: Apache-2.0
#include "serve/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

namespace tidewatch {
namespace {

using nlohmann::json;

std::string header_of(const Answer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (key == name) return value;
  }
  return {};
}

TEST(Answer, MapsEveryCode) {
  struct Case {
    Code code;
    int status;
  };
  const Case cases[] = {{Code::kInvalidArgument, 400},  {Code::kOutOfRange, 400},
                        {Code::kPermissionDenied, 403}, {Code::kNotFound, 404},
                        {Code::kAlreadyExists, 409},    {Code::kFailedPrecondition, 409},
                        {Code::kAborted, 409},          {Code::kResourceExhausted, 429},
                        {Code::kInternal, 500},         {Code::kDataLoss, 500},
                        {Code::kUnknown, 500},          {Code::kUnimplemented, 501},
                        {Code::kUnavailable, 503},      {Code::kCancelled, 503},
                        {Code::kDeadlineExceeded, 504}};
  for (const Case& c : cases) {
    const Answer answer = problem(Error{c.code, "why \"quoted\"\n财经"});
    EXPECT_EQ(answer.status, c.status);
    EXPECT_EQ(answer.content_type, kProblemType);
    const json body = json::parse(answer.body);
    EXPECT_EQ(body["status"], c.status);
    EXPECT_EQ(body["type"], "about:blank");
    EXPECT_EQ(body["title"], reason_phrase(c.status));
    EXPECT_EQ(body["detail"], "why \"quoted\"\n财经");
    EXPECT_EQ(body["code"], code_name(c.code));
    EXPECT_EQ(!header_of(answer, "Retry-After").empty(), c.status == 429 || c.status == 503);
  }
}

TEST(IngestAnswer, ChoosesTheStatus) {
  struct Case {
    const char* name;
    IngestSummary summary;
    int status;
  };
  const auto made = [](std::uint64_t accepted, std::uint64_t rejected, std::uint64_t duplicates,
                       std::optional<Error> stopped = {}, std::uint64_t from = 0) {
    IngestSummary summary;
    summary.accepted = accepted;
    summary.rejected = rejected;
    summary.duplicates = duplicates;
    summary.stopped = std::move(stopped);
    summary.unprocessed_from_line = from;
    return summary;
  };
  const Case cases[] = {
      {"nothing", made(0, 0, 0), 200},
      {"all accepted", made(3, 0, 0), 200},
      {"some", made(1, 2, 0), 200},
      {"only duplicates", made(0, 1, 2), 200},
      {"all rejected", made(0, 2, 0), 400},
      {"behind", made(5, 0, 0, Error{Code::kResourceExhausted, "behind"}, 6), 429},
      {"behind at once", made(0, 0, 0, Error{Code::kResourceExhausted, "behind"}, 1), 429},
      {"a long line", made(5, 1, 0, Error{Code::kInvalidArgument, "line 7"}, 7), 413},
      {"disk full", made(5, 0, 0, Error{Code::kUnavailable, "disk"}, 6), 503},
      {"broken", made(5, 0, 0, Error{Code::kInternal, "oops"}, 6), 500},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Answer answer = ingest_answer(c.summary, 4);
    EXPECT_EQ(answer.status, c.status);
    const json body = json::parse(answer.body);
    EXPECT_EQ(body["accepted"], c.summary.accepted);
    EXPECT_EQ(body["rejected"], c.summary.rejected);
    EXPECT_EQ(body["duplicates"], c.summary.duplicates);
    EXPECT_EQ(body["errors_omitted"], 0);
    EXPECT_TRUE(body["errors"].empty());
    EXPECT_EQ(body.contains("unprocessed_from_line"), c.summary.unprocessed_from_line > 0);
    EXPECT_EQ(body.value("status", 200), c.status);
    EXPECT_EQ(header_of(answer, "Retry-After"), c.status == 429 || c.status == 503 ? "4" : "");
  }
}

TEST(IngestAnswer, ListsErrors) {
  IngestSummary summary;
  summary.accepted = 1;
  summary.rejected = 252;
  summary.errors_omitted = 2;
  for (std::uint64_t i = 0; i < 250; ++i) summary.errors.push_back({i + 1, "text", "a\x80\"b"});
  summary.errors[1].field = "";
  const json body = json::parse(ingest_answer(summary, 1).body);
  EXPECT_EQ(body["errors"].size(), kLineErrorsMax);
  EXPECT_EQ(body["errors_omitted"], 152);
  EXPECT_EQ(body["errors"][0]["line"], 1);
  EXPECT_EQ(body["errors"][0]["field"], "text");
  EXPECT_EQ(body["errors"][0]["reason"], "a\xEF\xBF\xBD\"b");
  EXPECT_EQ(body["errors"][1]["field"], "");
}

TEST(RetryAfter, SpreadsClientsWithTheLoad) {
  for (std::uint64_t random = 0; random < 100; ++random) {
    EXPECT_EQ(retry_after_seconds(0, random), 1u);
    EXPECT_LE(retry_after_seconds(8, random), 3u);
    EXPECT_LE(retry_after_seconds(100'000, random), 10u);
    EXPECT_GE(retry_after_seconds(100'000, random), 1u);
  }
  std::set<unsigned> seen;
  for (std::uint64_t random = 0; random < 100; ++random) {
    seen.insert(retry_after_seconds(1000, random));
  }
  EXPECT_EQ(seen.size(), 10u);
}

TEST(RenderHead, WritesTheHeaders) {
  Answer answer;
  answer.body = "{}";
  answer.headers.emplace_back("Retry-After", "3");
  const std::string head = render_head(answer, "D", true);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\nDate: D\r\n"));
  for (const char* line :
       {"Content-Type: application/json\r\n", "Content-Length: 2\r\n", "Retry-After: 3\r\n",
        "Cache-Control: no-store\r\n", "X-Content-Type-Options: nosniff\r\n",
        "Referrer-Policy: no-referrer\r\n", "Content-Security-Policy: default-src 'self'",
        "Connection: keep-alive\r\n"}) {
    EXPECT_THAT(head, testing::HasSubstr(line));
  }
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));

  answer.status = 304;
  answer.headers.emplace_back("Cache-Control", "no-cache");
  const std::string not_modified = render_head(answer, "D", false);
  EXPECT_THAT(not_modified, testing::Not(testing::HasSubstr("Content-Length")));
  EXPECT_THAT(not_modified, testing::Not(testing::HasSubstr("no-store")));
  EXPECT_THAT(not_modified, testing::HasSubstr("Connection: close\r\n"));
}

TEST(HttpDate, IsAnImfFixdate) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(1'772'323'199), "Sat, 28 Feb 2026 23:59:59 GMT");
}

}  // namespace
}  // namespace tidewatch

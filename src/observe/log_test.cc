// SPDX-License-Identifier: Apache-2.0
#include "observe/log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "observe/json_text.h"

namespace tidewatch {
namespace {

constexpr std::string_view kTime = "2026-11-23T04:28:29.123Z";

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonText, EscapesStrings) {
  struct Case {
    const char* name;
    std::string_view in;
    std::string_view out;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"empty", "", R"("")"},
      {"plain", "abc", R"("abc")"},
      {"Chinese", "财经😀", R"("财经😀")"},
      {"quotes", R"(a"b\c)", R"("a\"b\\c")"},
      {"line ends", "a\r\n\tb", R"("a\r\n\tb")"},
      {"control characters", "\x01\x1b[31m\x7f", R"("\u0001\u001b[31m\u007f")"},
      {"NUL", "a\0b"sv, R"("a\u0000b")"},
      {"lone continuation", "a\x80z", "\"a\xEF\xBF\xBDz\""},
      {"cut short", "财\xE8\xB4", "\"财\xEF\xBF\xBD\""},
      {"cut short before a letter", "\xE8\xB4z", "\"\xEF\xBF\xBDz\""},
      {"overlong", "\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"surrogate", "\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"past the last plane", "\xF4\x90\x80\x80",
       "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"last code point", "\xF4\x8F\xBF\xBF", "\"\xF4\x8F\xBF\xBF\""},
  };
  for (const Case& c : cases) EXPECT_EQ(json_string(c.in), c.out) << c.name;
}

TEST(JsonText, EveryPairOfBytesGivesJsonThatReadsBack) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text{static_cast<char>(a), static_cast<char>(b), 'x'};
      const auto parsed = nlohmann::json::parse(json_string(text), nullptr, false);
      ASSERT_TRUE(parsed.is_string()) << a << ' ' << b;
      ASSERT_EQ(parsed.get<std::string>().back(), 'x') << a << ' ' << b;
    }
  }
}

TEST(JsonText, WritesNumbers) {
  const std::pair<double, std::string_view> cases[] = {
      {0, "0"},
      {0.1, "0.1"},
      {-2.5, "-2.5"},
      {1e300, "1e+300"},
      {std::numeric_limits<double>::quiet_NaN(), "null"},
      {HUGE_VAL, "null"}};
  for (const auto& [number, text] : cases) {
    std::string out;
    append_json_number(out, number);
    EXPECT_EQ(out, text);
  }
}

TEST(Log, WritesJson) {
  const std::string path = "/tmp/a b";
  const std::string line = format_log_line(
      LogFormat::kJson, kTime, LogLevel::kWarning, "store", "disk \"full\"\nforged: line",
      {{"path", path}, {"posts", 3u}, {"delta", -4}, {"share", 0.25}, {"fatal", false}});
  EXPECT_EQ(line,
            R"({"time":"2026-11-23T04:28:29.123Z","level":"warning","stage":"store",)"
            R"("message":"disk \"full\"\nforged: line","path":"/tmp/a b","posts":3,"delta":-4,)"
            R"("share":0.25,"fatal":false})");
}

TEST(Log, WritesText) {
  EXPECT_EQ(format_log_line(LogFormat::kText, kTime, LogLevel::kInfo, "serve", "listening",
                            {{"port", std::uint16_t{8000}}, {"bind", "::1"}, {"note", "a b\n"}}),
            "2026-11-23T04:28:29.123Z info    serve: listening port=8000 bind=::1 "
            "note=\"a b\\n\"");
  EXPECT_EQ(format_log_line(LogFormat::kText, kTime, LogLevel::kError, "x", "a\nb", {}),
            "2026-11-23T04:28:29.123Z error   x: a\\nb");
}

TEST(Log, ParsesItsSettings) {
  EXPECT_EQ(*parse_log_level("debug"), LogLevel::kDebug);
  EXPECT_EQ(*parse_log_level("warn"), LogLevel::kWarning);
  EXPECT_EQ(*parse_log_level("warning"), LogLevel::kWarning);
  EXPECT_EQ(*parse_log_level("off"), LogLevel::kOff);
  EXPECT_EQ(parse_log_level("loud").error().code, Code::kInvalidArgument);
  EXPECT_EQ(*parse_log_format("json"), LogFormat::kJson);
  EXPECT_FALSE(parse_log_format("xml").ok());
}

TEST(Log, LinesOfSeveralThreadsNeverMix) {
  testing::internal::CaptureStderr();
  init_logging(LogLevel::kInfo, LogFormat::kJson);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 200; ++i) {
          log(LogLevel::kInfo, "test", "line", {{"thread", t}, {"i", i}});
          log(LogLevel::kDebug, "test", "hidden");
        }
      });
    }
  }
  EXPECT_FALSE(log_enabled(LogLevel::kDebug));
  EXPECT_TRUE(log_enabled(LogLevel::kError));
  const std::string output = testing::internal::GetCapturedStderr();
  int lines = 0;
  for (std::size_t at = 0; at < output.size(); ++lines) {
    const std::size_t end = output.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    const auto parsed = nlohmann::json::parse(output.substr(at, end - at), nullptr, false);
    ASSERT_TRUE(parsed.is_object()) << output.substr(at, end - at);
    EXPECT_EQ(parsed["message"], "line");
    EXPECT_EQ(parsed["level"], "info");
    EXPECT_EQ(parsed["time"].get<std::string>().size(), kTime.size());
    at = end + 1;
  }
  EXPECT_EQ(lines, 600);
}

TEST(Log, OffIsSilent) {
  testing::internal::CaptureStderr();
  init_logging(LogLevel::kOff, LogFormat::kText);
  log(LogLevel::kError, "test", "unheard");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace tidewatch

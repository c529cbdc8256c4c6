// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "core/result.h"

namespace tidewatch {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat : std::uint8_t { kAuto, kText, kJson };  // kAuto: text on a terminal

// "debug", "info", "warning" (or "warn"), "error", "off"; else kInvalidArgument.
Result<LogLevel> parse_log_level(std::string_view name);
// "auto", "text", "json"; else kInvalidArgument.
Result<LogFormat> parse_log_format(std::string_view name);

// One name and value of a log line. Holds a view of strings: a temporary of one expression.
struct LogField {
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  LogField(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
  LogField(std::string_view field_name, const char* text)
      : name(field_name), value(std::string_view(text)) {}
  LogField(std::string_view field_name, const std::string& text)
      : name(field_name), value(std::string_view(text)) {}
  LogField(std::string_view field_name, bool flag) : name(field_name), value(flag) {}
  template <std::signed_integral Number>
  LogField(std::string_view field_name, Number number)
      : name(field_name), value(static_cast<std::int64_t>(number)) {}
  template <std::unsigned_integral Number>
    requires(!std::same_as<Number, bool>)
  LogField(std::string_view field_name, Number number)
      : name(field_name), value(static_cast<std::uint64_t>(number)) {}
  template <std::floating_point Number>
  LogField(std::string_view field_name, Number number)
      : name(field_name), value(static_cast<double>(number)) {}

  std::string_view name;
  Value value;
};

// Structured logs, one line each, on standard error (standard output belongs to answers):
//   {"time":"2026-11-23T04:28:29.123Z","level":"info","stage":"store","message":"opened","posts":3}
//   2026-11-23T04:28:29.123Z info  store: opened posts=3
// Text that is not UTF-8 is shown with U+FFFD; control characters are escaped: a post can never
// forge a line. Before init_logging() lines of kInfo and above go out in kAuto.
// Threads: log() may be called from any thread; lines never mix. It writes at once (no queue) and
// may block on standard error: keep it off the path of single posts.
//
//   log(LogLevel::kInfo, "store", "opened", {{"path", path}, {"posts", count}});
void init_logging(LogLevel level, LogFormat format);
bool log_enabled(LogLevel level) noexcept;
void log(LogLevel level, std::string_view stage, std::string_view message,
         std::initializer_list<LogField> fields = {});

// The line that log() would write at `time_text`, without the line end. For tests.
std::string format_log_line(LogFormat format, std::string_view time_text, LogLevel level,
                            std::string_view stage, std::string_view message,
                            std::initializer_list<LogField> fields);

}  // namespace tidewatch

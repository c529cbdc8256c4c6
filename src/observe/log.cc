// SPDX-License-Identifier: Apache-2.0
#include "observe/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>

#include "observe/json_text.h"

namespace tidewatch {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error", "off"};

std::string_view level_name(LogLevel level) { return kLevelNames[static_cast<int>(level)]; }

struct Logger {
  Logger(LogLevel lowest, LogFormat form)
      : level(lowest),
        format(form),
        out("tidewatch", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    out.set_pattern("%v", spdlog::pattern_time_type::utc);
    out.set_level(spdlog::level::trace);
    out.flush_on(spdlog::level::trace);
  }
  const LogLevel level;
  const LogFormat format;  // never kAuto
  spdlog::logger out;
};

LogFormat resolve(LogFormat format) {
  if (format != LogFormat::kAuto) return format;
  return ::isatty(STDERR_FILENO) != 0 ? LogFormat::kText : LogFormat::kJson;
}

// The logger in use. One that was replaced is kept, since another thread may be in it:
// init_logging() is called once or twice in a process's life.
std::atomic<Logger*>& current() {
  static std::atomic<Logger*> logger{new Logger(LogLevel::kInfo, resolve(LogFormat::kAuto))};
  return logger;
}

std::string time_text_now() {
  // Logs carry the machine's own time, also in a replay that runs in event time.
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(now - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count(),
                     time.subseconds().count());
}

void append_value(std::string& out, const LogField::Value& value) {
  struct Visitor {
    std::string& line;
    void operator()(std::string_view text) const { append_json_string(line, text); }
    void operator()(std::int64_t number) const { line += std::to_string(number); }
    void operator()(std::uint64_t number) const { line += std::to_string(number); }
    void operator()(double number) const { append_json_number(line, number); }
    void operator()(bool flag) const { line += flag ? "true" : "false"; }
  };
  std::visit(Visitor{out}, value);
}

// As a JSON string without its quotes: control characters and invalid UTF-8 made harmless.
void append_plain(std::string& out, std::string_view text) {
  std::string quoted;
  append_json_string(quoted, text);
  out.append(quoted, 1, quoted.size() - 2);
}

bool is_bare_word(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

}  // namespace

Result<LogLevel> parse_log_level(std::string_view name) {
  if (name == "warn") return LogLevel::kWarning;
  for (int i = 0; i <= static_cast<int>(LogLevel::kOff); ++i) {
    if (kLevelNames[i] == name) return static_cast<LogLevel>(i);
  }
  return Error{Code::kInvalidArgument, "unknown log level '" + std::string(name) +
                                           "'; use debug, info, warning, error or off"};
}

Result<LogFormat> parse_log_format(std::string_view name) {
  if (name == "auto") return LogFormat::kAuto;
  if (name == "text") return LogFormat::kText;
  if (name == "json") return LogFormat::kJson;
  return Error{Code::kInvalidArgument,
               "unknown log format '" + std::string(name) + "'; use auto, text or json"};
}

void init_logging(LogLevel level, LogFormat format) {
  static std::atomic<Logger*> kept[2];  // reachable for ever, so that no leak checker complains
  Logger* replaced = current().exchange(new Logger(level, resolve(format)));
  for (auto& place : kept) {
    if (Logger* none = nullptr; place.compare_exchange_strong(none, replaced)) break;
  }
}

bool log_enabled(LogLevel level) noexcept {
  return level >= current().load(std::memory_order_acquire)->level && level != LogLevel::kOff;
}

std::string format_log_line(LogFormat format, std::string_view time_text, LogLevel level,
                            std::string_view stage, std::string_view message,
                            std::initializer_list<LogField> fields) {
  std::string line;
  if (format == LogFormat::kJson) {
    line += R"({"time":)";
    append_json_string(line, time_text);
    line += R"(,"level":)";
    append_json_string(line, level_name(level));
    line += R"(,"stage":)";
    append_json_string(line, stage);
    line += R"(,"message":)";
    append_json_string(line, message);
    for (const LogField& field : fields) {
      line += ',';
      append_json_string(line, field.name);
      line += ':';
      append_value(line, field.value);
    }
    line += '}';
    return line;
  }
  line = fmt::format("{} {:<7} ", time_text, level_name(level));
  append_plain(line, stage);
  line += ": ";
  append_plain(line, message);
  for (const LogField& field : fields) {
    line += ' ';
    append_plain(line, field.name);
    line += '=';
    const auto* text = std::get_if<std::string_view>(&field.value);
    if (text != nullptr && is_bare_word(*text)) {
      line += *text;
    } else {
      append_value(line, field.value);
    }
  }
  return line;
}

void log(LogLevel level, std::string_view stage, std::string_view message,
         std::initializer_list<LogField> fields) {
  Logger* logger = current().load(std::memory_order_acquire);
  if (level < logger->level || level == LogLevel::kOff) return;
  const std::string line =
      format_log_line(logger->format, time_text_now(), level, stage, message, fields);
  logger->out.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "sources/sheet_date.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/rfc3339.h"
#include "ingest/post_rules.h"

namespace tidewatch {
namespace {

constexpr double kSerialMin = 20'000;
constexpr double kSerialMax = 80'000;
constexpr std::int64_t kMillisecondsFrom = 100'000'000'000;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kUnixEpochSerial = 25'569;  // 1970-01-01

std::optional<EventTime> checked(std::int64_t ms) {
  if (ms < 0 || ms >= kPostTimeEndMs) return std::nullopt;
  return EventTime{std::chrono::milliseconds{ms}};
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes digits off the front; at most `digits_max` of them.
std::optional<unsigned> take_number(std::string_view& text, std::size_t digits_max) {
  std::size_t digits = 0;
  unsigned value = 0;
  while (digits < text.size() && digits < digits_max && text[digits] >= '0' &&
         text[digits] <= '9') {
    value = value * 10 + static_cast<unsigned>(text[digits++] - '0');
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool take_one_of(std::string_view& text, std::initializer_list<std::string_view> choices) {
  for (const std::string_view choice : choices) {
    if (!text.starts_with(choice)) continue;
    text.remove_prefix(choice.size());
    return true;
  }
  return false;
}

// The time of day after a date; false: something else stands there.
bool take_time_of_day(std::string_view& text, std::chrono::milliseconds& time) {
  take_one_of(text, {"T", "t"});
  text = trimmed(text);
  if (text.empty()) return true;
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take_one_of(text, {":", "时", "点", "："})) return false;
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59) return false;
  unsigned second = 0;
  unsigned ms = 0;
  if (take_one_of(text, {":", "分", "："}) && !text.empty()) {
    const auto seconds = take_number(text, 2);
    if (!seconds || *seconds > 59) return false;
    second = *seconds;
    take_one_of(text, {"秒"});
    if (take_one_of(text, {"."})) {
      std::size_t digits = text.size();
      const auto fraction = take_number(text, 3);
      if (!fraction) return false;
      digits -= text.size();
      ms = *fraction * (digits == 1 ? 100U : digits == 2 ? 10U : 1U);
      while (take_number(text, 9)) {
      }
    }
  }
  time = std::chrono::hours{*hour} + std::chrono::minutes{*minute} + std::chrono::seconds{second} +
         std::chrono::milliseconds{ms};
  return true;
}

std::optional<EventTime> parse_date(std::string_view text, std::chrono::minutes offset) {
  const auto year = take_number(text, 4);
  if (!year) return std::nullopt;
  // 20261123 has no separators.
  const bool separated = take_one_of(text, {"-", "/", ".", "年"});
  const auto month = take_number(text, 2);
  if (!month || take_one_of(text, {"-", "/", ".", "月"}) != separated) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  take_one_of(text, {"日", "号"});
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{*month}, std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  std::chrono::milliseconds time{0};
  if (!take_time_of_day(text, time)) return std::nullopt;
  text = trimmed(text);
  if (!text.empty()) {
    const auto own = parse_utc_offset(text);
    if (!own) return std::nullopt;
    offset = *own;
  }
  const EventTime local = std::chrono::sys_days{date} + time;
  return checked((local - offset).time_since_epoch().count());
}

}  // namespace

std::optional<EventTime> from_serial_date(double days, std::chrono::minutes offset) {
  if (!(days >= 0 && days < 1e6)) return std::nullopt;
  const std::int64_t ms = std::llround((days - kUnixEpochSerial) * static_cast<double>(kDayMs));
  // A sheet keeps seconds; what is less is the rounding of a fraction of a day.
  const std::int64_t seconds = (ms + (ms < 0 ? -500 : 500)) / 1'000;
  const std::int64_t exact = std::abs(ms - seconds * 1'000) <= 2 ? seconds * 1'000 : ms;
  return checked(exact - std::chrono::milliseconds{offset}.count());
}

std::optional<EventTime> parse_table_time(std::string_view text, std::chrono::minutes offset) {
  text = trimmed(text);
  if (const auto time = parse_rfc3339(text)) return checked(time->time_since_epoch().count());
  if (const auto time = parse_date(text, offset)) return time;
  const auto number = number_of(text);
  if (!number || *number < 0) return std::nullopt;
  if (*number >= kSerialMin && *number <= kSerialMax) return from_serial_date(*number, offset);
  const bool ms = *number >= static_cast<double>(kMillisecondsFrom);
  if (*number >= static_cast<double>(kPostTimeEndMs)) return std::nullopt;
  return checked(std::llround(ms ? *number : *number * 1'000));
}

bool is_date_format(std::string_view format) {
  bool quoted = false;
  bool bracketed = false;
  for (std::size_t i = 0; i < format.size() && format[i] != ';'; ++i) {
    const char c = format[i];
    if (c == '\\' || c == '_' || c == '*') {
      ++i;  // the next character stands for itself
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == '[') {
      // [h], [mm] and [ss] are times; [Red] and [$-804] are not.
      const std::string_view inside = format.substr(i + 1, format.find(']', i) - i - 1);
      if (!inside.empty() && inside.find_first_not_of("hHmMsS") == std::string_view::npos) {
        return true;
      }
      bracketed = true;
    } else if (c == ']') {
      bracketed = false;
    } else if (!quoted && !bracketed &&
               std::string_view("yYmMdDhHsS").find(c) != std::string_view::npos) {
      return format.find("General") == std::string_view::npos;
    }
  }
  return false;
}

bool is_date_format_id(int id) {
  return (id >= 14 && id <= 22) || (id >= 27 && id <= 36) || (id >= 45 && id <= 47) ||
         (id >= 50 && id <= 58);
}

std::optional<std::chrono::minutes> parse_utc_offset(std::string_view text) {
  if (text == "Z" || text == "z" || text == "UTC") return std::chrono::minutes{0};
  if (text.size() < 3 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const bool west = text[0] == '-';
  text.remove_prefix(1);
  const auto hours = take_number(text, 2);
  take_one_of(text, {":"});
  const auto minutes = text.empty() ? std::optional<unsigned>{0} : take_number(text, 2);
  if (!hours || !minutes || !text.empty() || *hours > 14 || *minutes > 59) return std::nullopt;
  const std::chrono::minutes east = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  return west ? -east : east;
}

std::optional<std::int64_t> parse_table_count(std::string_view text) {
  text = trimmed(text);
  std::string digits;
  while (!text.empty() && (std::isdigit(static_cast<unsigned char>(text[0])) != 0 ||
                           text[0] == '.' || text[0] == ',')) {
    if (text[0] != ',') digits += text[0];
    text.remove_prefix(1);
  }
  double factor = 1;
  if (take_one_of(text, {"万", "w", "W"})) {
    factor = 1e4;
  } else if (take_one_of(text, {"亿"})) {
    factor = 1e8;
  }
  take_one_of(text, {"+"});
  const auto number = number_of(digits);
  if (!number || !text.empty() || *number * factor > 9e15) return std::nullopt;
  const double whole = *number * factor;
  if (factor == 1 && whole != std::floor(whole)) return std::nullopt;
  return std::llround(whole);
}

}  // namespace tidewatch

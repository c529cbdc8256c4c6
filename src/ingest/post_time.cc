// SPDX-License-Identifier: Apache-2.0
#include "ingest/post_time.h"

#include <charconv>
#include <cmath>

#include "core/rfc3339.h"

namespace tidewatch {
namespace {

constexpr double kMillisecondsMin = 1e11;  // 1973; as seconds it would be the year 5138

}  // namespace

std::optional<EventTime> time_from_number(double number) noexcept {
  if (!std::isfinite(number) || number < 0) return std::nullopt;
  if (number < kTimeSecondsMax) {
    return EventTime{std::chrono::milliseconds{static_cast<std::int64_t>(number * 1000.0)}};
  }
  if (number >= kMillisecondsMin && number < kTimeSecondsMax * 1000.0) {
    return EventTime{std::chrono::milliseconds{static_cast<std::int64_t>(number)}};
  }
  return std::nullopt;
}

std::optional<EventTime> time_from_text(std::string_view text) noexcept {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return time_from_number(number);
  const auto time = parse_rfc3339(text);
  if (!time || *time < EventTime{} ||
      *time >= EventTime{std::chrono::seconds{static_cast<std::int64_t>(kTimeSecondsMax)}}) {
    return std::nullopt;
  }
  return time;
}

}  // namespace tidewatch

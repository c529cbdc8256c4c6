// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "alert/alert_manager.h"

namespace tidewatch {

// Ordered: a larger one is worse.
enum class Severity : std::uint8_t { kInfo, kWarning, kCritical };

std::string_view severity_name(Severity severity) noexcept;
std::optional<Severity> parse_severity(std::string_view name) noexcept;

// What severity goes by.
struct SeverityInput {
  std::uint64_t authors = 0;  // unique, since the onset
  double ratio = 0;           // to_rate / from_rate; 0 for changes of negative share
  double negative_share = 0;  // since the onset
};

Severity severity_of(const SeverityInput& input, const AlertOptions& options) noexcept;

// to / from for rates in posts a minute, where less than one a minute counts as one: a key that
// was silent has no ratio of its own.
double rate_ratio(double from_rate, double to_rate) noexcept;

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "alert/severity.h"

#include <algorithm>

namespace tidewatch {

std::string_view severity_name(Severity severity) noexcept {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kCritical:
      return "critical";
  }
  return "info";
}

std::optional<Severity> parse_severity(std::string_view name) noexcept {
  for (const Severity severity : {Severity::kInfo, Severity::kWarning, Severity::kCritical}) {
    if (name == severity_name(severity)) return severity;
  }
  return std::nullopt;
}

Severity severity_of(const SeverityInput& input, const AlertOptions& options) noexcept {
  const auto reached = [&](const AlertOptions::Level& level) {
    return input.authors >= level.authors_min &&
           (input.ratio >= level.ratio_min || input.negative_share >= level.share_min);
  };
  if (reached(options.critical)) return Severity::kCritical;
  return reached(options.warning) ? Severity::kWarning : Severity::kInfo;
}

double rate_ratio(double from_rate, double to_rate) noexcept {
  return std::max(to_rate, 0.0) / std::max(from_rate, 1.0);
}

}  // namespace tidewatch

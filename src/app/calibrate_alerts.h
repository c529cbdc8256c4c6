// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tidewatch {

struct CalibrateAlertsOptions {
  std::string background;           // file or folder of counts
  double false_alarms_per_day = 1;  // over all keys together
  std::size_t hashtags = 9'744;
  double fit_share = 0.6;  // of the days; the rest says what rate the thresholds achieve
  std::uint64_t seed = 1;
  std::string output;  // TOML for [detect] thresholds_file; empty: none
  bool json = false;
};
int run_calibrate_alerts(const CalibrateAlertsOptions& options);

}  // namespace tidewatch

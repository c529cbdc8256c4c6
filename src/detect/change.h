// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/window_counts.h"
#include "detect/forecast.h"

namespace tidewatch {

enum class ChangeKind : std::uint8_t { kVolume, kNegative, kEmergent, kCoordinated };
enum class ChangePhase : std::uint8_t { kStarted, kContinues, kEnded };

// A key left its baseline, is still away from it, or came back. For one key and kind the phases
// come in order: kStarted, any number of kContinues, kEnded; then maybe kStarted again.
struct Change {
  KeyId key;
  KeyName name;
  ChangeKind kind = ChangeKind::kVolume;
  ChangePhase phase = ChangePhase::kStarted;
  std::int64_t onset = 0;  // Unix seconds: estimate of when the change began
  std::int64_t at = 0;     // Unix seconds: the tick that says so
  double score = 0;        // detector statistic over its threshold: 1 is the threshold
  // Largest log-likelihood ratios of the wave so far, in nats; `burst`: of kVolume's second CUSUM.
  double statistic = 0, burst = 0;
  std::uint8_t busy_class = 0;  // of the key when the wave started (see kBusyPerMinute)
  double from_rate = 0;         // posts a minute before (kNegative: share 0..1 before)
  double to_rate = 0;           // posts a minute now (kNegative: share 0..1 now)
  KeyCounts since_onset;        // sums since the onset
  // Of a kVolume wave over all regions (topic@*, *@*): those that it is in, if it is not in all;
  // largest ratio first. Empty in kEnded.
  std::vector<std::string> regions;
  // Posts of the next 30 minutes; from the second minute of the wave on. Nought in kEnded.
  Forecast forecast;
};

}  // namespace tidewatch

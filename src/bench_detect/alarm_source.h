// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/window_counts.h"
#include "detect/change.h"

namespace tidewatch {

struct Alarm {
  std::int64_t at = 0;  // Unix seconds: the end of the second (or poll) that raised it
  KeyId key;
  ChangeKind kind = ChangeKind::kVolume;
  bool operator==(const Alarm&) const = default;
};

// A detector under test: reads the ticks of a pass and says when it would have raised an alarm, at
// each of its settings (from loose to strict), so that one pass gives a whole curve of delay
// against false alarms. Threads: none.
class AlarmSource {
 public:
  virtual ~AlarmSource() = default;
  virtual std::string name() const = 0;
  // Ticks come in order; seconds without posts are left out.
  virtual void observe(const Tick& tick) = 0;
  // All seconds before `now` (a multiple of 60 after the first tick's bin began) were given.
  virtual void reach(std::int64_t now) = 0;
  virtual std::size_t num_settings() const = 0;
  virtual std::string setting_name(std::size_t setting) const = 0;
  virtual const std::vector<Alarm>& alarms(std::size_t setting) const = 0;
};

}  // namespace tidewatch

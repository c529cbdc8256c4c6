// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// A time zone by its IANA name ("Asia/Shanghai", read from the system's tzdata), as a fixed offset
// ("+08:00") or "UTC". A cheap value. Threads: may be used concurrently.
class TimeZone {
 public:
  // kInvalidArgument: no such zone; the message says how to write one.
  static Result<TimeZone> parse(std::string_view name);
  TimeZone();  // UTC

  const std::string& name() const noexcept;
  std::chrono::seconds offset_at(EventTime time) const;  // local = UTC + offset
  // Minute of the local day, 0 to 1,439.
  int minute_of_day(EventTime time) const;
  // The next instant (after `time`, within a day or so) at which the local clock shows `minute` of
  // a day. Where a change of the clock skips it: as long after midnight as it would have been.
  EventTime next(EventTime time, int minute) const;

 private:
  struct Impl;
  explicit TimeZone(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "alert/time_zone.h"

#include <absl/time/time.h>

#include <cstdio>
#include <utility>

namespace tidewatch {

struct TimeZone::Impl {
  std::string name;
  absl::TimeZone zone;
};

namespace {

constexpr int kDayMinutes = 24 * 60;

absl::Time to_absl(EventTime time) { return absl::FromUnixMillis(time.time_since_epoch().count()); }

// "+08:00" and "-03:30".
bool parse_offset(std::string_view text, int& seconds) {
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return false;
  for (const std::size_t i : {1U, 2U, 4U, 5U}) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  const int hours = (text[1] - '0') * 10 + (text[2] - '0');
  const int minutes = (text[4] - '0') * 10 + (text[5] - '0');
  if (hours > 14 || minutes > 59) return false;
  seconds = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
  return true;
}

}  // namespace

Result<TimeZone> TimeZone::parse(std::string_view name) {
  auto impl = std::make_shared<Impl>();
  impl->name = std::string(name);
  int seconds = 0;
  if (parse_offset(name, seconds)) {
    impl->zone = absl::FixedTimeZone(seconds);
  } else if (name.empty() || !absl::LoadTimeZone(impl->name, &impl->zone)) {
    return Error{Code::kInvalidArgument,
                 "'" + impl->name +
                     "' is not a time zone known here; write an IANA name such as "
                     "\"Asia/Shanghai\" (the package tzdata has them) or an offset such as "
                     "\"+08:00\""};
  }
  return TimeZone(std::move(impl));
}

TimeZone::TimeZone() : TimeZone(std::make_shared<const Impl>(Impl{"UTC", absl::UTCTimeZone()})) {}
TimeZone::TimeZone(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

const std::string& TimeZone::name() const noexcept { return impl_->name; }

std::chrono::seconds TimeZone::offset_at(EventTime time) const {
  return std::chrono::seconds{impl_->zone.At(to_absl(time)).offset};
}

int TimeZone::minute_of_day(EventTime time) const {
  const absl::CivilSecond local = impl_->zone.At(to_absl(time)).cs;
  return local.hour() * 60 + local.minute();
}

EventTime TimeZone::next(EventTime time, int minute) const {
  const absl::CivilDay today(impl_->zone.At(to_absl(time)).cs);
  for (int days = 0; days < 3; ++days) {
    const absl::CivilSecond wanted = absl::CivilSecond(today + days) + minute % kDayMinutes * 60;
    const EventTime at{
        std::chrono::milliseconds{absl::ToUnixMillis(absl::FromCivil(wanted, impl_->zone))}};
    if (at > time) return at;
  }
  return time + std::chrono::hours{24};
}

}  // namespace tidewatch

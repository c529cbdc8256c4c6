// SPDX-License-Identifier: Apache-2.0
#include "sources/kafka_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tidewatch {
namespace {

constexpr std::array<std::string_view, 22> kAllowed{
    "security.protocol",
    "sasl.mechanism",
    "sasl.username",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "client.id",
    "client.rack",
    "group.instance.id",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "fetch.message.max.bytes",
    "isolation.level",
    "socket.timeout.ms",
    "socket.keepalive.enable",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "topic.metadata.refresh.interval.ms",
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kElsewhere{{
    {"bootstrap.servers", "brokers"},
    {"metadata.broker.list", "brokers"},
    {"group.id", "group"},
    {"auto.offset.reset", "start"},
    {"sasl.password", "sasl_password, sasl_password_env or sasl_password_file"},
    {"ssl.key.password", "ssl_key_password, ssl_key_password_env or ssl_key_password_file"},
}};

}  // namespace

Status check_kafka_property(std::string_view name) {
  for (const auto& [property, key] : kElsewhere) {
    if (property == name) {
      return Error{Code::kInvalidArgument, fmt::format("is set by {}", key)};
    }
  }
  if (std::find(kAllowed.begin(), kAllowed.end(), name) != kAllowed.end()) return {};
  return Error{Code::kInvalidArgument,
               fmt::format("may not be set; there are {}", fmt::join(kAllowed, ", "))};
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "sources/kafka_message.h"

namespace tidewatch {

struct KafkaOptions {
  std::string name;
  std::string brokers;  // host:port, several with commas
  std::vector<std::string> topics;
  std::string group = "tidewatch";
  KafkaFormat format = KafkaFormat::kJson;
  bool from_latest = false;       // where a group begins that has no offsets; else at the earliest
  std::string dead_letter_topic;  // empty: none
  std::size_t in_flight_max = 1'024;  // posts between the broker and the disk
  // librdkafka's properties, of check_kafka_property(); values of secrets stand beside them.
  std::map<std::string, std::string> properties;
  std::string sasl_password;
  std::string ssl_key_password;
};

// Which of librdkafka's properties may be set: those for security, sessions and fetching. Not what
// loads code, runs commands, turns certificate checks off or breaks the order of commit and disk.
// kInvalidArgument: the message says what to use instead, or which there are.
Status check_kafka_property(std::string_view name);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "alert/channel.h"

namespace tidewatch {

// Writes each message as one structured line to the log (observe/log.h), level info (warning for
// critical alerts), stage `alert`: event, id, key, kind, severity, title, numbers, terms, evidence.
// A message that is not an alert is written as it is. Never fails.
class LogChannel final : public Channel {
 public:
  explicit LogChannel(std::string name = "log") : name_(std::move(name)) {}

  std::string_view name() const override { return name_; }
  Status send(const OutboxMessage& message) override;

 private:
  const std::string name_;
};

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "alert/channel.h"

namespace spdlog {
class logger;
}

namespace tidewatch {

// Writes each message as one structured line (`alert_event {"dedupe_key":…,"alert":{…}}`) at level
// info to a logger. Never blocks for long, never fails.
class LogChannel final : public Channel {
 public:
  // A null logger means spdlog's default one at the time of sending.
  explicit LogChannel(std::string name, std::shared_ptr<spdlog::logger> logger = nullptr);

  std::string_view name() const override { return name_; }
  Status send(const OutboxMessage& message) override;

 private:
  const std::string name_;
  const std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace tidewatch

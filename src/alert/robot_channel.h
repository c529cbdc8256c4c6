// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "alert/channel.h"
#include "alert/message_text.h"
#include "alert/robot_protocol.h"
#include "alert/time_zone.h"
#include "core/clock.h"

namespace tidewatch {

struct RobotOptions {
  std::string name;
  RobotKind kind = RobotKind::kDingTalk;
  std::string url;  // with its token: a secret, never logged. Telegram: of the API
  RobotSecrets secrets;
  std::string token;    // Telegram's bot token
  std::string ca_file;  // PEM; empty: the system's certificates
  std::chrono::milliseconds timeout{10'000};
  MessageLanguage language = MessageLanguage::kChinese;
  TimeZone time_zone;  // of the times in a message
};

// Sends each message to a chat robot as robot_protocol.h shapes it, and understands its answers.
// A message that is not an alert's is refused for good. Threads, errors: as Channel says.
// Ownership: the clock must outlive the channel.
class RobotChannel final : public Channel {
 public:
  // kInvalidArgument: the URL or the CA file cannot be used.
  static Result<std::unique_ptr<RobotChannel>> create(RobotOptions options, const Clock& clock);
  ~RobotChannel() override;

  std::string_view name() const override { return options_.name; }
  std::string_view kind() const override { return robot_name(options_.kind); }
  std::vector<RateLimit> limits() const override { return robot_limits(options_.kind); }
  Status send(const OutboxMessage& message) override;
  void stop() override;

 private:
  RobotChannel(RobotOptions options, std::unique_ptr<HttpPost> http, const Clock& clock);
  const RobotOptions options_;
  const Clock& clock_;
  const std::unique_ptr<HttpPost> http_;
};

}  // namespace tidewatch

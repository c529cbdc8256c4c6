// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alert/http_post.h"
#include "alert/message_text.h"
#include "alert/rate_limit.h"
#include "core/clock.h"
#include "core/result.h"

namespace tidewatch {

// The chat systems' robots, as their makers document them:
//   DingTalk  open.dingtalk.com/document/orgapp/custom-robot-access
//   WeCom     developer.work.weixin.qq.com/document/path/91770
//   Feishu    open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
//   Slack     docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
//   Telegram  core.telegram.org/bots/api#sendmessage
enum class RobotKind : std::uint8_t { kDingTalk, kWeCom, kFeishu, kSlack, kTelegram };

std::string_view robot_name(RobotKind kind) noexcept;  // "dingtalk", …
std::optional<RobotKind> parse_robot(std::string_view name) noexcept;

// What a robot needs to know besides its address.
struct RobotSecrets {
  std::string secret;   // DingTalk, Feishu: signs each message; empty: not signed
  std::string chat_id;  // Telegram: "-100…" or "@channel"
};

// The request for a message. `target` is the URL's own path and query (with the robot's token).
// Pure: `now` is what a signature is made for. Bodies keep within the maker's limits: what is too
// long is shortened, posts first.
HttpRequest robot_request(RobotKind kind, const RobotSecrets& secrets, const std::string& target,
                          const MessageText& text, EventTime now);

// What the answer means; robots answer 200 for errors too. Ok; kResourceExhausted with how long to
// wait (too fast); kUnavailable (busy); kPermissionDenied (wrong token or signature),
// kInvalidArgument (refused for good otherwise), both saying what to mend.
Status judge_robot(RobotKind kind, const std::string& label, const HttpAnswer& answer);

// The maker's limits, less one for messages of others.
std::vector<RateLimit> robot_limits(RobotKind kind);

}  // namespace tidewatch

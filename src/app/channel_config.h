// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "alert/channel.h"
#include "alert/robot_channel.h"
#include "alert/smtp_channel.h"
#include "alert/subscriber.h"
#include "alert/webhook_channel.h"
#include "core/clock.h"
#include "core/result.h"

namespace toml {
inline namespace v3 {
class node;
}
}  // namespace toml

namespace tidewatch {

using ChannelOptions = std::variant<WebhookOptions, RobotOptions, SmtpOptions>;
inline constexpr std::size_t kChannelsMax = 20;
inline constexpr std::size_t kSubscribersMax = 100;

const std::string& channel_name(const ChannelOptions& options);

// Reads one [[channel]] or [[webhook]] list, one [[subscriber]] list. docs/alerts.md has every key.
// Secrets come from the key itself, KEY_env (an environment variable) or KEY_file (a file whose
// last line break is dropped). Errors name file, line and key; never a secret.
Status read_channels(const toml::node& node, const std::string& section, const std::string& file,
                     std::vector<ChannelOptions>& channels);
Status read_subscribers(const toml::node& node, const std::string& file,
                        std::vector<Subscriber>& subscribers);

// Checks that subscribers and channels fit: every channel that is named exists, and every channel
// has a subscriber. Without subscribers there is one, "everyone", with all channels and no rules.
// `other_uses`: channels that need no subscriber, because reports go over them.
Status match_subscribers(const std::string& file, const std::vector<ChannelOptions>& channels,
                         std::vector<Subscriber>& subscribers,
                         const std::vector<std::string>& other_uses = {});

Result<std::unique_ptr<Channel>> make_channel(const ChannelOptions& options, const Clock& clock);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "alert/alert_message.h"
#include "alert/time_zone.h"

namespace tidewatch {

enum class MessageLanguage : std::uint8_t { kChinese, kEnglish };

// A message in words, before a channel gives it its shape. No line holds a line break.
struct MessageText {
  std::string headline;            // 【严重·新预警】财经 · 广东:讨论量升至 3 倍
  std::vector<std::string> facts;  // the most telling first
  std::vector<ShownPost> posts;
  std::string link;
  std::string link_words;   // 查看预警
  std::string posts_words;  // 代表帖子
};

// Says what changed (from, to, since when), where, the emotions, terms and crowd of an alert.
MessageText message_text(const AlertMessage& message, MessageLanguage language,
                         const TimeZone& time_zone);

// Plain text, a fact a line; posts with their addresses.
std::string plain_text(const MessageText& text);

}  // namespace tidewatch

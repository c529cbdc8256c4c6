// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "alert/alert.h"
#include "core/result.h"

namespace tidewatch {

// A post as a message shows it.
struct ShownPost {
  std::string id;
  std::string text;    // at most kShownTextBytesMax
  std::string author;  // may be empty
  std::string url;     // may be empty
  EventTime time{};
};
inline constexpr std::size_t kMessagePostsMax = 3;
inline constexpr std::size_t kShownTextBytesMax = 420;

// The start of a text, cut at a character, with "…" when something is left out.
std::string shorten(std::string_view text, std::size_t bytes_max);

// What an outbox message says, whatever its channel makes of it. Its JSON is the alert's with
// event, note, link and evidence_posts added: what a webhook gets.
struct AlertMessage {
  Alert alert;
  std::string event;                      // event_name()
  std::string note;                       // why it is special; usually empty
  std::string link;                       // to the dashboard; empty: no public_url is configured
  std::vector<ShownPost> evidence_posts;  // at most kMessagePostsMax
};

std::string to_json(const AlertMessage& message);
// kInvalidArgument names the member that is missing or wrong; members beside the alert's may be.
Result<AlertMessage> message_from_json(std::string_view json);

}  // namespace tidewatch

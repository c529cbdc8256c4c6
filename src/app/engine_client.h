// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "alert/webhook_url.h"
#include "core/result.h"

namespace tidewatch {

// What a running engine answered to a command.
struct EngineAnswer {
  unsigned status = 0;
  std::string body;
  std::chrono::milliseconds retry_after{0};  // 0: none
};

// The value of --url. kInvalidArgument: not an address, or one of https.
Result<WebhookUrl> parse_engine_url(const std::string& url);

// One request over a connection of its own. Blocks without a limit but the server's: loading a
// model may take a while. Bound: an answer to a POST of 1 MiB, to a GET of 64 MiB. kUnavailable:
// nobody answers there.
Result<EngineAnswer> post_to_engine(const WebhookUrl& url, const std::string& target,
                                    const std::string& content_type, const std::string& body);
Result<EngineAnswer> get_from_engine(const WebhookUrl& url, const std::string& target);

}  // namespace tidewatch

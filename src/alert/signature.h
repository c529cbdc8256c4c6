// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tidewatch {

// What robots and webhooks sign with. Plain functions of their arguments.
std::string hmac_sha256(std::string_view key, std::string_view content);  // 32 bytes
std::string base64(std::string_view bytes);                               // RFC 4648, padded
std::string lower_hex(std::string_view bytes);
std::string percent_encode(std::string_view text);  // all but RFC 3986's unreserved characters

}  // namespace tidewatch

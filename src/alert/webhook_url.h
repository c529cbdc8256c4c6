// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidewatch {

// Where a webhook goes, taken apart.
struct WebhookUrl {
  bool tls = false;
  std::string host;  // a name or an address, IPv6 without brackets
  std::uint16_t port = 80;
  std::string target;  // path and query, begins with '/'

  std::string host_header() const;  // host, with the port unless it is the scheme's own
  // scheme://host[:port]: for messages, since path and query may hold a token.
  std::string origin() const;
};

// Reads http:// and https:// addresses. A fragment is dropped. kInvalidArgument: another scheme,
// user name in the address, no host, bad port, or characters that must be percent-encoded.
Result<WebhookUrl> parse_webhook_url(std::string_view url);

}  // namespace tidewatch

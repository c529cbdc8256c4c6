// SPDX-License-Identifier: Apache-2.0
#include "alert/webhook_url.h"

#include <algorithm>
#include <charconv>

namespace tidewatch {
namespace {

Error bad(std::string_view why) {
  return Error{Code::kInvalidArgument,
               "webhook address: " + std::string(why) + "; write http(s)://host[:port]/path"};
}

bool starts_with_scheme(std::string_view url, std::string_view scheme) {
  return url.size() >= scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), url.begin(), [](char wanted, char c) {
           return wanted == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c);
         });
}

}  // namespace

std::string WebhookUrl::host_header() const {
  std::string header = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) header += ":" + std::to_string(port);
  return header;
}

std::string WebhookUrl::origin() const { return (tls ? "https://" : "http://") + host_header(); }

Result<WebhookUrl> parse_webhook_url(std::string_view url) {
  if (std::any_of(url.begin(), url.end(), [](char c) { return c <= 0x20 || c >= 0x7F; })) {
    return bad("spaces, control and non-ASCII characters must be percent-encoded");
  }
  WebhookUrl parsed;
  if (starts_with_scheme(url, "https://")) {
    parsed.tls = true;
    parsed.port = 443;
    url.remove_prefix(8);
  } else if (starts_with_scheme(url, "http://")) {
    url.remove_prefix(7);
  } else {
    return bad("it does not begin with http:// or https://");
  }
  url = url.substr(0, url.find('#'));
  const std::size_t path = url.find_first_of("/?");
  std::string_view authority = url.substr(0, path);
  parsed.target = path == std::string_view::npos ? "/" : std::string(url.substr(path));
  if (parsed.target.front() == '?') parsed.target.insert(0, "/");
  if (authority.find('@') != std::string_view::npos) {
    return bad("a user name or password in it is not supported; use a secret instead");
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return bad("'[' without ']'");
    parsed.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
  } else {
    const std::size_t colon = authority.find(':');
    parsed.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon);
  }
  if (parsed.host.empty()) return bad("it has no host");
  if (!port.empty()) {
    port.remove_prefix(port.starts_with(':') ? 1 : 0);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
    if (error != std::errc{} || end != port.data() + port.size() || parsed.port == 0) {
      return bad("the port is not a number from 1 to 65535");
    }
  }
  return parsed;
}

}  // namespace tidewatch

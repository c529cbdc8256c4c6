// SPDX-License-Identifier: Apache-2.0
#include "serve/request_guard.h"

#include <algorithm>
#include <cstddef>

namespace tidewatch {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The host without its port; empty when what follows it is no port.
std::string_view without_port(std::string_view host) {
  const std::size_t close = host.starts_with('[') ? host.find(']') : 0;
  if (close == std::string_view::npos) return {};
  const std::size_t colon = host.find(':', close);
  if (colon == std::string_view::npos) return host;
  const std::string_view port = host.substr(colon + 1);
  return std::all_of(port.begin(), port.end(), is_digit) ? host.substr(0, colon)
                                                         : std::string_view();
}

// "127.", then digits and dots only, with three dots in all.
bool is_loopback_v4(std::string_view host) {
  return host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3 &&
         host.back() != '.' && host.find("..") == std::string_view::npos &&
         std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
}

}  // namespace

bool names_loopback(std::string_view host_header) noexcept {
  const std::string_view host = without_port(host_header);
  return equal_ignoring_case(host, "localhost") || host == "[::1]" || is_loopback_v4(host);
}

bool host_allowed(std::string_view host_header, std::span<const std::string> allowed) noexcept {
  if (names_loopback(host_header)) return true;
  const std::string_view host = without_port(host_header);
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& name) {
    return equal_ignoring_case(name, host_header) ||
           (!host.empty() && equal_ignoring_case(name, host));
  });
}

bool origin_allowed(std::string_view origin, std::string_view host_header,
                    std::span<const std::string> allowed) noexcept {
  if (origin.empty()) return true;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme) && !host_header.empty() &&
        equal_ignoring_case(origin.substr(scheme.size()), host_header)) {
      return true;
    }
  }
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& each) { return equal_ignoring_case(each, origin); });
}

}  // namespace tidewatch

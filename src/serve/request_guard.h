// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tidewatch {

// Pure checks against web pages that talk to a server on the reader's own machine (DNS rebinding,
// cross-site requests). Nobody needs a browser's cooperation to be refused by them.

// "localhost", "127.x.y.z" or "[::1]", with or without a port. Case does not matter.
bool names_loopback(std::string_view host_header) noexcept;

// Whether a request with this Host may be answered: the loopback's names and `allowed` (each
// "name" or "name:port").
bool host_allowed(std::string_view host_header, std::span<const std::string> allowed) noexcept;

// Whether a page of `origin` ("http://host:port") may change state on a server that it called
// `host_header`: its own origin, or one that is allowed. An empty origin (no such header: not a
// browser, or not cross-site) may; "null" may not.
bool origin_allowed(std::string_view origin, std::string_view host_header,
                    std::span<const std::string> allowed) noexcept;

}  // namespace tidewatch

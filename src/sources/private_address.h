// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tidewatch {

// Whether a numeric IPv4 or IPv6 address (a zone after % is ignored) lies where only this machine
// or its own network gets to: loopback, private use, link-local, carrier-grade NAT, multicast,
// documentation and reserved ranges, and IPv6 addresses that carry such an IPv4 address (mapped,
// NAT64, 6to4). What is no address counts as private.
bool is_private_address(std::string_view address);

}  // namespace tidewatch

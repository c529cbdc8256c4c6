// SPDX-License-Identifier: Apache-2.0
#include "sources/private_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace tidewatch {
namespace {

struct Range {
  std::array<std::uint8_t, 16> bytes;
  int bits;  // of them that count
};

// IANA's registries of special-purpose addresses, those that are not globally reachable.
constexpr std::array<Range, 15> kPrivate4{{
    {{0}, 8},              // this network
    {{10}, 8},             // private use
    {{100, 64}, 10},       // carrier-grade NAT
    {{127}, 8},            // loopback
    {{169, 254}, 16},      // link-local, and the metadata services of clouds
    {{172, 16}, 12},       // private use
    {{192, 0, 0}, 24},     // protocol assignments
    {{192, 0, 2}, 24},     // documentation
    {{192, 168}, 16},      // private use
    {{198, 18}, 15},       // benchmarks
    {{198, 51, 100}, 24},  // documentation
    {{203, 0, 113}, 24},   // documentation
    {{224}, 4},            // multicast
    {{240}, 4},            // reserved, broadcast
    {{192, 88, 99}, 24},   // 6to4 relays
}};
constexpr std::array<Range, 9> kPrivate6{{
    {{0}, 96},                          // unspecified, loopback
    {{0, 0x64, 0xFF, 0x9B, 0, 1}, 48},  // NAT64 within one network
    {{0x01}, 64},                       // discarded
    {{0x20, 0x01}, 23},                 // protocol assignments; the few reachable ones of them too
    {{0x20, 0x01, 0x0D, 0xB8}, 32},     // documentation
    {{0xFC}, 7},                        // unique local
    {{0xFE, 0x80}, 10},                 // link-local
    {{0xFE, 0xC0}, 10},                 // site-local, as it once was
    {{0xFF}, 8},                        // multicast
}};

// IPv6 addresses with an IPv4 address in them, from byte `at` on.
struct Carrier {
  Range range;
  std::size_t at;
};
constexpr std::array<Carrier, 3> kCarriers{{
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96}, 12},  // mapped
    {{{0, 0x64, 0xFF, 0x9B}, 96}, 12},                       // NAT64
    {{{0x20, 0x02}, 16}, 2},                                 // 6to4
}};

bool lies_in(std::span<const std::uint8_t> address, const Range& range) {
  for (int bit = 0; bit < range.bits; bit += 8) {
    const auto at = static_cast<std::size_t>(bit / 8);
    const int counting = std::min(range.bits - bit, 8);
    const int mask = (0xFF << (8 - counting)) & 0xFF;
    if (((address[at] ^ range.bytes[at]) & mask) != 0) return false;
  }
  return true;
}

bool is_private4(std::span<const std::uint8_t> address) {
  return std::any_of(kPrivate4.begin(), kPrivate4.end(),
                     [&](const Range& range) { return lies_in(address, range); });
}

}  // namespace

bool is_private_address(std::string_view address) {
  const std::string text{address.substr(0, address.find('%'))};
  std::array<std::uint8_t, 16> bytes{};
  const std::span<const std::uint8_t> all{bytes};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return is_private4(all);
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return true;
  for (const Carrier& carrier : kCarriers) {
    if (lies_in(all, carrier.range)) return is_private4(all.subspan(carrier.at, 4));
  }
  return std::any_of(kPrivate6.begin(), kPrivate6.end(),
                     [&](const Range& range) { return lies_in(all, range); });
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace tidewatch {

// A province-level unit of China as an equal tile: where it stands, so that no borders are drawn.
struct Province {
  std::string_view name;
  std::string_view code;  // ISO 3166-2:CN
  std::string_view english;
  int column;  // 0 to 8, from the west
  int row;     // 0 to 7, from the north
};

std::span<const Province> provinces() noexcept;  // 34

// "Guangdong"; a name that is no province stays as it is.
std::string_view english_region(std::string_view region) noexcept;

}  // namespace tidewatch

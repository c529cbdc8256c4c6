// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tidewatch {

// Where a post is from, as it is counted. Views into the text given or into tables.
struct PostRegion {
  std::string_view province;  // 广东; empty: not said. Also what is no province of China: 美国
  std::string_view city;      // 深圳; empty: not said
  bool operator==(const PostRegion&) const = default;
};

// Reads a region as feeds write it: 广东, 广东省, "广东 深圳", 广东省深圳市, 深圳, 深圳市. A city
// of which the province is not said gets it from the table of China's prefecture-level cities; a
// name that is both (吉林) is the province. Official endings (省, 市, 自治区, …) are left out. What
// is not known stays as it is, up to its first space, and what follows the space is its city. Both
// parts are cut to 128 bytes at a character. "*" is nowhere. Linear, no allocation, never fails.
PostRegion parse_region(std::string_view text);

// "广东 深圳": how a city is written as the region of a key; the province alone without one.
std::string region_name(const PostRegion& region);

}  // namespace tidewatch

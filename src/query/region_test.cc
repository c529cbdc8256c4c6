// SPDX-License-Identifier: Apache-2.0
#include "query/region.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

TEST(RegionTest, ReadsWhatFeedsWrite) {
  const struct {
    const char* text;
    PostRegion region;
  } cases[] = {
      {"", {}},
      {"  ", {}},
      {"*", {}},
      {"广东", {"广东", ""}},
      {"广东省", {"广东", ""}},
      {" 广东 ", {"广东", ""}},
      {"广东 深圳", {"广东", "深圳"}},
      {"广东  深圳市", {"广东", "深圳"}},
      {"广东省深圳市", {"广东", "深圳"}},
      {"广东深圳", {"广东", "深圳"}},
      {"深圳", {"广东", "深圳"}},
      {"深圳市", {"广东", "深圳"}},
      {"北京", {"北京", ""}},
      {"北京市", {"北京", ""}},
      {"北京 海淀区", {"北京", "海淀区"}},
      {"广东 其他", {"广东", ""}},
      {"吉林", {"吉林", ""}},
      {"吉林市", {"吉林", "吉林"}},
      {"吉林省", {"吉林", ""}},
      {"北京 北京", {"北京", ""}},
      {"内蒙古自治区 赤峰", {"内蒙古", "赤峰"}},
      {"广西壮族自治区", {"广西", ""}},
      {"新疆维吾尔自治区喀什地区", {"新疆", "喀什"}},
      {"香港特别行政区", {"香港", ""}},
      {"延边州", {"吉林", "延边"}},
      {"美国", {"美国", ""}},
      {"海外 美国", {"海外", "美国"}},
      {"r7", {"r7", ""}},
      {"unknown", {"unknown", ""}},
  };
  for (const auto& c : cases) EXPECT_EQ(parse_region(c.text), c.region) << c.text;
}

TEST(RegionTest, NamesReadBack) {
  for (const char* text : {"广东", "广东 深圳", "吉林 吉林", "海外 美国", "北京 海淀区"}) {
    EXPECT_EQ(region_name(parse_region(text)), text);
  }
}

TEST(RegionTest, CutsAtACharacter) {
  std::string text;
  for (int i = 0; i < 80; ++i) text += "长";
  EXPECT_EQ(parse_region(text).province.size(), 126u);
}

}  // namespace
}  // namespace tidewatch

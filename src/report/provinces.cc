// SPDX-License-Identifier: Apache-2.0
#include "report/provinces.h"

namespace tidewatch {
namespace {

constexpr Province kProvinces[] = {
    {"黑龙江", "HL", "Heilongjiang", 8, 0}, {"内蒙古", "NM", "Inner Mongolia", 5, 1},
    {"北京", "BJ", "Beijing", 6, 1},        {"吉林", "JL", "Jilin", 8, 1},
    {"新疆", "XJ", "Xinjiang", 0, 2},       {"甘肃", "GS", "Gansu", 2, 2},
    {"宁夏", "NX", "Ningxia", 3, 2},        {"山西", "SX", "Shanxi", 4, 2},
    {"河北", "HE", "Hebei", 5, 2},          {"天津", "TJ", "Tianjin", 6, 2},
    {"辽宁", "LN", "Liaoning", 7, 2},       {"青海", "QH", "Qinghai", 1, 3},
    {"陕西", "SN", "Shaanxi", 3, 3},        {"河南", "HA", "Henan", 4, 3},
    {"山东", "SD", "Shandong", 5, 3},       {"西藏", "XZ", "Tibet", 0, 4},
    {"四川", "SC", "Sichuan", 2, 4},        {"重庆", "CQ", "Chongqing", 3, 4},
    {"湖北", "HB", "Hubei", 4, 4},          {"安徽", "AH", "Anhui", 5, 4},
    {"江苏", "JS", "Jiangsu", 6, 4},        {"上海", "SH", "Shanghai", 7, 4},
    {"云南", "YN", "Yunnan", 2, 5},         {"贵州", "GZ", "Guizhou", 3, 5},
    {"湖南", "HN", "Hunan", 4, 5},          {"江西", "JX", "Jiangxi", 5, 5},
    {"浙江", "ZJ", "Zhejiang", 6, 5},       {"广西", "GX", "Guangxi", 3, 6},
    {"广东", "GD", "Guangdong", 4, 6},      {"福建", "FJ", "Fujian", 5, 6},
    {"台湾", "TW", "Taiwan", 7, 6},         {"海南", "HI", "Hainan", 3, 7},
    {"澳门", "MO", "Macao", 4, 7},          {"香港", "HK", "Hong Kong", 5, 7},
};

}  // namespace

std::span<const Province> provinces() noexcept { return kProvinces; }

std::string_view english_region(std::string_view region) noexcept {
  for (const Province& province : kProvinces) {
    if (province.name == region) return province.english;
  }
  return region;
}

}  // namespace tidewatch

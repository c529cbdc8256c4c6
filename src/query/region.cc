// SPDX-License-Identifier: Apache-2.0
#include "query/region.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tidewatch {
namespace {

constexpr std::size_t kPartBytesMax = 128;

// The 34 provinces and, of each, its prefecture-level cities and prefectures without the ending.
constexpr std::pair<std::string_view, std::string_view> kProvinces[] = {
    {"北京", ""},
    {"天津", ""},
    {"上海", ""},
    {"重庆", ""},
    {"香港", ""},
    {"澳门", ""},
    {"台湾", "台北 新北 桃园 台中 台南 高雄 基隆 新竹 嘉义"},
    {"河北", "石家庄 唐山 秦皇岛 邯郸 邢台 保定 张家口 承德 沧州 廊坊 衡水"},
    {"山西", "太原 大同 阳泉 长治 晋城 朔州 晋中 运城 忻州 临汾 吕梁"},
    {"内蒙古",
     "呼和浩特 包头 乌海 赤峰 通辽 鄂尔多斯 呼伦贝尔 巴彦淖尔 乌兰察布 兴安 锡林郭勒 阿拉善"},
    {"辽宁", "沈阳 大连 鞍山 抚顺 本溪 丹东 锦州 营口 阜新 辽阳 盘锦 铁岭 朝阳 葫芦岛"},
    {"吉林", "长春 吉林 四平 辽源 通化 白山 松原 白城 延边"},
    {"黑龙江",
     "哈尔滨 齐齐哈尔 鸡西 鹤岗 双鸭山 大庆 伊春 佳木斯 七台河 牡丹江 黑河 绥化 大兴安岭"},
    {"江苏", "南京 无锡 徐州 常州 苏州 南通 连云港 淮安 盐城 扬州 镇江 泰州 宿迁"},
    {"浙江", "杭州 宁波 温州 嘉兴 湖州 绍兴 金华 衢州 舟山 台州 丽水"},
    {"安徽", "合肥 芜湖 蚌埠 淮南 马鞍山 淮北 铜陵 安庆 黄山 滁州 阜阳 宿州 六安 亳州 池州 宣城"},
    {"福建", "福州 厦门 莆田 三明 泉州 漳州 南平 龙岩 宁德"},
    {"江西", "南昌 景德镇 萍乡 九江 新余 鹰潭 赣州 吉安 宜春 抚州 上饶"},
    {"山东", "济南 青岛 淄博 枣庄 东营 烟台 潍坊 济宁 泰安 威海 日照 临沂 德州 聊城 滨州 菏泽"},
    {"河南",
     "郑州 开封 洛阳 平顶山 安阳 鹤壁 新乡 焦作 濮阳 许昌 漯河 三门峡 南阳 商丘 信阳 周口 "
     "驻马店 济源"},
    {"湖北",
     "武汉 黄石 十堰 宜昌 襄阳 鄂州 荆门 孝感 荆州 黄冈 咸宁 随州 恩施 仙桃 潜江 天门 神农架"},
    {"湖南", "长沙 株洲 湘潭 衡阳 邵阳 岳阳 常德 张家界 益阳 郴州 永州 怀化 娄底 湘西"},
    {"广东",
     "广州 韶关 深圳 珠海 汕头 佛山 江门 湛江 茂名 肇庆 惠州 梅州 汕尾 河源 阳江 清远 东莞 "
     "中山 潮州 揭阳 云浮"},
    {"广西", "南宁 柳州 桂林 梧州 北海 防城港 钦州 贵港 玉林 百色 贺州 河池 来宾 崇左"},
    {"海南", "海口 三亚 三沙 儋州 琼海 文昌 万宁 东方 五指山"},
    {"四川",
     "成都 自贡 攀枝花 泸州 德阳 绵阳 广元 遂宁 内江 乐山 南充 眉山 宜宾 广安 达州 雅安 巴中 "
     "资阳 阿坝 甘孜 凉山"},
    {"贵州", "贵阳 六盘水 遵义 安顺 毕节 铜仁 黔西南 黔东南 黔南"},
    {"云南", "昆明 曲靖 玉溪 保山 昭通 丽江 普洱 临沧 楚雄 红河 文山 西双版纳 大理 德宏 怒江 迪庆"},
    {"西藏", "拉萨 日喀则 昌都 林芝 山南 那曲 阿里"},
    {"陕西", "西安 铜川 宝鸡 咸阳 渭南 延安 汉中 榆林 安康 商洛"},
    {"甘肃", "兰州 嘉峪关 金昌 白银 天水 武威 张掖 平凉 酒泉 庆阳 定西 陇南 临夏 甘南"},
    {"青海", "西宁 海东 海北 黄南 果洛 玉树 海西"},
    {"宁夏", "银川 石嘴山 吴忠 固原 中卫"},
    {"新疆",
     "乌鲁木齐 克拉玛依 吐鲁番 哈密 昌吉 博尔塔拉 巴音郭楞 阿克苏 克孜勒苏 喀什 和田 伊犁 塔城 "
     "阿勒泰 石河子"},
};

// Longest first, so that 自治区 is not taken for 区.
constexpr std::string_view kProvinceEndings[] = {
    "维吾尔自治区", "壮族自治区", "回族自治区", "特别行政区", "自治区", "省", "市"};
constexpr std::string_view kCityEndings[] = {"自治州", "地区", "市", "州", "盟"};

struct Tables {
  std::unordered_map<std::string_view, std::string_view> cities;  // to their province

  Tables() {
    for (const auto& [province, list] : kProvinces) {
      for (std::size_t at = 0; at < list.size();) {
        const std::size_t end = std::min(list.find(' ', at), list.size());
        cities.emplace(list.substr(at, end - at), province);
        at = end + 1;
      }
    }
  }
};

const Tables& tables() {
  static const Tables built;
  return built;
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view cut(std::string_view text) {
  if (text.size() <= kPartBytesMax) return text;
  std::size_t end = kPartBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

template <typename Endings>
std::string_view without_ending(std::string_view text, const Endings& endings) {
  for (const std::string_view ending : endings) {
    if (text.size() > ending.size() && text.ends_with(ending)) {
      return text.substr(0, text.size() - ending.size());
    }
  }
  return text;
}

// The province that `text` begins with; `rest` is what follows it and its ending.
std::string_view leading_province(std::string_view text, std::string_view& rest) {
  for (const auto& [province, cities] : kProvinces) {
    if (!text.starts_with(province)) continue;
    rest = text.substr(province.size());
    for (const std::string_view ending : kProvinceEndings) {
      if (!rest.starts_with(ending)) continue;
      rest.remove_prefix(ending.size());
      break;
    }
    return province;
  }
  return {};
}

// The name of a city as the table has it, or as it is where the table has none.
std::string_view city_name(std::string_view text) {
  text = trim(text);
  if (tables().cities.contains(text)) return text;
  const std::string_view bare = without_ending(text, kCityEndings);
  return tables().cities.contains(bare) ? bare : cut(text);
}

}  // namespace

PostRegion parse_region(std::string_view text) {
  text = trim(text);
  if (text.empty() || text == "*") return {};
  const std::size_t space = text.find(' ');
  const std::string_view head = text.substr(0, space);
  const std::string_view tail =
      space == std::string_view::npos ? std::string_view{} : trim(text.substr(space));
  std::string_view rest;
  if (const std::string_view province = leading_province(head, rest); !province.empty()) {
    // 北京市 is done; of 吉林市 the ending says that the city is meant.
    if (rest.empty() && !tail.empty()) {
      const std::string_view city = city_name(tail);
      const bool none = city == "其他" || (city == province && !tables().cities.contains(city));
      return {province, none ? std::string_view{} : city};
    }
    if (rest.empty()) {
      const bool as_city = head.ends_with("市") && tables().cities.contains(province);
      return {province, as_city ? province : std::string_view{}};
    }
    const std::string_view city = city_name(rest);
    if (tables().cities.contains(city)) return {province, city};
    // 海南州 and the like: more than a province's name and yet no city of it.
    return {cut(head), cut(tail)};
  }
  const std::string_view city = city_name(head);
  if (const auto found = tables().cities.find(city); found != tables().cities.end()) {
    return {found->second, found->first};
  }
  return {cut(head), cut(tail)};
}

std::string region_name(const PostRegion& region) {
  std::string name{region.province};
  if (!region.city.empty()) (name += ' ') += region.city;
  return name;
}

}  // namespace tidewatch

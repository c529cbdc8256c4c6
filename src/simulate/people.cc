// SPDX-License-Identifier: Apache-2.0
#include "simulate/people.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

namespace tidewatch {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kGuangdong[] = {"广州", "深圳", "东莞", "佛山", "珠海",
                                           "惠州", "汕头", "中山", "湛江", "江门"};
constexpr std::string_view kJiangsu[] = {"南京", "苏州", "无锡", "南通", "常州", "徐州", "扬州"};
constexpr std::string_view kZhejiang[] = {"杭州", "宁波", "温州", "金华", "绍兴", "嘉兴", "台州"};
constexpr std::string_view kShandong[] = {"济南", "青岛", "烟台", "潍坊", "临沂", "济宁", "淄博"};
constexpr std::string_view kHenan[] = {"郑州", "洛阳", "南阳", "新乡", "开封", "信阳", "商丘"};
constexpr std::string_view kSichuan[] = {"成都", "绵阳", "宜宾", "南充", "德阳", "乐山", "泸州"};
constexpr std::string_view kHubei[] = {"武汉", "宜昌", "襄阳", "荆州", "黄冈", "十堰"};
constexpr std::string_view kHunan[] = {"长沙", "株洲", "衡阳", "岳阳", "常德", "湘潭"};
constexpr std::string_view kHebei[] = {"石家庄", "唐山", "保定", "邯郸", "廊坊", "秦皇岛"};
constexpr std::string_view kAnhui[] = {"合肥", "芜湖", "阜阳", "安庆", "蚌埠", "滁州"};
constexpr std::string_view kFujian[] = {"福州", "厦门", "泉州", "漳州", "莆田", "宁德"};
constexpr std::string_view kShaanxi[] = {"西安", "咸阳", "宝鸡", "渭南", "汉中", "榆林"};
constexpr std::string_view kJiangxi[] = {"南昌", "赣州", "九江", "上饶", "景德镇", "宜春"};
constexpr std::string_view kLiaoning[] = {"沈阳", "大连", "鞍山", "锦州", "抚顺", "丹东"};
constexpr std::string_view kGuangxi[] = {"南宁", "柳州", "桂林", "玉林", "北海", "梧州"};
constexpr std::string_view kYunnan[] = {"昆明", "大理", "曲靖", "丽江", "玉溪", "红河"};
constexpr std::string_view kGuizhou[] = {"贵阳", "遵义", "毕节", "六盘水", "凯里"};
constexpr std::string_view kShanxi[] = {"太原", "大同", "临汾", "运城", "长治"};
constexpr std::string_view kHeilongjiang[] = {"哈尔滨", "大庆", "齐齐哈尔", "牡丹江", "佳木斯"};
constexpr std::string_view kJilin[] = {"长春", "吉林", "延边", "四平", "通化"};
constexpr std::string_view kXinjiang[] = {"乌鲁木齐", "喀什", "伊犁", "库尔勒", "石河子"};
constexpr std::string_view kGansu[] = {"兰州", "天水", "酒泉", "庆阳", "张掖"};
constexpr std::string_view kInnerMongolia[] = {"呼和浩特", "包头", "赤峰", "鄂尔多斯", "呼伦贝尔"};
constexpr std::string_view kHainan[] = {"海口", "三亚", "儋州", "琼海"};
constexpr std::string_view kNingxia[] = {"银川", "石嘴山", "吴忠", "中卫"};
constexpr std::string_view kQinghai[] = {"西宁", "海东", "格尔木"};
constexpr std::string_view kTibet[] = {"拉萨", "林芝", "日喀则"};
constexpr std::string_view kBeijing[] = {"朝阳", "海淀", "丰台", "通州", "昌平", "西城"};
constexpr std::string_view kShanghai[] = {"浦东", "徐汇", "闵行", "杨浦", "松江", "静安"};
constexpr std::string_view kTianjin[] = {"南开", "河西", "滨海新区", "和平"};
constexpr std::string_view kChongqing[] = {"渝北", "江北", "沙坪坝", "万州", "南岸"};
constexpr std::string_view kTaiwan[] = {"台北", "高雄", "台中", "新竹"};

// Population, with more for places where more people use such networks.
constexpr std::array<Region, 35> kRegions = {{
    {"广东", 128, kGuangdong},
    {"江苏", 76, kJiangsu},
    {"浙江", 68, kZhejiang},
    {"山东", 62, kShandong},
    {"北京", 60, kBeijing},
    {"四川", 58, kSichuan},
    {"河南", 56, kHenan},
    {"上海", 50, kShanghai},
    {"湖北", 42, kHubei},
    {"湖南", 42, kHunan},
    {"河北", 38, kHebei},
    {"福建", 36, kFujian},
    {"安徽", 34, kAnhui},
    {"陕西", 30, kShaanxi},
    {"辽宁", 28, kLiaoning},
    {"江西", 25, kJiangxi},
    {"重庆", 25, kChongqing},
    {"广西", 25, kGuangxi},
    {"云南", 22, kYunnan},
    {"山西", 19, kShanxi},
    {"黑龙江", 17, kHeilongjiang},
    {"贵州", 17, kGuizhou},
    {"天津", 15, kTianjin},
    {"吉林", 13, kJilin},
    {"内蒙古", 13, kInnerMongolia},
    {"新疆", 12, kXinjiang},
    {"甘肃", 11, kGansu},
    {"海南", 8, kHainan},
    {"海外", 8, {}},
    {"香港", 6, {}},
    {"宁夏", 4, kNingxia},
    {"青海", 3, kQinghai},
    {"台湾", 3, kTaiwan},
    {"西藏", 2, kTibet},
    {"澳门", 1, {}},
}};

// Nicknames are kFirst x kSecond x kThird; the sizes make more than kNumAuthors of them.
constexpr std::string_view kFirst[] = {
    "爱吃",   "今天也想", "一只",     "南方",   "不想上班的", "深夜",     "小城",       "可爱的",
    "奔跑的", "迷路的",   "睡不醒",   "隔壁",   "半糖",       "追光的",   "冬日",       "春天的",
    "会飞的", "沉默的",   "快乐",     "暴躁",   "佛系",       "养生",     "北方",       "海边的",
    "山里的", "不加糖的", "打工人",   "咸鱼",   "人间",       "月亮上的", "失眠的",     "干饭人",
    "慢半拍", "云上",     "旧时光",   "早起的", "迟到的",     "江湖",     "温柔的",     "倔强的",
    "圆滚滚", "三分甜",   "晒太阳的", "等风的", "写字的",     "路过的",   "爱笑的",     "发呆的",
    "修仙的", "大写的",   "一颗",     "碎碎念", "自由的",     "橘色",     "蓝色",       "落单的",
    "夜航",   "远方的",   "七月",     "十二月", "星期八",     "安静的",   "热气腾腾的", "老派"};
constexpr std::string_view kSecond[] = {
    "小鹿",     "土豆",   "橘子",   "柚子",   "鲸鱼",   "麻薯",   "阿狸",   "西瓜",   "青柠",
    "胖达",     "团子",   "汤圆",   "海鸥",   "山茶",   "板栗",   "小熊",   "兔子",   "狐狸",
    "饼干",     "糯米",   "阿花",   "大鹏",   "老王",   "小李",   "阿杰",   "晓晓",   "婷婷",
    "子涵",     "阿强",   "小满",   "立夏",   "白露",   "惊蛰",   "谷雨",   "木槿",   "银杏",
    "企鹅",     "水獭",   "柴犬",   "橘猫",   "仙人掌", "向日葵", "蒲公英", "四叶草", "小行星",
    "月球居民", "宇航员", "火车",   "邮筒",   "雨伞",   "风筝",   "灯塔",   "船长",   "渔夫",
    "木匠",     "画家",   "诗人",   "二丫",   "阿May",  "Leo",    "Coco",   "Momo",   "Jason",
    "Kiki",     "Vivian", "小太阳", "酸奶",   "泡面",   "火锅",   "奶盖",   "豆沙包", "年糕",
    "冰棍",     "糖葫芦", "鹌鹑",   "乌龙茶", "河马",   "松鼠",   "海豹",   "大象"};
constexpr std::string_view kThird[] = {
    "",         "_",      "酱",       "同学",   "呀",     "啊",     "吖",           "君",
    "儿",       "er",     "本人",     "2号",    "_0x",    "喵",     "爸爸",         "妈妈",
    "日记",     "的家",   "zzZ",      "99",     "2001",   "1996",   "520",          "888",
    "在路上",   "吃不胖", "小姐",     "先生",   "大人",   "本尊",   "的日常",       "很困",
    "Official", "_Lin",   "_Chen",    "_W",     "咩",     "哒",     "哇",           "丶",
    "66",       "1314",   "不吃香菜", "想退休", "看世界", "Studio", "碎片",         "手记",
    "电台",     "小号",   "要早睡",   "Sunny",  "Blue",   "1988",   "_x",           "x",
    "th",       "Y",      "不熬夜",   "in",     "家的猫", "家的狗", "今天运动了吗", "别催",
    "在摸鱼",   "小分队", "研究所",   "小卖部", "俱乐部", "事务所", "播报",         "观察",
    "不是我",   "本猫",   "三号",     "甜甜",   "飞飞",   "咯",     "啦",           "嘞"};

constexpr double kActivityOffset = 40;  // Mandelbrot's q: flattens the very top
constexpr double kActivityPower = 0.2;  // 1 - Zipf's exponent

}  // namespace

std::span<const Region> regions() { return kRegions; }

int find_region(std::string_view name) {
  for (std::size_t i = 0; i < kRegions.size(); ++i) {
    if (kRegions[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

Population::Population() {
  static_assert(std::size(kFirst) * std::size(kSecond) * std::size(kThird) >= kNumAuthors);
  std::uint32_t weight_total = 0;
  for (const Region& region : kRegions) weight_total += region.weight;
  std::uint32_t first = 0;
  for (std::size_t i = 0; i < kRegions.size(); ++i) {
    const auto size =
        static_cast<std::uint32_t>(std::uint64_t{kRegions[i].weight} * kNumAuthors / weight_total);
    first_.push_back(first);
    size_.push_back(size);
    first += size;
    lottery_.insert(lottery_.end(), kRegions[i].weight, static_cast<std::uint16_t>(i));
    const double low = std::pow(kActivityOffset, kActivityPower);
    shape_.push_back({low, std::pow(size + kActivityOffset, kActivityPower) - low});
  }
  assert(first <= kNumAuthors);
}

std::uint32_t Population::pick_region(Random& random) const {
  return lottery_[random.below(static_cast<std::uint32_t>(lottery_.size()))];
}

Author Population::pick_author(std::uint32_t region, Random& random) const {
  const Shape& shape = shape_[region];
  const double root = shape.low + random.unit() * shape.span;
  static_assert(kActivityPower == 0.2);  // the inverse is the fifth power
  const double x = root * root * root * root * root - kActivityOffset;
  const auto rank = static_cast<std::uint32_t>(std::max(x, 0.0));
  return {region, std::min(rank, size_[region] - 1)};
}

void Population::append_nickname(Author author, std::string& out) const {
  // A permutation of the combinations (the factor is prime and larger than any of the sizes), so
  // that neighbours do not look alike.
  constexpr std::uint64_t kCombinations =
      std::size(kFirst) * std::size(kSecond) * std::size(kThird);
  std::uint64_t mixed = (std::uint64_t{number(author)} * 179'426'549 + 77'777) % kCombinations;
  out += kFirst[mixed % std::size(kFirst)];
  mixed /= std::size(kFirst);
  out += kSecond[mixed % std::size(kSecond)];
  out += kThird[mixed / std::size(kSecond)];
}

std::string_view Population::city(Author author) const {
  const Region& region = kRegions[author.region];
  if (region.cities.empty()) return region.name;
  // Two draws, the lower wins: the first town of a list is the largest.
  const std::uint64_t hash = mix_bits(number(author) + 0xC17ULL);
  const auto count = static_cast<std::uint32_t>(region.cities.size());
  const auto one = static_cast<std::uint32_t>(hash) % count;
  const auto two = static_cast<std::uint32_t>(hash >> 32) % count;
  return region.cities[std::min(one, two)];
}

bool Population::writes_traditional(Author author) const {
  const std::string_view name = kRegions[author.region].name;
  const bool home = name == "香港" || name == "澳门" || name == "台湾";
  const auto dice = mix_bits(number(author) + 0x7AADULL) % 1000;
  return dice < (home ? 800 : name == "海外" ? 150 : name == "广东" ? 12 : 3);
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "tokenize/tokenize_bench_run.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string_view>

namespace tidewatch {
namespace {

std::uint64_t encode_all(const Tokenizer& tokenizer, std::span<const std::string> texts,
                         std::span<std::int32_t> ids) {
  std::uint64_t tokens = 0;
  for (const std::string& text : texts) tokens += tokenizer.encode(text, ids);
  return tokens;
}

std::chrono::nanoseconds percentile(const std::vector<std::int64_t>& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return std::chrono::nanoseconds(sorted[static_cast<std::size_t>(std::lround(share * last))]);
}

constexpr std::string_view kChinese[] = {
    "今天早上地铁二号线又晚点了",
    "站台上挤满了人",
    "大家都在等通知",
    "希望早点恢复正常",
    "这家店的牛肉面真的好吃",
    "汤很浓",
    "价格也不贵",
    "下次还要带朋友来",
    "刚看完昨晚的比赛",
    "最后一分钟绝杀",
    "太激动了",
    "嗓子都喊哑了",
    "听说新手机下个月发布",
    "续航比上一代提升不少",
    "就是有点贵",
    "再等等看吧",
    "暴雨红色预警已经发布",
    "请大家尽量不要外出",
    "注意安全",
    "低洼路段已经积水",
    "真是气死我了",
    "客服一直在敷衍",
    "退款三天都没到账",
    "再也不买这个牌子了",
    "孩子第一次自己上学",
    "心里又高兴又担心",
    "时间过得真快",
    "转眼就长大了",
    "這間餐廳的服務態度很差",
    "等了一個小時還沒上菜",
    "臺北今晚下雨",
    "記得帶傘",
};
constexpr std::string_view kMarks[] = {"，", "。", "！", "？",     "……", "、",
                                       "；", " ",  "~",  "！！！", "～"};
constexpr std::string_view kOther[] = {
    "@小明同学 ",
    "//@路过的人: ",
    "#今天也要加油#",
    "[心]",
    "[笑cry]",
    "[泪][泪]",
    "😂",
    "👍🏻",
    "❤️",
    "https://example.com/p/3f9Ab27 ",
    "2024年10月1日",
    "12345",
    "3.5%",
    "100元",
    "iPhone 16 Pro",
    "just do it",
    "The weather is unbelievably good",
    "ＮＢＡ",
    "１２３",
    "OK",
    "café",
    "哈哈哈哈哈",
    "もう一度",
    "〇",
    "「新闻」",
    "VS",
    "GDP增长5.2%",
    "U盘",
    "wifi",
    "转发微博",
};

template <std::size_t N>
std::string_view pick(const std::string_view (&from)[N], std::mt19937_64& random) {
  return from[random() % N];
}

}  // namespace

TokenizeBenchResult run_tokenize_bench(const Tokenizer& tokenizer,
                                       std::span<const std::string> texts, const Clock& clock,
                                       TokenizeBenchOptions options) {
  TokenizeBenchResult result;
  if (texts.empty()) return result;
  std::vector<std::int32_t> ids(tokenizer.tokens_max());
  encode_all(tokenizer, texts, ids);

  const SteadyTime begin = clock.steady_now();
  for (std::uint64_t pass = 0; pass < options.passes_max; ++pass) {
    result.tokens += encode_all(tokenizer, texts, ids);
    result.texts += texts.size();
    result.elapsed = clock.steady_now() - begin;
    if (result.elapsed >= options.duration_min) break;
  }
  const double seconds = std::chrono::duration<double>(result.elapsed).count();
  if (seconds > 0) {
    result.texts_per_second = static_cast<double>(result.texts) / seconds;
    result.tokens_per_second = static_cast<double>(result.tokens) / seconds;
  }
  result.tokens_mean = static_cast<double>(result.tokens) / static_cast<double>(result.texts);

  std::vector<std::int64_t> times_ns;
  times_ns.reserve(texts.size());
  for (const std::string& text : texts) {
    const SteadyTime start = clock.steady_now();
    tokenizer.encode(text, ids);
    times_ns.push_back(std::chrono::nanoseconds(clock.steady_now() - start).count());
  }
  std::sort(times_ns.begin(), times_ns.end());
  result.p50 = percentile(times_ns, 0.50);
  result.p95 = percentile(times_ns, 0.95);
  result.p99 = percentile(times_ns, 0.99);
  result.p999 = percentile(times_ns, 0.999);
  result.max = std::chrono::nanoseconds(times_ns.back());
  return result;
}

std::vector<std::string> make_tokenize_bench_texts(const Tokenizer& tokenizer,
                                                   TokenizeBenchTexts options) {
  std::mt19937_64 random(options.seed);
  std::vector<std::int32_t> ids(tokenizer.tokens_max());
  std::vector<std::string> texts;
  texts.reserve(options.count);
  while (texts.size() < options.count) {
    const double uniform = (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53;
    const double spread = static_cast<double>(options.tokens_mean) - options.tokens_min;
    const double target = std::min(options.tokens_min - spread * std::log(uniform),
                                   static_cast<double>(tokenizer.tokens_max()));
    std::string text;
    // The last fragment overshoots by some tokens: half of one is taken off.
    for (std::size_t tokens = 2; static_cast<double>(tokens) + 3 < target;
         tokens = tokenizer.encode(text, ids)) {
      text += random() % 4 == 0 ? pick(kOther, random) : pick(kChinese, random);
      text += pick(kMarks, random);
      if (tokens == tokenizer.tokens_max()) break;
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace tidewatch

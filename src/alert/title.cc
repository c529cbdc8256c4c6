// SPDX-License-Identifier: Apache-2.0
#include "alert/title.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "alert/severity.h"

namespace tidewatch {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kTopicTitles{{
    {"agriculture", "三农"},
    {"car", "汽车"},
    {"culture", "文化"},
    {"edu", "教育"},
    {"entertainment", "娱乐"},
    {"finance", "财经"},
    {"game", "游戏"},
    {"house", "房产"},
    {"military", "军事"},
    {"sports", "体育"},
    {"story", "故事"},
    {"tech", "科技"},
    {"travel", "旅游"},
    {"world", "国际"},
    {"unknown", "未分类"},
}};

// Below this a former rate is told as "hardly any" instead of a ratio that means nothing.
constexpr double kSilentRate = 0.2;

// 3 for 3.04, 3.4 for 3.42, 12 for 12.3.
std::string times(double ratio) {
  const double rounded = ratio < 10 ? std::round(ratio * 10) / 10 : std::round(ratio);
  std::string text = std::to_string(static_cast<long long>(rounded));
  const auto tenth = std::llround(rounded * 10) % 10;
  if (ratio < 10 && tenth != 0) text += "." + std::to_string(tenth);
  return text;
}

std::string percent(double share) {
  return std::to_string(std::llround(std::clamp(share, 0.0, 1.0) * 100)) + "%";
}

std::string per_minute(double rate) {
  return rate < 1 ? "不到 1" : std::to_string(std::llround(rate));
}

std::string what(const TitleFacts& facts) {
  if (facts.kind == "negative") {
    return "负面占比由 " + percent(facts.from_rate) + " 升至 " + percent(facts.to_rate);
  }
  if (facts.kind == "emergent") return "新话题涌现,每分钟 " + per_minute(facts.to_rate) + " 条";
  if (facts.kind == "coordinated") {
    return "疑似协同发布,每分钟 " + per_minute(facts.to_rate) + " 条";
  }
  if (facts.from_rate < kSilentRate) {
    return "讨论从几乎没有升至每分钟 " + per_minute(facts.to_rate) + " 条";
  }
  return "讨论量升至 " + times(facts.to_rate / facts.from_rate) + " 倍";
}

// Most posts that have a text repeat a few texts.
bool is_copy_paste(const TitleFacts& facts) {
  const std::uint64_t with_text = facts.posts - std::min(facts.posts, facts.bare_reposts);
  return with_text >= 10 && facts.texts * 3 <= with_text;
}

}  // namespace

std::string_view topic_title(std::string_view topic) noexcept {
  for (const auto& [name, title] : kTopicTitles) {
    if (name == topic) return title;
  }
  return topic;
}

std::string key_title(const KeyName& key) {
  if (key.kind == KeyKind::kHashtag) return "#" + key.term + "#";
  if (key.kind == KeyKind::kTextGroup) {  // without the 8 digits that make it unique
    return "相同文字“" + key.term.substr(std::min<std::size_t>(key.term.size(), 9)) + "…”";
  }
  if (key.kind == KeyKind::kEmergentTopic) return "“" + key.term + "”";
  if (key.kind == KeyKind::kRule) return "规则“" + key.term + "”";
  if (key.kind == KeyKind::kKeyword) return "关注词“" + key.term + "”";
  const std::string region = key.region == "unknown" ? "地区不明" : key.region;
  if (key.topic == "*") return region == "*" ? "全部话题" : region;
  const std::string topic(topic_title(key.topic));
  return region == "*" ? topic : topic + " · " + region;
}

std::string alert_title(const KeyName& key, const TitleFacts& facts) {
  std::string title = key_title(key);
  if (!facts.hashtag.empty() && facts.hashtag != title) {
    title += " ";
    title += facts.hashtag;
  }
  title += ":" + what(facts) + "(" + std::to_string(facts.posts) + " 条," +
           std::to_string(facts.authors) + " 人";
  if (is_copy_paste(facts)) title += ",多为相同文字,仅 " + std::to_string(facts.texts) + " 种";
  title += ")";
  std::replace_if(
      title.begin(), title.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return title;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "alert/message_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "aggregate/window_counts.h"
#include "alert/title.h"

namespace tidewatch {
namespace {

using Names = std::array<std::pair<std::string_view, std::string_view>, 9>;
constexpr Names kEvents{{{"opened", "新预警"},
                         {"updated", "有变化"},
                         {"closed", "已平息"},
                         {"escalated", "升级"},
                         {"acknowledged", "已确认"},
                         {"resolved", "已处置"},
                         {"reopened", "重新打开"},
                         {"muted", "已静音"},
                         {"unmuted", "取消静音"}}};
constexpr Names kWords{{{"info", "提示"},
                        {"warning", "警告"},
                        {"critical", "严重"},
                        {"angry", "愤怒"},
                        {"fear", "恐惧"},
                        {"happy", "喜悦"},
                        {"neutral", "中性"},
                        {"sad", "悲伤"},
                        {"surprise", "惊讶"}}};

std::string_view chinese(const Names& names, std::string_view word) {
  const auto found = std::find_if(names.begin(), names.end(),
                                  [&](const auto& entry) { return entry.first == word; });
  return found == names.end() ? word : found->second;
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return text;
}

std::string number(double value) {
  char text[32];
  const bool whole = value >= 10 || std::abs(value - std::round(value)) < 0.05;
  std::snprintf(text, sizeof text, whole ? "%.0f" : "%.1f", value);
  return text;
}
std::string percent(double share) { return number(100 * share) + "%"; }

// "11-25 14:03", in the zone.
std::string clock_text(EventTime time, const TimeZone& zone) {
  const auto local = time + zone.offset_at(time);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::minutes>(local - day)};
  char text[32];
  std::snprintf(text, sizeof text, "%02u-%02u %02d:%02d", static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()));
  return text;
}

std::string joined(const std::vector<std::string>& items, std::string_view between) {
  std::string text;
  for (const std::string& item : items) {
    if (!text.empty()) text += between;
    text += item;
  }
  return text;
}

std::vector<std::string> emotions_of(const Alert& alert, bool zh) {
  std::vector<std::string> shown;
  for (const auto& [label, share] : alert.emotions) {
    if (shown.size() >= 3 || share < 0.005) break;
    shown.push_back(std::string(zh ? chinese(kWords, label) : label) + " " + percent(share));
  }
  return shown;
}

std::string change_fact(const Alert& alert, const TimeZone& zone, bool zh) {
  const bool share = alert.kind == "negative";
  const std::string from = share ? percent(alert.from_rate) : number(alert.from_rate);
  const std::string to = share ? percent(alert.to_rate) : number(alert.to_rate);
  std::string text =
      zh ? (share ? "负面占比 " : "讨论量 ") : (share ? "Negative share " : "Volume ");
  text += from + " → " + to;
  if (!share) text += zh ? " 条/分" : " posts/min";
  text += (zh ? ",始于 " : ", since ") + clock_text(alert.onset_at, zone);
  if (alert.closed_at) {
    text += (zh ? ",平息于 " : ", over at ") + clock_text(*alert.closed_at, zone);
  }
  return text;
}

std::string crowd_fact(const Alert& alert, bool zh) {
  const std::string posts = std::to_string(alert.posts);
  const std::string authors = std::to_string(alert.authors);
  const std::string texts = std::to_string(alert.texts);
  return zh ? "规模 " + posts + " 条," + authors + " 人," + texts + " 种文本"
            : posts + " posts by " + authors + " authors, " + texts + " texts";
}

std::string accounts_fact(const Alert& alert, bool zh) {
  std::vector<std::string> shown;
  for (const WaveAccount& account : alert.shape.accounts) {
    const std::string posts = std::to_string(account.posts);
    const std::string reposted = std::to_string(account.reposted);
    shown.push_back(account.author + (zh ? "(发 " + posts + ",被转 " + reposted + ")"
                                         : " (" + posts + " posts, reposted " + reposted + ")"));
  }
  return (zh ? "活跃账号 " : "Top accounts ") + joined(shown, zh ? "、" : ", ");
}

std::string cascade_fact(const WaveCascade& cascade, bool zh) {
  const std::string posts = std::to_string(cascade.posts);
  const std::string depth = std::to_string(cascade.depth);
  const std::string breadth = std::to_string(cascade.breadth);
  return zh ? "最大转发链 " + posts + " 次转发,深 " + depth + " 层,最宽 " + breadth
            : "Largest cascade " + posts + " reposts, depth " + depth + ", breadth " + breadth;
}

std::string forecast_fact(const AlertForecast& forecast, const TimeZone& zone, bool zh) {
  const std::string range = number(forecast.low) + "–" + number(forecast.high);
  return (zh ? "预计 " : "Forecast ") + clock_text(forecast.at, zone) + " " +
         number(forecast.expected) + (zh ? " 条/分(" : " posts/min (") + range + ")";
}

std::string provinces_fact(const Alert& alert, bool zh) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> shown = alert.provinces;
  std::string rest;
  if (shown.size() > kShown) {
    rest =
        (zh ? " 等 " : " and more, ") + std::to_string(shown.size()) + (zh ? " 个省份" : " in all");
    shown.resize(kShown);
  }
  return (zh ? "集中在 " : "Mostly in ") + joined(shown, zh ? "、" : ", ") + rest;
}

// Nothing when the rate is about steady.
std::string acceleration_fact(double acceleration, bool zh) {
  const double percent = std::expm1(acceleration) * 100;
  if (std::abs(percent) < 2) return {};
  const std::string amount = std::to_string(std::lround(std::abs(percent))) + " %";
  if (zh) return (percent > 0 ? "仍在加速,每分钟 +" : "正在减速,每分钟 -") + amount;
  return (percent > 0 ? "Speeding up, +" : "Slowing down, -") + amount + " a minute";
}

std::string headline_of(const AlertMessage& message, bool zh) {
  const Alert& alert = message.alert;
  if (zh) {
    return "【" + std::string(chinese(kWords, alert.severity)) + "·" +
           std::string(chinese(kEvents, message.event)) + "】" + alert.title;
  }
  return "[" + alert.severity + ", " + message.event + "] " + alert.key + " (" + alert.kind + ")";
}

}  // namespace

MessageText message_text(const AlertMessage& message, MessageLanguage language,
                         const TimeZone& time_zone) {
  const bool zh = language == MessageLanguage::kChinese;
  const Alert& alert = message.alert;
  MessageText text;
  text.headline = one_line(headline_of(message, zh));
  text.facts.push_back(change_fact(alert, time_zone, zh));
  text.facts.push_back(crowd_fact(alert, zh));
  const std::vector<std::string> emotions = emotions_of(alert, zh);
  if (!emotions.empty()) {
    text.facts.push_back((zh ? "情绪 " : "Emotions ") + joined(emotions, zh ? "、" : ", "));
  }
  if (!alert.terms.empty()) {
    text.facts.push_back((zh ? "关键词 " : "Terms ") + joined(alert.terms, zh ? "、" : ", "));
  }
  if (!alert.shape.accounts.empty()) text.facts.push_back(accounts_fact(alert, zh));
  if (alert.shape.cascade.posts > 0) text.facts.push_back(cascade_fact(alert.shape.cascade, zh));
  if (!alert.provinces.empty()) text.facts.push_back(provinces_fact(alert, zh));
  if (alert.acceleration) {
    std::string fact = acceleration_fact(*alert.acceleration, zh);
    if (!fact.empty()) text.facts.push_back(std::move(fact));
  }
  if (alert.forecast) text.facts.push_back(forecast_fact(*alert.forecast, time_zone, zh));
  if (!message.note.empty()) text.facts.push_back((zh ? "说明 " : "Note: ") + message.note);
  for (std::string& fact : text.facts) fact = one_line(std::move(fact));
  text.posts = message.evidence_posts;
  for (ShownPost& post : text.posts) {
    post.text = one_line(post.text.empty() ? (zh ? "(转发)" : "(repost)") : post.text);
    post.author = one_line(post.author);
    const bool web = post.url.starts_with("https://") || post.url.starts_with("http://");
    const bool clean = post.url.find_first_of(" \t\r\n<>\"|()[]") == std::string::npos;
    if (!web || !clean) post.url.clear();
  }
  text.link = message.link;
  text.link_words = zh ? "查看预警" : "Open alert";
  text.posts_words = zh ? "代表帖子" : "Posts";
  return text;
}

std::string plain_text(const MessageText& text) {
  std::string out = text.headline + "\n\n";
  for (const std::string& fact : text.facts) out += fact + "\n";
  if (!text.posts.empty()) out += "\n" + text.posts_words + "\n";
  for (const ShownPost& post : text.posts) {
    out += "- " + (post.author.empty() ? "" : post.author + ": ") + post.text + "\n";
    if (!post.url.empty()) out += "  " + post.url + "\n";
  }
  if (!text.link.empty()) out += "\n" + text.link_words + " " + text.link + "\n";
  return out;
}

}  // namespace tidewatch

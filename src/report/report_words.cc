// SPDX-License-Identifier: Apache-2.0
#include "report/report_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "alert/title.h"
#include "report/provinces.h"

namespace tidewatch {
namespace {

struct Word {
  std::string_view label, chinese, english;
};
constexpr std::array<Word, 7> kEmotions{{{"angry", "愤怒", "anger"},
                                         {"fear", "恐惧", "fear"},
                                         {"happy", "喜悦", "joy"},
                                         {"neutral", "中性", "neutral"},
                                         {"sad", "悲伤", "sadness"},
                                         {"surprise", "惊讶", "surprise"},
                                         {"unknown", "未分类", "not classified"}}};
constexpr std::array<Word, 3> kSeverities{
    {{"info", "提示", "info"}, {"warning", "警告", "warning"}, {"critical", "严重", "critical"}}};
constexpr std::array<Word, 5> kStates{{{"open", "进行中", "open"},
                                       {"escalated", "已升级", "escalated"},
                                       {"acknowledged", "已确认", "acknowledged"},
                                       {"resolved", "已处置", "resolved"},
                                       {"closed", "已平息", "over"}}};
constexpr std::array<Word, 4> kKinds{{{"volume", "讨论量", "volume"},
                                      {"negative", "负面", "negative"},
                                      {"emergent", "新话题", "emergent"},
                                      {"coordinated", "疑似刷屏", "coordinated"}}};

template <std::size_t N>
std::string words_of(const std::array<Word, N>& words, std::string_view label,
                     ReportLanguage language) {
  for (const Word& word : words) {
    if (word.label == label) return std::string(pick(language, word.chinese, word.english));
  }
  return std::string(label);
}

// "增加 35%", "up 35 %"; nothing to compare with: empty.
std::string change_words(std::uint64_t now, std::uint64_t before, ReportLanguage language) {
  if (before == 0) return {};
  const double change = static_cast<double>(now) / static_cast<double>(before) - 1;
  if (std::abs(change) < 0.005) return std::string(pick(language, "持平", "level"));
  const std::string size = fmt::format("{:.0f}%", 100 * std::abs(change));
  return std::string(change > 0 ? pick(language, "增加 ", "up ")
                                : pick(language, "减少 ", "down ")) +
         size;
}

std::string step_words(std::chrono::seconds step, ReportLanguage language) {
  const auto minutes = step.count() / 60;
  const auto of = [&](auto count, std::string_view zh, std::string_view one,
                      std::string_view many) {
    if (language == ReportLanguage::kChinese) return fmt::format("{} {}", count, zh);
    return count == 1 ? std::string(one) : fmt::format("{} {}", count, many);
  };
  if (minutes % 1'440 == 0) return of(minutes / 1'440, "天", "day", "days");
  if (minutes % 60 == 0) return of(minutes / 60, "小时", "hour", "hours");
  return of(minutes, "分钟", "minute", "minutes");
}

std::string volume_sentence(const Report& report, ReportLanguage language) {
  const bool zh = language == ReportLanguage::kChinese;
  const ReportSums& sums = report.sums;
  const std::string change = change_words(sums.posts, report.before.posts, language);
  std::string text = zh ? fmt::format("共 {} 条帖子", grouped(sums.posts))
                        : fmt::format("{} posts", grouped(sums.posts));
  if (!change.empty()) {
    text +=
        zh ? fmt::format(",较上一周期({} 条){}", grouped(report.before.posts), change)
           : fmt::format(", {} on the period before ({})", change, grouped(report.before.posts));
  } else {
    text +=
        zh ? ",上一周期没有数据可比" : "; there is no data of the period before to compare with";
  }
  return text + (zh ? "。" : ".");
}

std::string negative_sentence(const Report& report, ReportLanguage language) {
  const bool zh = language == ReportLanguage::kChinese;
  std::string text =
      zh ? fmt::format("负面占比 {}", percent_text(report.sums.negative_share()))
         : fmt::format("{} are negative", percent_text(report.sums.negative_share()));
  if (report.before.posts > 0) {
    const double points = 100 * (report.sums.negative_share() - report.before.negative_share());
    text += zh ? fmt::format(",较上一周期{} {:.1f} 个百分点", points < 0 ? "下降" : "上升",
                             std::abs(points))
               : fmt::format(", {} {:.1f} points", points < 0 ? "down" : "up", std::abs(points));
  }
  if (!report.emotions.empty()) {
    const ReportShare& first = report.emotions.front();
    const double share = static_cast<double>(first.posts) / static_cast<double>(report.sums.posts);
    text += zh ? fmt::format(";最多的情绪是{}({})", emotion_words(first.name, language),
                             percent_text(share))
               : fmt::format("; the most frequent emotion is {} ({})",
                             emotion_words(first.name, language), percent_text(share));
  }
  return text + (zh ? "。" : ".");
}

std::string peak_sentence(const Report& report, ReportLanguage language) {
  const auto peak = std::max_element(
      report.points.begin(), report.points.end(),
      [](const ReportPoint& a, const ReportPoint& b) { return a.posts < b.posts; });
  if (peak == report.points.end() || peak->posts == 0) return {};
  const double mean =
      static_cast<double>(report.sums.posts) / static_cast<double>(report.points.size());
  const std::string when = time_text(peak->time, report.zone);
  const std::string step = step_words(report.step, language);
  const double times = static_cast<double>(peak->posts) / mean;
  if (language == ReportLanguage::kChinese) {
    return fmt::format("高峰在 {} 起的 {}内:{} 条,是平均水平的 {:.1f} 倍。", when, step,
                       grouped(peak->posts), times);
  }
  return fmt::format("The peak was the {} from {}: {} posts, {:.1f} times the mean.", step, when,
                     grouped(peak->posts), times);
}

// "广东(18.0%)、北京(9.1%)"
std::string top_shares(const std::vector<ReportShare>& shares, std::uint64_t whole,
                       std::size_t count, ReportLanguage language,
                       std::string (*name)(std::string_view, ReportLanguage)) {
  std::string text;
  for (const ReportShare& share : shares) {
    if (count == 0) break;
    if (share.name == "unknown") continue;
    --count;
    if (!text.empty()) text += pick(language, "、", ", ");
    const double part = static_cast<double>(share.posts) / static_cast<double>(whole);
    text += fmt::format(fmt::runtime(pick(language, "{}({})", "{} ({})")),
                        name(share.name, language), percent_text(part));
  }
  return text;
}

std::string where_sentence(const Report& report, ReportLanguage language) {
  const bool zh = language == ReportLanguage::kChinese;
  const std::string regions =
      top_shares(report.regions, report.sums.posts, 3, language, region_words);
  const std::string topics = top_shares(report.topics, report.sums.posts, 3, language, topic_words);
  std::string text;
  if (!regions.empty()) text = (zh ? "讨论最多的地区:" : "Most come from ") + regions;
  if (!topics.empty()) {
    if (!text.empty()) text += zh ? ";" : "; ";
    text += (zh ? "最热的话题:" : "the busiest topics are ") + topics;
  }
  return text.empty() ? text : text + (zh ? "。" : ".");
}

std::string alerts_sentence(const Report& report, ReportLanguage language) {
  const bool zh = language == ReportLanguage::kChinese;
  if (report.alerts.empty()) return zh ? "期间没有预警。" : "There was no alert.";
  const auto of = [&](auto&& test) {
    return std::count_if(report.alerts.begin(), report.alerts.end(), test);
  };
  const auto critical = of([](const Alert& alert) { return alert.severity == "critical"; });
  const auto open =
      of([](const Alert& alert) { return !alert.closed_at && alert.state != "resolved"; });
  const auto rank = [](const Alert& alert) {
    return std::pair(alert.severity == "critical"  ? 2
                     : alert.severity == "warning" ? 1
                                                   : 0,
                     alert.posts);
  };
  const auto worst =
      std::max_element(report.alerts.begin(), report.alerts.end(),
                       [&](const Alert& a, const Alert& b) { return rank(a) < rank(b); });
  const std::string_view more = report.alerts_cut ? "+" : "";
  if (zh) {
    return fmt::format("期间共 {}{} 起预警,其中严重 {} 起,仍未了结 {} 起。最大的一起:{}。",
                       report.alerts.size(), more, critical, open, alert_words(*worst, language));
  }
  return fmt::format("{}{} alert{}, {} critical, {} still open. The largest: {}.",
                     report.alerts.size(), more, report.alerts.size() == 1 ? "" : "s", critical,
                     open, alert_words(*worst, language));
}

std::string terms_sentence(const Report& report, ReportLanguage language) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(report.terms.size(), 5); ++i) {
    text += (i == 0 ? "" : pick(language, "、", ", "));
    text += report.terms[i].name;
  }
  if (text.empty()) return text;
  return fmt::format(fmt::runtime(pick(language, "高频词:{}。", "Frequent words: {}.")), text);
}

}  // namespace

std::string_view pick(ReportLanguage language, std::string_view chinese, std::string_view english) {
  return language == ReportLanguage::kChinese ? chinese : english;
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string percent_text(double share) { return fmt::format("{:.1f}%", 100 * share); }

std::string time_text(EventTime time, const TimeZone& zone, bool with_year) {
  const auto local = time + zone.offset_at(time);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::minutes>(local - day)};
  const std::string year = with_year ? fmt::format("{:04}-", static_cast<int>(date.year())) : "";
  return fmt::format("{}{:02}-{:02} {:02}:{:02}", year, static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count());
}

std::string emotion_words(std::string_view label, ReportLanguage language) {
  return words_of(kEmotions, label, language);
}
std::string severity_words(std::string_view severity, ReportLanguage language) {
  return words_of(kSeverities, severity, language);
}
std::string state_words(std::string_view state, ReportLanguage language) {
  return words_of(kStates, state, language);
}
std::string kind_words(std::string_view kind, ReportLanguage language) {
  return words_of(kKinds, kind, language);
}
std::string topic_words(std::string_view label, ReportLanguage language) {
  if (label == "unknown") return std::string(pick(language, "未分类", "unknown"));
  return std::string(language == ReportLanguage::kChinese ? topic_title(label) : label);
}
std::string region_words(std::string_view region, ReportLanguage language) {
  if (region == "unknown") return std::string(pick(language, "未知地区", "unknown"));
  return std::string(language == ReportLanguage::kChinese ? region : english_region(region));
}

std::string subject_words(const KeyName& subject, ReportLanguage language) {
  if (language == ReportLanguage::kChinese) return key_title(subject);
  if (subject.kind != KeyKind::kTopicRegion) return to_string(subject);
  const bool all_topics = subject.topic == "*";
  if (subject.region == "*")
    return all_topics ? "all topics" : topic_words(subject.topic, language);
  return (all_topics ? "" : topic_words(subject.topic, language) + ", ") +
         region_words(subject.region, language);
}

std::string alert_words(const Alert& alert, ReportLanguage language) {
  if (language == ReportLanguage::kChinese) return alert.title;
  const auto key = parse_key(alert.key);
  const std::string where = key ? subject_words(*key, language) : alert.key;
  const bool share = alert.kind == "negative";
  const auto rate = [&](double value) {
    return share ? percent_text(value) : fmt::format("{:.1f}/min", value);
  };
  return fmt::format("{}: {} from {} to {} ({} posts, {} authors)", where,
                     kind_words(alert.kind, language), rate(alert.from_rate), rate(alert.to_rate),
                     alert.posts, alert.authors);
}

std::string report_title(const Report& report, ReportLanguage language) {
  const std::string subject = subject_words(report.subject, language);
  const std::string title =
      language == ReportLanguage::kChinese ? "舆情报告 · " + subject : "Public opinion: " + subject;
  return report.name.empty() ? title : report.name + " · " + subject;
}

std::string period_words(const Report& report, ReportLanguage language) {
  return fmt::format(fmt::runtime(pick(language, "{} 至 {} ({})", "{} to {} ({})")),
                     time_text(report.since, report.zone, true),
                     time_text(report.until, report.zone, true), report.zone.name());
}

std::vector<std::string> report_summary(const Report& report, ReportLanguage language) {
  if (report.sums.posts == 0) {
    return {std::string(pick(language, "这段时间没有帖子:请检查数据源是否正常。",
                             "There were no posts: check that the feed is alive.")),
            alerts_sentence(report, language)};
  }
  std::vector<std::string> sentences;
  for (std::string sentence :
       {volume_sentence(report, language), negative_sentence(report, language),
        peak_sentence(report, language), where_sentence(report, language),
        alerts_sentence(report, language), terms_sentence(report, language)}) {
    if (!sentence.empty()) sentences.push_back(std::move(sentence));
  }
  return sentences;
}

}  // namespace tidewatch

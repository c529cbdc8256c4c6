// SPDX-License-Identifier: Apache-2.0
#include "alert/title.h"

#include <gtest/gtest.h>

#include "alert/severity.h"

namespace tidewatch {
namespace {

TEST(KeyTitle, IsChinese) {
  const struct {
    KeyName key;
    const char* title;
  } cases[] = {
      {{KeyKind::kTopicRegion, "finance", "广东", ""}, "财经 · 广东"},
      {{KeyKind::kTopicRegion, "finance", "*", ""}, "财经"},
      {{KeyKind::kTopicRegion, "*", "广东", ""}, "广东"},
      {{KeyKind::kTopicRegion, "*", "*", ""}, "全部话题"},
      {{KeyKind::kTopicRegion, "unknown", "unknown", ""}, "未分类 · 地区不明"},
      {{KeyKind::kTopicRegion, "weather", "*", ""}, "weather"},
      {{KeyKind::kHashtag, "", "", "高考"}, "#高考#"},
      {{KeyKind::kKeyword, "", "", "退款"}, "关注词“退款”"},
      {{KeyKind::kRule, "", "", "退款潮"}, "规则“退款潮”"},
      {{KeyKind::kTextGroup, "", "", "9f3a2b1c 加微信领红包"}, "相同文字“加微信领红包…”"},
      {{KeyKind::kEmergentTopic, "", "", "停电"}, "“停电”"},
      {{KeyKind::kTopicRegion, "*", "广东 深圳", ""}, "广东 深圳"},
  };
  for (const auto& c : cases) EXPECT_EQ(key_title(c.key), c.title);
}

TEST(AlertTitle, TellsWhatHappened) {
  const KeyName key{KeyKind::kTopicRegion, "finance", "广东", ""};
  const struct {
    TitleFacts facts;
    const char* title;
  } cases[] = {
      {{.kind = "volume", .from_rate = 4, .to_rate = 12, .posts = 120, .authors = 98, .texts = 90},
       "财经 · 广东:讨论量升至 3 倍(120 条,98 人)"},
      {{.kind = "volume", .from_rate = 3, .to_rate = 10, .posts = 120, .authors = 98, .texts = 90},
       "财经 · 广东:讨论量升至 3.3 倍(120 条,98 人)"},
      {{.kind = "volume", .from_rate = 1, .to_rate = 12.4, .posts = 9, .authors = 9, .texts = 9},
       "财经 · 广东:讨论量升至 12 倍(9 条,9 人)"},
      {{.kind = "volume", .from_rate = 0, .to_rate = 30, .posts = 60, .authors = 55, .texts = 50},
       "财经 · 广东:讨论从几乎没有升至每分钟 30 条(60 条,55 人)"},
      {{.kind = "negative",
        .from_rate = 0.2,
        .to_rate = 0.7,
        .posts = 60,
        .authors = 55,
        .texts = 50},
       "财经 · 广东:负面占比由 20% 升至 70%(60 条,55 人)"},
      {{.kind = "volume", .from_rate = 4, .to_rate = 12, .posts = 120, .authors = 98, .texts = 4},
       "财经 · 广东:讨论量升至 3 倍(120 条,98 人,多为相同文字,仅 4 种)"},
      {{.kind = "volume",
        .from_rate = 4,
        .to_rate = 12,
        .posts = 120,
        .authors = 98,
        .texts = 4,
        .bare_reposts = 115},
       "财经 · 广东:讨论量升至 3 倍(120 条,98 人)"},
      {{.kind = "volume",
        .from_rate = 4,
        .to_rate = 12,
        .posts = 120,
        .authors = 98,
        .texts = 90,
        .hashtag = "#退款#"},
       "财经 · 广东 #退款#:讨论量升至 3 倍(120 条,98 人)"},
      {{.kind = "emergent", .from_rate = 0, .to_rate = 0.4, .posts = 12, .authors = 9, .texts = 9},
       "财经 · 广东:新话题涌现,每分钟 不到 1 条(12 条,9 人)"},
  };
  for (const auto& c : cases) EXPECT_EQ(alert_title(key, c.facts), c.title);
  const KeyName tag{KeyKind::kHashtag, "", "", "a\nb"};
  EXPECT_EQ(alert_title(tag, {.kind = "volume", .from_rate = 1, .to_rate = 2}),
            "#a b#:讨论量升至 2 倍(0 条,0 人)");
}

TEST(Severity, GoesByAuthorsAndRatioOrShare) {
  const AlertOptions options;
  const struct {
    SeverityInput input;
    Severity severity;
  } cases[] = {
      {{29, 100.0, 1.0}, Severity::kInfo},     {{30, 3.9, 0.49}, Severity::kInfo},
      {{30, 4.0, 0.0}, Severity::kWarning},    {{30, 0.0, 0.5}, Severity::kWarning},
      {{199, 100.0, 1.0}, Severity::kWarning}, {{200, 8.0, 0.0}, Severity::kCritical},
      {{200, 7.9, 0.7}, Severity::kCritical},  {{1'000, 2.0, 0.1}, Severity::kInfo},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(severity_of(c.input, options), c.severity)
        << c.input.authors << " " << c.input.ratio << " " << c.input.negative_share;
  }
  EXPECT_EQ(rate_ratio(0, 30), 30);
  EXPECT_EQ(rate_ratio(10, 30), 3);
  for (const Severity severity : {Severity::kInfo, Severity::kWarning, Severity::kCritical}) {
    EXPECT_EQ(parse_severity(severity_name(severity)), severity);
  }
  EXPECT_FALSE(parse_severity("loud").has_value());
}

}  // namespace
}  // namespace tidewatch

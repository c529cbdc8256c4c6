// SPDX-License-Identifier: Apache-2.0
#include "report/report_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/rfc3339.h"
#include "report/report_charts.h"
#include "report/report_words.h"

namespace tidewatch {
namespace {

constexpr std::size_t kRegionRows = 10;

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--ink:#1c2330;--soft:#5b6575;--line:#dfe3e9;--posts:#2f6fb7;--neg:#b3361b;--warn:#8a5a00;
--t0:#e9ecf1;--t1:#cfe0f3;--t2:#a5c6e9;--t3:#6fa3d8;--t4:#3a79bd;--t5:#1b4f8a}
@media (prefers-color-scheme:dark){:root{--bg:#12161d;--card:#1b212b;--ink:#e8ecf2;--soft:#a3adbb;--line:#323b49;--posts:#6fb0f2;--neg:#ff8a6b;--warn:#e6b450;
--t0:#262e3a;--t1:#1f3d5e;--t2:#275682;--t3:#3674ad;--t4:#5b9bd6;--t5:#93c4f0}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.6 system-ui,-apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:980px;margin:0 auto;padding:24px 16px 48px}
header h1{font-size:26px;line-height:1.3;margin:0 0 4px;overflow-wrap:anywhere}
.soft,footer{color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;margin:16px 0;break-inside:avoid}
section.long{break-inside:auto}
h2{font-size:17px;margin:0 0 10px}
h3{font-size:14px;margin:16px 0 4px;color:var(--soft);font-weight:600}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:16px 0}
.figure{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.figure b{display:block;font-size:25px;line-height:1.25;font-variant-numeric:tabular-nums}
.summary{margin:0;padding-left:20px}.summary li{margin:4px 0;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block}
.chart text{font-size:11px;fill:var(--soft)}.grid{stroke:var(--line)}
.fill{stroke:none;opacity:.22}.line{fill:none;stroke-width:2}.round{stroke-linecap:round;stroke-width:2.5}
.posts.fill{fill:var(--posts)}.posts.line{stroke:var(--posts)}.negative.fill{fill:var(--neg);opacity:.4}.negative.line{stroke:var(--neg)}
.mark line{stroke:var(--warn);stroke-dasharray:3 3}.mark path{fill:var(--warn)}.mark.critical line{stroke:var(--neg)}.mark.critical path{fill:var(--neg)}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--soft);margin-bottom:6px}
.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.two{display:grid;grid-template-columns:1fr 1fr;gap:20px}.two>*{min-width:0}
.map text{font-size:13px;text-anchor:middle;fill:var(--ink)}.map .count{font-size:10.5px}
.t0 rect{fill:var(--t0)}.t1 rect{fill:var(--t1)}.t2 rect{fill:var(--t2)}.t3 rect{fill:var(--t3)}.t4 rect{fill:var(--t4)}.t5 rect{fill:var(--t5)}
.map .t4 text,.map .t5 text{fill:#fff}
@media (prefers-color-scheme:dark){.map .t4 text,.map .t5 text{fill:#0d1420}}
table{width:100%;border-collapse:collapse;font-size:14px}
th{text-align:left;color:var(--soft);font-weight:600;font-size:12.5px}
th,td{padding:5px 8px 5px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.bar{width:34%;min-width:70px;padding-top:12px}.bar i{display:block;height:8px;border-radius:4px;background:var(--posts);min-width:2px}
article{border-top:1px solid var(--line);padding:10px 0;break-inside:avoid}article:first-of-type{border-top:0}
article p{margin:0 0 4px;overflow-wrap:anywhere;white-space:pre-wrap}
.tag{display:inline-block;border:1px solid var(--line);border-radius:999px;padding:0 9px;font-size:12.5px;margin-right:4px;white-space:nowrap}
.tag.bad{color:var(--neg);border-color:currentColor}.tag.warn{color:var(--warn);border-color:currentColor}
.alerts{list-style:none;margin:0;padding:0 0 0 16px;border-left:2px solid var(--line)}.alerts li{margin:0 0 12px;break-inside:avoid;overflow-wrap:anywhere}
a{color:var(--posts)}footer{font-size:13px}
@media (max-width:640px){.two{grid-template-columns:1fr}main{padding:16px 10px 32px}section{padding:14px 12px}header h1{font-size:22px}.chart text{font-size:17px}.odd{display:none}.bar{width:18%;min-width:32px}td:first-child{min-width:6em}
.figures{grid-template-columns:1fr 1fr}}
@page{margin:14mm}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--posts:#2f6fb7;--neg:#b3361b;--warn:#8a5a00;
--t0:#eee;--t1:#cfe0f3;--t2:#a5c6e9;--t3:#6fa3d8;--t4:#3a79bd;--t5:#1b4f8a}
.map .t4 text,.map .t5 text{fill:#fff}main{max-width:none;padding:0}body{font-size:12px;print-color-adjust:exact;-webkit-print-color-adjust:exact}section,.figure{border-radius:4px}
a{color:inherit;text-decoration:none}}
)css";

class Page {
 public:
  Page(const Report& report, ReportLanguage language)
      : report_(report), language_(language), zh_(language == ReportLanguage::kChinese) {}

  std::string text() {
    const std::string title = report_title(report_, language_);
    out_ = fmt::format(
        R"(<!doctype html><html lang="{}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">)"
        R"(<meta name="referrer" content="no-referrer"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">)"
        R"(<title>{}</title><style>{}</style></head><body><main>)",
        zh_ ? "zh-CN" : "en", escape_html(title), kStyle);
    out_ += fmt::format("<header><h1>{}</h1><div class=\"soft\">{}</div></header>",
                        escape_html(title), escape_html(period_words(report_, language_)));
    figures();
    summary();
    if (report_.sums.posts > 0) {
      curves();
      emotions_and_topics();
      regions();
      terms_and_accounts();
      posts();
    }
    alerts();
    footer();
    return std::move(out_) + "</main></body></html>\n";
  }

 private:
  std::string_view words(std::string_view zh, std::string_view en) const {
    return pick(language_, zh, en);
  }
  void heading(std::string_view zh, std::string_view en, bool is_long = false) {
    out_ += fmt::format("<section{}><h2>{}</h2>", is_long ? " class=\"long\"" : "", words(zh, en));
  }

  void figure(std::string_view name, const std::string& value, const std::string& note) {
    out_ += fmt::format(
        R"(<div class="figure"><span class="soft">{}</span><b>{}</b><span class="soft">{}</span></div>)",
        name, value, note);
  }
  void figures() {
    const auto before = [&](const std::string& value) {
      return report_.before.posts == 0 ? std::string{}
                                       : std::string(words("上一周期 ", "before: ")) + value;
    };
    out_ += "<div class=\"figures\">";
    figure(words("帖子", "Posts"), grouped(report_.sums.posts),
           before(grouped(report_.before.posts)));
    figure(words("负面占比", "Negative"), percent_text(report_.sums.negative_share()),
           before(percent_text(report_.before.negative_share())));
    const std::size_t alerts = report_.alerts.size();
    const auto critical =
        std::count_if(report_.alerts.begin(), report_.alerts.end(),
                      [](const Alert& alert) { return alert.severity == "critical"; });
    figure(words("预警", "Alerts"), std::to_string(alerts) + (report_.alerts_cut ? "+" : ""),
           fmt::format(fmt::runtime(words("其中严重 {}", "{} critical")), critical));
    std::uint64_t peak = 0;
    for (const ReportPoint& point : report_.points) peak = std::max(peak, point.posts);
    const double minutes = std::chrono::duration<double, std::ratio<60>>(report_.step).count();
    figure(words("峰值(条/分)", "Peak (posts/min)"),
           fmt::format("{:.1f}", static_cast<double>(peak) / minutes), "");
    out_ += "</div>";
  }

  void summary() {
    heading("摘要", "Summary");
    out_ += "<ul class=\"summary\">";
    for (const std::string& sentence : report_summary(report_, language_)) {
      out_ += fmt::format("<li><bdi>{}</bdi></li>", escape_html(sentence));
    }
    out_ += "</ul></section>";
  }

  void curves() {
    heading("声量与负面", "Volume and negative posts");
    out_ += fmt::format(
        R"x(<div class="legend"><span><i style="background:var(--posts)"></i>{}</span><span><i style="background:var(--neg)"></i>{}</span><span><i style="background:var(--warn)"></i>{}</span></div>)x",
        words("帖子", "posts"), words("负面", "negative"), words("预警开始", "alert opened"));
    out_ += volume_chart(report_, language_);
    out_ += fmt::format("<h3>{}</h3>", words("负面占比", "Negative share"));
    out_ += negative_chart(report_, language_) + "</section>";
  }

  // Name, bar, posts, share, and with `negative` the negative share.
  void share_table(const std::vector<ReportShare>& shares, std::size_t rows, std::string_view name,
                   bool negative, std::string (*say)(std::string_view, ReportLanguage)) {
    out_ += fmt::format(
        "<table><tr><th>{}</th><th></th><th class=\"n\">{}</th><th class=\"n\">{}</th>{}</tr>",
        name, words("帖子", "Posts"), words("占比", "Share"),
        negative ? fmt::format("<th class=\"n\">{}</th>", words("负面", "Negative")) : "");
    const double most = shares.empty() ? 1 : static_cast<double>(shares.front().posts);
    for (std::size_t i = 0; i < std::min(rows, shares.size()); ++i) {
      const ReportShare& share = shares[i];
      const auto posts = static_cast<double>(share.posts);
      out_ += fmt::format(
          R"(<tr><td><bdi>{}</bdi></td><td class="bar"><i style="width:{:.1f}%"></i></td><td class="n">{}</td><td class="n">{}</td>{}</tr>)",
          escape_html(say(share.name, language_)), 100 * posts / most, grouped(share.posts),
          percent_text(posts / static_cast<double>(std::max<std::uint64_t>(report_.sums.posts, 1))),
          negative ? fmt::format("<td class=\"n\">{}</td>",
                                 percent_text(static_cast<double>(share.negative) / posts))
                   : "");
    }
    out_ += "</table>";
  }

  void emotions_and_topics() {
    const bool both = !report_.topics.empty();
    if (both) out_ += "<div class=\"two\">";
    heading("情绪", "Emotions");
    share_table(report_.emotions, 7, words("情绪", "Emotion"), false, emotion_words);
    out_ += "</section>";
    if (!both) return;
    heading("话题", "Topics");
    share_table(report_.topics, kRegionRows, words("话题", "Topic"), true, topic_words);
    out_ += "</section></div>";
  }

  void regions() {
    if (report_.regions.empty()) return;
    heading("地区", "Regions");
    out_ += "<div class=\"two\"><div>" + region_map(report_, language_) + "</div><div>";
    share_table(report_.regions, kRegionRows, words("地区", "Region"), true, region_words);
    out_ += "</div></div></section>";
  }

  void terms_and_accounts() {
    if (report_.terms.empty() && report_.accounts.empty()) return;
    out_ += "<div class=\"two\">";
    heading("高频词", "Words");
    out_ += fmt::format("<table><tr><th>{}</th><th class=\"n\">{}</th><th class=\"n\">{}</th></tr>",
                        words("词", "Word"), words("帖子", "Posts"), words("负面", "Negative"));
    for (const ReportShare& term : report_.terms) {
      out_ += fmt::format(
          "<tr><td><bdi>{}</bdi></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
          escape_html(term.name), grouped(term.posts),
          percent_text(static_cast<double>(term.negative) / static_cast<double>(term.posts)));
    }
    out_ += "</table></section>";
    heading("活跃账号", "Accounts");
    out_ +=
        fmt::format("<table><tr><th>{}</th><th class=\"n\">{}</th><th class=\"n\">{}</th></tr>",
                    words("账号", "Account"), words("发帖", "Posts"), words("被转发", "Reposted"));
    for (const ReportAccount& account : report_.accounts) {
      out_ += fmt::format(
          "<tr><td><bdi>{}</bdi></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
          escape_html(account.author), grouped(account.posts), grouped(account.reposted));
    }
    out_ += "</table></section></div>";
  }

  void post(const ReportPost& shown) {
    const StoredPost& stored = shown.stored;
    const Post& post = stored.post;
    const bool bad =
        stored.emotion == "angry" || stored.emotion == "fear" || stored.emotion == "sad";
    out_ += fmt::format("<article><p><bdi>{}</bdi></p><div>", escape_html(post.text));
    out_ += fmt::format(
        "<span class=\"tag{}\">{}</span><span class=\"tag\">{}</span> <span class=\"soft\">{}",
        bad ? " bad" : "", escape_html(emotion_words(stored.emotion, language_)),
        escape_html(topic_words(stored.topic, language_)), time_text(post.time, report_.zone));
    for (const std::string& part : {post.author, post.region, post.source}) {
      if (!part.empty()) out_ += fmt::format(" · <bdi>{}</bdi>", escape_html(part));
    }
    if (shown.reposted > 0) {
      out_ += fmt::format(fmt::runtime(words(" · 被转发 {}", " · {} reposts seen")),
                          grouped(shown.reposted));
    }
    if (post.reposts)
      out_ += fmt::format(fmt::runtime(words(" · 转 {}", " · {} reposts")), *post.reposts);
    if (post.likes)
      out_ += fmt::format(fmt::runtime(words(" · 赞 {}", " · {} likes")), *post.likes);
    if (post.url.starts_with("http://") || post.url.starts_with("https://")) {
      out_ += fmt::format(R"( · <a href="{}" rel="noopener noreferrer nofollow">{}</a>)",
                          escape_html(post.url), words("原文", "original"));
    }
    out_ += "</span></div></article>";
  }
  void posts() {
    if (report_.posts.empty()) return;
    heading("重点帖子", "Key posts", true);
    for (const ReportPost& each : report_.posts) post(each);
    out_ += "</section>";
  }

  void alerts() {
    heading("预警时间线", "Timeline of alerts", true);
    if (report_.alerts.empty())
      out_ += fmt::format("<p class=\"soft\">{}</p>", words("期间没有预警。", "There was none."));
    out_ += "<ol class=\"alerts\">";
    for (const Alert& alert : report_.alerts) {
      const char* css = alert.severity == "critical"  ? " bad"
                        : alert.severity == "warning" ? " warn"
                                                      : "";
      out_ += fmt::format(
          R"(<li><span class="soft">{}{}</span> <span class="tag{}">{}</span><span class="tag">{}</span><span class="tag">{}</span><br><bdi>{}</bdi>)",
          time_text(alert.opened_at, report_.zone),
          alert.closed_at ? " – " + time_text(*alert.closed_at, report_.zone) : "", css,
          escape_html(severity_words(alert.severity, language_)),
          escape_html(kind_words(alert.kind, language_)),
          escape_html(state_words(alert.state, language_)),
          escape_html(alert_words(alert, language_)));
      if (!report_.public_url.empty()) {
        out_ += fmt::format(R"( <a href="{}/#/alerts/{}" rel="noopener noreferrer">{}</a>)",
                            escape_html(report_.public_url), escape_html(alert.id),
                            words("查看", "open"));
      }
      out_ += "</li>";
    }
    out_ += "</ol></section>";
  }

  void footer() {
    out_ += "<footer>";
    if (report_.sums.posts > 0) {
      out_ +=
          report_.looked_at_all
              ? fmt::format(fmt::runtime(words("词、账号和重点帖子取自 {} 条帖子。",
                                               "Words, accounts and key posts are of {} posts. ")),
                            grouped(report_.posts_looked_at))
              : fmt::format(
                    fmt::runtime(
                        words("词、账号和重点帖子只取自最近的 {} 条帖子;其余数字是全部帖子的。",
                              "Words, accounts and key posts are of the newest {} posts alone; the "
                              "other figures are of all. ")),
                    grouped(report_.posts_looked_at));
      out_ += words("情绪与话题由模型判定,会有误差。",
                    "Emotions and topics are a model's judgement and can be wrong. ");
    }
    out_ += fmt::format(fmt::runtime(words("生成于 {} · Tidewatch 观潮", "Made {} · Tidewatch")),
                        time_text(report_.made_at, report_.zone, true));
    out_ += "</footer>";
  }

  const Report& report_;
  const ReportLanguage language_;
  const bool zh_;
  std::string out_;
};

}  // namespace

std::string report_page(const Report& report, ReportLanguage language) {
  return Page(report, language).text();
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "report/report_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/markup.h"
#include "report/provinces.h"
#include "report/report_words.h"

namespace tidewatch {
namespace {

// The drawing area, in units of the SVG.
constexpr double kWidth = 760;
constexpr double kLeft = 60;
constexpr double kRight = 748;
constexpr double kTop = 14;

struct Axes {
  double height;     // of the plot, above the time labels
  double value_max;  // at the top
  const Report& report;

  double x(EventTime time) const {
    const auto whole = std::chrono::duration<double>(report.until - report.since);
    return kLeft + (kRight - kLeft) * (std::chrono::duration<double>(time - report.since) / whole);
  }
  double y(double value) const { return kTop + height * (1 - value / value_max); }
};

// A round number not below `value`.
double round_up(double value) {
  if (value <= 0) return 1;
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (const double factor : {1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0}) {
    if (factor * power >= value) return factor * power;
  }
  return 10 * power;
}

std::string open_svg(double height, std::string_view label) {
  return fmt::format(R"(<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">)",
                     kWidth, height, escape_html(label));
}

std::string value_axis(const Axes& axes, bool percent) {
  std::string out;
  for (int i = 0; i <= 4; ++i) {
    const double value = axes.value_max * i / 4;
    const std::string label = percent ? fmt::format("{:.0f}%", 100 * value)
                              : value >= 10 || value == std::round(value)
                                  ? grouped(static_cast<std::uint64_t>(std::llround(value)))
                                  : fmt::format("{:.1f}", value);
    out += fmt::format(R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)", kLeft,
                       kRight, axes.y(value), axes.y(value));
    out += fmt::format(R"(<text class="axis" x="{}" y="{:.1f}" text-anchor="end">{}</text>)",
                       kLeft - 6, axes.y(value) + 4, label);
  }
  return out;
}

std::string time_axis(const Axes& axes) {
  constexpr int kLabels = 6;
  std::string out;
  const Report& report = axes.report;
  for (int i = 0; i <= kLabels; ++i) {
    const EventTime time = report.since + (report.until - report.since) * i / kLabels;
    const char* anchor = i == 0 ? "start" : i == kLabels ? "end" : "middle";
    // On a phone every other label is left out.
    out += fmt::format(R"(<text class="axis{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)",
                       i % 2 == 1 ? " odd" : "", axes.x(time), kTop + axes.height + 18, anchor,
                       time_text(time, report.zone));
  }
  return out;
}

// A filled curve through the middle of each step.
std::string area(const Axes& axes, std::string_view css, std::uint64_t ReportPoint::* member) {
  std::string path;
  const Report& report = axes.report;
  const auto middle = [&](const ReportPoint& point) {
    return axes.x(std::min(point.time + report.step / 2, report.until));
  };
  for (const ReportPoint& point : report.points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", middle(point),
                        axes.y(static_cast<double>(point.*member)));
  }
  if (path.empty()) return {};
  const std::string closed =
      path + fmt::format("L{:.1f} {:.1f}L{:.1f} {:.1f}Z", middle(report.points.back()), axes.y(0),
                         middle(report.points.front()), axes.y(0));
  return fmt::format(R"(<path class="{0} fill" d="{1}"/><path class="{0} line" d="{2}"/>)", css,
                     closed, path);
}

std::string alert_marks(const Axes& axes, ReportLanguage language) {
  std::string out;
  for (const Alert& alert : axes.report.alerts) {
    if (alert.opened_at < axes.report.since) continue;
    const double x = axes.x(alert.opened_at);
    out += fmt::format(
        R"(<g class="mark {}"><title>{} {}</title><line x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{:.1f}"/><path d="M{:.1f} {}l4 -7h-8z"/></g>)",
        alert.severity == "critical" ? "critical" : "warning",
        time_text(alert.opened_at, axes.report.zone), escape_html(alert_words(alert, language)), x,
        x, kTop, axes.y(0), x, kTop);
  }
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+202A to U+202E, U+2066 to U+2069, U+200E, U+200F: E2 80 / E2 81 and a third byte.
    if (byte == 0xE2 && i + 2 < text.size()) {
      const auto second = static_cast<unsigned char>(text[i + 1]);
      const auto third = static_cast<unsigned char>(text[i + 2]);
      if ((second == 0x80 &&
           ((third >= 0xAA && third <= 0xAE) || third == 0x8E || third == 0x8F)) ||
          (second == 0x81 && third >= 0xA6 && third <= 0xA9)) {
        i += 2;
        continue;
      }
    }
    const std::string_view entity = markup_entity(text[i]);
    if (!entity.empty()) {
      out += entity;
    } else if (text[i] == '\'') {
      out += "&#39;";
    } else if (byte >= 0x20 && byte != 0x7F) {
      out += text[i];
    } else if (byte == '\n' || byte == '\t' || byte == '\r') {
      out += ' ';
    }
  }
  return out;
}

std::string volume_chart(const Report& report, ReportLanguage language) {
  std::uint64_t most = 1;
  for (const ReportPoint& point : report.points) most = std::max(most, point.posts);
  const Axes axes{190, std::max(4.0, round_up(static_cast<double>(most))), report};
  std::string out = open_svg(
      236, pick(language, "发帖量与负面帖子随时间的变化", "Posts and negative posts over time"));
  out += value_axis(axes, false) + time_axis(axes);
  out += area(axes, "posts", &ReportPoint::posts) + area(axes, "negative", &ReportPoint::negative);
  return out + alert_marks(axes, language) + "</svg>";
}

std::string negative_chart(const Report& report, ReportLanguage language) {
  constexpr std::uint64_t kPostsMin = 5;
  double most = 0.1;
  const auto share = [](const ReportPoint& point) {
    return static_cast<double>(point.negative) / static_cast<double>(point.posts);
  };
  for (const ReportPoint& point : report.points) {
    if (point.posts >= kPostsMin) most = std::max(most, share(point));
  }
  const Axes axes{110, most > 0.5 ? 1.0 : most > 0.2 ? 0.5 : 0.2, report};
  std::string path;
  bool pen_down = false;
  for (const ReportPoint& point : report.points) {
    if (point.posts < kPostsMin) {
      pen_down = false;
      continue;
    }
    const double x = axes.x(std::min(point.time + report.step / 2, report.until));
    path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", x, axes.y(share(point)));
    if (!pen_down)
      path += fmt::format("L{:.1f} {:.1f}", x, axes.y(share(point)));  // a dot when alone
    pen_down = true;
  }
  return open_svg(156, pick(language, "负面占比随时间的变化", "Negative share over time")) +
         value_axis(axes, true) + time_axis(axes) +
         fmt::format(R"(<path class="negative line round" d="{}"/></svg>)", path);
}

std::string region_map(const Report& report, ReportLanguage language) {
  constexpr double kTile = 46;
  constexpr double kGap = 4;
  std::uint64_t most = 1;
  for (const ReportShare& region : report.regions) {
    if (region.name != "unknown") most = std::max(most, region.posts);
  }
  std::string out = fmt::format(
      R"(<svg class="map" viewBox="0 0 {} {}" role="img" aria-label="{}">)", 9 * (kTile + kGap),
      8 * (kTile + kGap), pick(language, "各省发帖量", "Posts by province"));
  for (const Province& province : provinces()) {
    const auto found =
        std::find_if(report.regions.begin(), report.regions.end(),
                     [&](const ReportShare& region) { return region.name == province.name; });
    const std::uint64_t posts = found == report.regions.end() ? 0 : found->posts;
    const double root = std::sqrt(static_cast<double>(posts) / static_cast<double>(most));
    const int level = posts == 0 ? 0 : std::clamp(static_cast<int>(std::ceil(5 * root)), 1, 5);
    const double x = province.column * (kTile + kGap);
    const double y = province.row * (kTile + kGap);
    out += fmt::format(
        R"(<g class="tile t{}"><title>{}: {}</title><rect x="{}" y="{}" width="{}" height="{}" rx="5"/>)"
        R"(<text x="{}" y="{}">{}</text><text class="count" x="{}" y="{}">{}</text></g>)",
        level, region_words(province.name, language), grouped(posts), x, y, kTile, kTile,
        x + kTile / 2, y + 20, pick(language, province.name, province.code), x + kTile / 2, y + 36,
        posts >= 100'000 ? fmt::format("{}k", posts / 1'000) : std::to_string(posts));
  }
  return out + "</svg>";
}

}  // namespace tidewatch

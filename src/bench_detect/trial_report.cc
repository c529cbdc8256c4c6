// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/trial_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <set>

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kRecallSeconds[] = {17, 60, 300, 1'800};

using Filter = std::function<bool(const PlannedEvent&)>;

struct Sums {
  std::vector<std::optional<double>> delays, negative_delays;
  std::size_t found = 0, topic_right = 0, region_right = 0;
};

Sums sums_of(const Trial& trial, const TrialLine& line, const Filter& filter) {
  Sums sums;
  for (std::size_t i = 0; i < trial.events.size(); ++i) {
    if (!filter(trial.events[i])) continue;
    const EventVerdict& verdict = line.verdicts[i];
    sums.delays.push_back(verdict.delay);
    sums.negative_delays.push_back(verdict.negative_delay);
    sums.found += verdict.delay.has_value();
    sums.topic_right += verdict.topic_right;
    sums.region_right += verdict.region_right;
  }
  return sums;
}

Json quantile_json(const std::vector<std::optional<double>>& delays, double quantile) {
  const std::optional<double> value = censored_quantile(delays, quantile);
  return value ? Json(*value) : Json(nullptr);
}

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double recall_within(const std::vector<std::optional<double>>& delays, double seconds) {
  const auto in_time = std::count_if(delays.begin(), delays.end(),
                                     [&](const auto& d) { return d && *d <= seconds; });
  return share(static_cast<std::size_t>(in_time), delays.size());
}

Json sums_json(const Sums& sums) {
  Json recall;
  for (const double seconds : kRecallSeconds) {
    recall[fmt::format("{:g}s", seconds)] = recall_within(sums.delays, seconds);
  }
  return {{"events", sums.delays.size()},
          {"found", sums.found},
          {"delay_s",
           {{"p50", quantile_json(sums.delays, 0.5)},
            {"p90", quantile_json(sums.delays, 0.9)},
            {"p99", quantile_json(sums.delays, 0.99)}}},
          {"recall", recall},
          {"topic_right", share(sums.topic_right, sums.found)},
          {"region_right", share(sums.region_right, sums.found)}};
}

std::set<std::uint32_t> volumes_of(const Trial& trial) {
  std::set<std::uint32_t> volumes;
  for (const PlannedEvent& event : trial.events) {
    if (event.kind == EventKind::kCrowd) volumes.insert(event.volume);
  }
  return volumes;
}

bool is_crowd(const PlannedEvent& event) { return event.kind == EventKind::kCrowd; }

// Precision counts events that were found against everything that was raised.
double precision_of(const Trial& trial, const TrialLine& line) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < trial.events.size(); ++i) {
    found += is_crowd(trial.events[i]) && line.verdicts[i].delay.has_value();
  }
  return share(found, found + line.beside + line.false_in_event_passes);
}

Json special_json(const Trial& trial, const TrialLine& line, EventKind kind) {
  std::size_t events = 0, raised = 0, negative = 0;
  for (std::size_t i = 0; i < trial.events.size(); ++i) {
    if (trial.events[i].kind != kind) continue;
    ++events;
    raised += line.verdicts[i].delay.has_value();
    negative += line.verdicts[i].negative_delay.has_value();
  }
  return {{"events", events}, {"alarmed", raised}, {"alarmed_negative", negative}};
}

Json line_json(const Trial& trial, const TrialLine& line) {
  Json json{
      {"detector", line.detector},
      {"setting", line.setting},
      {"false_alarms_per_day_wanted", line.target},
      {"false_alarms_per_day_calibration", line.calibration_rate},
      {"false_alarms", line.false_alarms},
      {"days", line.test_days},
      {"false_alarms_per_day", static_cast<double>(line.false_alarms) / line.test_days},
      {"false_alarms_per_day_upper_95", poisson_upper_limit(line.false_alarms) / line.test_days},
      {"precision", precision_of(trial, line)},
      {"alarms_beside", line.beside},
      {"false_alarms_in_event_passes", line.false_in_event_passes},
      {"all", sums_json(sums_of(trial, line, is_crowd))}};
  Json by_volume = Json::array();
  for (const std::uint32_t volume : volumes_of(trial)) {
    const auto of_volume = [&](const PlannedEvent& e) { return is_crowd(e) && e.volume == volume; };
    Json entry{{"posts", volume}};
    entry.update(sums_json(sums_of(trial, line, of_volume)));
    for (std::size_t level = 0; level < kLevels; ++level) {
      entry[level_name(level)] = sums_json(sums_of(
          trial, line, [&](const PlannedEvent& e) { return of_volume(e) && e.level == level; }));
    }
    const Sums negative = sums_of(trial, line, [&](const PlannedEvent& e) {
      return of_volume(e) && e.negative_share == 0.8;
    });
    entry["negative_80_percent"] = {
        {"events", negative.negative_delays.size()},
        {"p50", quantile_json(negative.negative_delays, 0.5)},
        {"within_1800s", recall_within(negative.negative_delays, 1'800)}};
    by_volume.push_back(entry);
  }
  json["by_posts"] = by_volume;
  Json by_provinces = Json::array();
  for (const std::size_t provinces : {std::size_t{1}, std::size_t{3}, World::kRegions}) {
    Json entry{{"provinces", provinces}};
    entry.update(sums_json(sums_of(trial, line, [&](const PlannedEvent& e) {
      return is_crowd(e) && e.regions.size() == provinces;
    })));
    by_provinces.push_back(entry);
  }
  json["by_provinces"] = by_provinces;
  json["floods"] = special_json(trial, line, EventKind::kFlood);
  json["happy_bursts"] = special_json(trial, line, EventKind::kHappy);
  return json;
}

std::string seconds_text(const std::optional<double>& value, double more = 0) {
  return value ? fmt::format("{:.0f}", *value + more) : std::string{"miss"};
}

// Events of 10,000 posts and more: what the picture shows.
bool is_large(const PlannedEvent& event) { return is_crowd(event) && event.volume >= 10'000; }

}  // namespace

Json trial_json(const Trial& trial) {
  Json strata = Json::array();
  for (const Stratum& stratum : trial.calibration.strata) {
    strata.push_back({{"name", stratum.name},
                      {"waves", stratum.peaks},
                      {"largest_nats", stratum.largest},
                      {"above_nats", stratum.tail.above},
                      {"scale", stratum.tail.scale},
                      {"shape", stratum.tail.shape},
                      {"fitted", stratum.tail.fitted}});
  }
  Json topics = Json::array();
  for (std::size_t i = 0; i < trial.topic_names.size(); ++i) {
    topics.push_back({{"name", trial.topic_names[i]}, {"per_minute", trial.topic_per_minute[i]}});
  }
  Json lines = Json::array();
  for (const TrialLine& line : trial.lines) lines.push_back(line_json(trial, line));
  return {{"keys", trial.num_keys},
          {"calibration_days", trial.calibration_days},
          {"test_days", trial.test_days},
          {"topics", topics},
          {"calibration", strata},
          {"events", trial.events.size()},
          {"lines", lines}};
}

std::string trial_text(const Trial& trial) {
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out,
                 "keys      {}; thresholds from {:.1f} days, judged on {:.1f} others, {} events\n",
                 trial.num_keys, trial.calibration_days, trial.test_days, trial.events.size());
  for (std::size_t level = 0; level < kLevels; ++level) {
    fmt::format_to(out, "{:<9}", level_name(level));
    for (const std::size_t topic : trial.levels.topics[level]) {
      fmt::format_to(out, " {} ({:.2f}/min)", trial.topic_names[topic],
                     trial.topic_per_minute[topic]);
    }
    fmt::format_to(out, "\n");
  }
  fmt::format_to(out,
                 "\nDelay from the first post in s.\n"
                 "false/day: on days without events, in brackets the upper 95 % limit.\n\n"
                 "{:<22}{:>7} {:>15} {:>6}{:>6}{:>6} {:>6}{:>6}{:>6}{:>6}  {:>5} {:>5}/{:<5}\n",
                 "detector", "wanted", "false/day", "p50", "p90", "p99", "<17s", "<60s", "<5m",
                 "<30m", "prec", "topic", "region");
  for (const TrialLine& line : trial.lines) {
    const Sums sums = sums_of(trial, line, is_crowd);
    fmt::format_to(
        out,
        "{:<22}{:>7g} {:>7.2f} ({:>5.2f}) {:>6}{:>6}{:>6} {:>6.2f}{:>6.2f}{:>6.2f}{:>6.2f}"
        "  {:>5.2f} {:>5.2f}/{:<5.2f}\n",
        line.detector, line.target, static_cast<double>(line.false_alarms) / line.test_days,
        poisson_upper_limit(line.false_alarms) / line.test_days,
        seconds_text(censored_quantile(sums.delays, 0.5)),
        seconds_text(censored_quantile(sums.delays, 0.9)),
        seconds_text(censored_quantile(sums.delays, 0.99)), recall_within(sums.delays, 17),
        recall_within(sums.delays, 60), recall_within(sums.delays, 300),
        recall_within(sums.delays, 1'800), precision_of(trial, line),
        share(sums.topic_right, sums.found), share(sums.region_right, sums.found));
  }
  fmt::format_to(out, "\nBy posts in 3 h, quiet topics: p50 / p90 (events)\n{:<22}{:>7}",
                 "detector", "wanted");
  const std::set<std::uint32_t> volumes = volumes_of(trial);
  for (const std::uint32_t volume : volumes) fmt::format_to(out, "{:>16}", volume);
  for (const TrialLine& line : trial.lines) {
    fmt::format_to(out, "\n{:<22}{:>7g}", line.detector, line.target);
    for (const std::uint32_t volume : volumes) {
      const Sums sums = sums_of(trial, line, [&](const PlannedEvent& e) {
        return is_crowd(e) && e.volume == volume && e.level == 0;
      });
      fmt::format_to(
          out, "{:>16}",
          fmt::format("{}/{} ({})", seconds_text(censored_quantile(sums.delays, 0.5)),
                      seconds_text(censored_quantile(sums.delays, 0.9)), sums.delays.size()));
    }
  }
  fmt::format_to(out, "\n");
  return text;
}

std::string trial_picture(const Trial& trial) {
  constexpr double kWidth = 640, kHeight = 420, kLeft = 60, kTop = 20, kPlotW = 380, kPlotH = 340;
  constexpr double kRateLow = 0.02, kRateHigh = 100, kDelayLow = 1, kDelayHigh = 10'800;
  constexpr const char* kColours[] = {"#0b6e99", "#c0392b", "#8e6c00",
                                      "#2e7d32", "#6a3d9a", "#555555"};
  const auto place = [](double value, double low, double high) {
    return std::log(std::clamp(value, low, high) / low) / std::log(high / low);
  };
  const auto x = [&](double rate) { return kLeft + kPlotW * place(rate, kRateLow, kRateHigh); };
  const auto y = [&](double delay) {
    return kTop + kPlotH * (1 - place(delay, kDelayLow, kDelayHigh));
  };
  std::string svg;
  const auto out = std::back_inserter(svg);
  fmt::format_to(out,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:g}\" height=\"{1:g}\" "
                 "font-family=\"sans-serif\" font-size=\"12\">\n"
                 "<rect width=\"{0:g}\" height=\"{1:g}\" fill=\"white\"/>\n",
                 kWidth, kHeight);
  for (const double rate : {0.1, 1.0, 10.0, 100.0}) {
    fmt::format_to(out,
                   "<path d=\"M{0:.1f} {1:g}V{2:g}\" stroke=\"#ddd\"/><text x=\"{0:.1f}\" "
                   "y=\"{3:g}\" text-anchor=\"middle\">{4:g}</text>\n",
                   x(rate), kTop, kTop + kPlotH, kTop + kPlotH + 16, rate);
  }
  for (const auto& [delay, label] :
       {std::pair{1.0, "1 s"}, std::pair{10.0, "10 s"}, std::pair{60.0, "1 min"},
        std::pair{600.0, "10 min"}, std::pair{3'600.0, "1 h"}, std::pair{10'800.0, "missed"}}) {
    fmt::format_to(out,
                   "<path d=\"M{0:g} {1:.1f}H{2:g}\" stroke=\"#ddd\"/><text x=\"{3:g}\" "
                   "y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
                   kLeft, y(delay), kLeft + kPlotW, kLeft - 6, y(delay) + 4, label);
  }
  fmt::format_to(
      out,
      "<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"middle\">false alarms a day over {} keys, "
      "{:.0f} held-out days</text>\n",
      kLeft + kPlotW / 2, kHeight - 20, trial.num_keys, trial.test_days);
  std::size_t series = 0;
  for (std::size_t i = 0; i < trial.lines.size(); ++series) {
    const std::string& name = trial.lines[i].detector;
    const char* const colour = kColours[series % std::size(kColours)];
    std::string path;
    for (; i < trial.lines.size() && trial.lines[i].detector == name; ++i) {
      const TrialLine& line = trial.lines[i];
      const Sums sums = sums_of(trial, line, is_large);
      const double delay = censored_quantile(sums.delays, 0.5).value_or(kDelayHigh);
      const double rate = static_cast<double>(line.false_alarms) / line.test_days;
      fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x(rate),
                     y(delay));
      fmt::format_to(out, "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x(rate),
                     y(delay), colour);
    }
    fmt::format_to(
        out,
        "<path d=\"{}\" stroke=\"{}\" stroke-width=\"2\" fill=\"none\"/>\n<text x=\"{:g}\" "
        "y=\"{:g}\" fill=\"{}\">{}</text>\n",
        path, colour, kLeft + kPlotW + 14, kTop + 20 + 20 * static_cast<double>(series), colour,
        name);
  }
  svg += "</svg>\n";
  return svg;
}

}  // namespace tidewatch

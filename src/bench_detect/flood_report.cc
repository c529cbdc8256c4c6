// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/flood_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench_detect/judge.h"

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, 7> kKinds = {"volume",   "negative",    "hashtag", "rule",
                                               "emergent", "coordinated", "advert"};

// Floods of one shape, or all.
struct FloodGroup {
  explicit FloodGroup(std::string group_name) : name(std::move(group_name)) {}
  std::string name;
  std::size_t floods = 0, labelled = 0, as_crowd = 0;
  std::vector<std::optional<double>> delays;

  void take(const FloodOutcome& flood) {
    ++floods;
    labelled += flood.label_delay.has_value();
    as_crowd += flood.crowd_alerts > 0;
    delays.push_back(flood.label_delay);
  }
};

std::vector<FloodGroup> groups_of(const std::vector<FloodOutcome>& floods) {
  std::vector<FloodGroup> groups;
  groups.emplace_back("all with a text");
  for (const auto name : kFloodTexts) groups.emplace_back("text: " + std::string{name});
  for (const auto name : kFloodTimings) groups.emplace_back("times: " + std::string{name});
  groups.emplace_back("under 0.1 posts/s");
  groups.emplace_back("0.1 to 1 posts/s");
  groups.emplace_back("over 1 post/s");
  for (const FloodOutcome& flood : floods) {
    const std::size_t times = 1 + kFloodTexts.size(), rates = times + kFloodTimings.size();
    const double rate = static_cast<double>(flood.plan.posts) / flood.plan.seconds;
    groups[1 + static_cast<std::size_t>(flood.plan.text)].take(flood);
    if (flood.plan.text == FloodText::kBare) continue;  // no text of its own: reported beside
    groups[0].take(flood);
    groups[times + static_cast<std::size_t>(flood.plan.timing)].take(flood);
    groups[rates + (rate < 0.1 ? 0 : rate < 1 ? 1 : 2)].take(flood);
  }
  return groups;
}

struct CrowdGroup {
  explicit CrowdGroup(std::string group_name) : name(std::move(group_name)) {}
  std::string name;
  std::size_t crowds = 0, told = 0, coordinated = 0, emergent = 0, emergent_most = 0;
  std::vector<std::optional<double>> delays;
};

std::vector<CrowdGroup> groups_of(const std::vector<CrowdOutcome>& crowds) {
  std::vector<CrowdGroup> groups;
  for (const auto name : kCrowdShapes) groups.emplace_back(std::string{name});
  for (const CrowdOutcome& crowd : crowds) {
    CrowdGroup& group = groups[static_cast<std::size_t>(crowd.plan.shape)];
    ++group.crowds;
    group.told += crowd.alert_delay.has_value();
    group.coordinated += crowd.coordinated > 0;
    group.emergent += crowd.emergent;
    group.emergent_most = std::max(group.emergent_most, crowd.emergent);
    group.delays.push_back(crowd.alert_delay);
  }
  return groups;
}

Json share_json(std::size_t count, std::size_t of) {
  const auto [low, high] = wilson_interval(count, of);
  const double share = of == 0 ? 0 : static_cast<double>(count) / static_cast<double>(of);
  return {{"count", count}, {"of", of}, {"share", share}, {"low_95", low}, {"high_95", high}};
}

Json delay_json(const std::vector<std::optional<double>>& delays) {
  const auto quantile = [&](double q) {
    const auto value = censored_quantile(delays, q);
    return value ? Json(*value) : Json(nullptr);
  };
  return {{"p50", quantile(0.5)}, {"p90", quantile(0.9)}};
}

std::size_t count_of(const AlertTally& tally, const char* kind) {
  const auto found = tally.find(kind);
  return found == tally.end() ? 0 : found->second;
}

Json tally_json(const AlertTally& tally, double days) {
  Json kinds = Json::object();
  for (const char* const kind : kKinds) {
    const std::size_t count = count_of(tally, kind);
    kinds[kind] = {{"alerts", count},
                   {"per_day", static_cast<double>(count) / days},
                   {"per_day_upper_95", poisson_upper_limit(count) / days}};
  }
  return kinds;
}

std::string share_text(std::size_t count, std::size_t of) {
  const auto [low, high] = wilson_interval(count, of);
  return fmt::format("{}/{} ({:.0f}-{:.0f} %)", count, of, 100 * low, 100 * high);
}

std::string delay_text(const std::vector<std::optional<double>>& delays) {
  const auto text = [&](double q) {
    const auto value = censored_quantile(delays, q);
    return value ? fmt::format("{:.0f}", *value) : std::string{"-"};
  };
  return fmt::format("{} / {} s", text(0.5), text(0.9));
}

}  // namespace

nlohmann::ordered_json flood_json(const FloodTrial& trial) {
  Json floods = Json::array();
  for (const FloodGroup& group : groups_of(trial.floods)) {
    floods.push_back({{"floods", group.name},
                      {"labelled", share_json(group.labelled, group.floods)},
                      {"taken_for_crowd", share_json(group.as_crowd, group.floods)},
                      {"label_delay_s", delay_json(group.delays)}});
  }
  Json crowds = Json::array();
  for (const CrowdGroup& group : groups_of(trial.crowds)) {
    crowds.push_back({{"crowds", group.name},
                      {"told", share_json(group.told, group.crowds)},
                      {"taken_for_coordinated", share_json(group.coordinated, group.crowds)},
                      {"delay_s", delay_json(group.delays)},
                      {"emergent_topics", group.emergent},
                      {"emergent_topics_most", group.emergent_most}});
  }
  return {{"background_days", trial.background_days},
          {"background_posts", trial.background_posts},
          {"background_alerts", tally_json(trial.background, trial.background_days)},
          {"event_days", trial.event_days},
          {"alerts_beside_events", tally_json(trial.beside, trial.event_days)},
          {"floods", std::move(floods)},
          {"crowds", std::move(crowds)},
          {"examples", trial.examples}};
}

std::string flood_text(const FloodTrial& trial) {
  std::string out = fmt::format("{:<22} {:>22} {:>22} {:>14}\n", "floods", "labelled",
                                "taken for a crowd", "p50 / p90");
  for (const FloodGroup& group : groups_of(trial.floods)) {
    out += fmt::format("{:<22} {:>22} {:>22} {:>14}\n", group.name,
                       share_text(group.labelled, group.floods),
                       share_text(group.as_crowd, group.floods), delay_text(group.delays));
  }
  out += fmt::format("\n{:<22} {:>22} {:>22} {:>14} {}\n", "crowds", "told", "taken for copy-paste",
                     "p50 / p90", " emergent topics (most of one)");
  for (const CrowdGroup& group : groups_of(trial.crowds)) {
    out += fmt::format("{:<22} {:>22} {:>22} {:>14}  {} ({})\n", group.name,
                       share_text(group.told, group.crowds),
                       share_text(group.coordinated, group.crowds), delay_text(group.delays),
                       group.emergent, group.emergent_most);
  }
  out += fmt::format(
      "\nalerts a day (upper 95 % limit) in {:.1f} days of background, {} posts; "
      "beside the events in {:.1f} days\n",
      trial.background_days, trial.background_posts, trial.event_days);
  for (const char* const kind : kKinds) {
    const std::size_t quiet = count_of(trial.background, kind);
    const std::size_t beside = count_of(trial.beside, kind);
    out += fmt::format("{:<22} {:>8.2f} ({:.2f}) {:>8.2f} ({:.2f})\n", kind,
                       static_cast<double>(quiet) / trial.background_days,
                       poisson_upper_limit(quiet) / trial.background_days,
                       static_cast<double>(beside) / trial.event_days,
                       poisson_upper_limit(beside) / trial.event_days);
  }
  for (const std::string& example : trial.examples) out += "  " + example + "\n";
  return out;
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/flood_trial.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <variant>

#include "alert/alert_manager.h"
#include "alert/watch_evidence.h"
#include "detect/post_watch.h"
#include "query/folded_text.h"
#include "query/topic_tree.h"
#include "rules/rule_matcher.h"

namespace tidewatch {
namespace {

using std::chrono::seconds;

constexpr std::size_t kSamplePosts = 5'000;  // that words for the rules are taken from
constexpr std::size_t kExamplesMax = 40;
constexpr seconds kPause{45 * 60};  // between two planted events: waves end after half an hour

// Rules of one pair of characters each, from frequent to rare ones.
std::shared_ptr<const RuleMatcher> rules_of(const std::vector<ScoredPost>& posts, std::size_t count,
                                            const LabelSchema& labels) {
  std::map<std::string, std::size_t> pairs;
  FoldedText folded;
  for (const ScoredPost& post : posts) {
    fold_text(post.post.text, folded);
    for (std::size_t i = 0; i < folded.units.size(); ++i) {
      if (is_bigram(folded, i)) ++pairs[std::string{bigram(folded, i)}];
    }
  }
  std::vector<std::pair<std::size_t, std::string>> by_count;
  for (const auto& [pair, posts_with] : pairs) by_count.emplace_back(posts_with, pair);
  std::sort(by_count.rbegin(), by_count.rend());
  std::vector<Rule> rules;
  if (by_count.empty()) return nullptr;  // texts without a pair of characters
  const double step = std::log(static_cast<double>(by_count.size())) / static_cast<double>(count);
  std::size_t last = by_count.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto rank = static_cast<std::size_t>(std::exp(step * static_cast<double>(i))) - 1;
    if (rank == last || rank >= by_count.size()) continue;
    last = rank;
    rules.push_back({fmt::format("r{}", rank), by_count[rank].second, "", true});
  }
  const auto tree = TopicTree::create(labels, TopicTree::default_groups());
  assert(tree.ok());
  auto matcher = RuleMatcher::create(std::move(rules), tree.value(), labels);
  assert(matcher.ok());
  return matcher.value();
}

struct Planted {
  std::variant<FloodPlan, CrowdPlan> plan;
  std::size_t place = 0;  // in FloodTrial::floods or crowds
  EventTime start{}, end{};
};

class Trial {
 public:
  Trial(const FloodTrialOptions& options, PostBackground& background,
        const std::function<void(const std::string&)>& progress)
      : options_(options), background_(background), progress_(progress), random_(options.seed) {}

  FloodTrial run() {
    std::vector<ScoredPost> sample(kSamplePosts);
    for (ScoredPost& post : sample) background_.next(post);
    watch_.set_rules(rules_of(sample, options_.rules, post_trial_labels()));
    background_.next(next_);
    begin_ = next_.post.time;
    const EventTime quiet_until =
        begin_ +
        std::chrono::milliseconds{static_cast<std::int64_t>(options_.background_days * 86'400'000)};
    progress_("background");
    in_background_ = true;
    until(quiet_until);
    in_background_ = false;
    trial_.background_days = options_.background_days;
    trial_.background_posts = watch_.aggregator().stats().posts;
    EventTime at = quiet_until;
    for (const auto& plan : plans()) at = plant(plan, at);
    until(at + seconds{kPause});
    watch_.flush(tell_);
    note(at);
    trial_.event_days =
        std::chrono::duration<double>(at + seconds{kPause} - quiet_until).count() / 86'400;
    return std::move(trial_);
  }

 private:
  std::vector<std::variant<FloodPlan, CrowdPlan>> plans() {
    std::vector<std::variant<FloodPlan, CrowdPlan>> plans;
    for (std::size_t i = 0; i < options_.floods; ++i) plans.emplace_back(draw_flood(random_));
    for (std::size_t i = 0; i < options_.crowds; ++i) plans.emplace_back(draw_crowd(random_));
    for (std::size_t i = plans.size(); i > 1; --i) {
      std::swap(plans[i - 1], plans[random_.below(static_cast<std::uint32_t>(i))]);
    }
    return plans;
  }

  // Plants an event and runs until the next may begin.
  EventTime plant(const std::variant<FloodPlan, CrowdPlan>& plan, EventTime start) {
    const std::size_t serial = planted_.size();
    Planted one{plan, 0, start, start};
    std::vector<ScoredPost> posts;
    if (const auto* const flood = std::get_if<FloodPlan>(&plan)) {
      one.place = trial_.floods.size();
      trial_.floods.push_back({.plan = *flood, .label_delay = std::nullopt});
      posts = flood_posts(*flood, serial, start, random_);
    } else {
      one.place = trial_.crowds.size();
      trial_.crowds.push_back({.plan = std::get<CrowdPlan>(plan), .alert_delay = std::nullopt});
      posts = crowd_posts(std::get<CrowdPlan>(plan), serial, start, random_);
    }
    one.end = posts.back().post.time;
    planted_.push_back(one);
    if (serial % 20 == 0) progress_(fmt::format("event {}", serial));
    for (const ScoredPost& post : posts) {
      until(post.post.time);
      take(post);
    }
    return posts.back().post.time + kPause;
  }

  void until(EventTime end) {
    while (next_.post.time <= end) {
      take(next_);
      background_.next(next_);
    }
  }
  void take(const ScoredPost& post) {
    watch_.add(post, tell_);
    watch_.aggregator().take_minutes();
    if (!updates_.empty()) note(post.post.time);
  }

  void note(EventTime now) {
    for (const AlertUpdate& update : updates_) {
      if (update.event == AlertEvent::kOpened) note_opened(update.alert, now);
    }
    updates_.clear();
  }

  void note_opened(const Alert& alert, EventTime now) {
    const bool coordinated = alert.kind == "coordinated";
    const std::optional<std::size_t> event = planted_among(alert, now);
    if (!event) {
      const std::string kind = kind_of(alert);
      ++(in_background_ ? trial_.background : trial_.beside)[kind];
      if (kind != "advert") show(alert, kind, in_background_ ? "background" : "beside an event");
      return;
    }
    const Planted& planted = planted_[*event];
    const double delay = std::chrono::duration<double>(now - planted.start).count();
    if (std::holds_alternative<FloodPlan>(planted.plan)) {
      FloodOutcome& flood = trial_.floods[planted.place];
      if (!coordinated) {
        ++flood.crowd_alerts;
        const std::string_view text = kFloodTexts[static_cast<std::size_t>(flood.plan.text)];
        show(alert, kind_of(alert), fmt::format("flood ({}, after {:.0f} s)", text, delay));
      }
      if (coordinated && !flood.label_delay) flood.label_delay = delay;
    } else {
      CrowdOutcome& crowd = trial_.crowds[planted.place];
      crowd.coordinated += coordinated;
      crowd.emergent += alert.kind == "emergent";
      if (coordinated || (alert.kind == "emergent" && crowd.emergent > 1)) {
        const std::string_view shape = kCrowdShapes[static_cast<std::size_t>(crowd.plan.shape)];
        show(alert, kind_of(alert), fmt::format("crowd ({}, after {:.0f} s)", shape, delay));
      }
      if (!coordinated && !crowd.alert_delay) crowd.alert_delay = delay;
    }
  }

  void show(const Alert& alert, std::string_view kind, std::string_view of) {
    if (trial_.examples.size() >= kExamplesMax) return;
    trial_.examples.push_back(fmt::format("{}: {} {} ({} posts, {} authors): {}", of, kind,
                                          alert.key, alert.posts, alert.authors,
                                          fmt::join(alert.terms, " ")));
  }

  // The latest event of which a post is among the evidence, unless it was over long before: the
  // evidence of a quiet key may be days old.
  std::optional<std::size_t> planted_among(const Alert& alert, EventTime now) const {
    std::optional<std::size_t> latest;
    for (const std::string& id : alert.evidence) {
      std::size_t serial = 0;
      if (!id.starts_with('p')) continue;
      std::from_chars(id.data() + 1, id.data() + id.size(), serial);
      if (now > planted_[serial].end + kPause) continue;
      latest = std::max(latest.value_or(0), serial);
    }
    return latest;
  }

  static std::string kind_of(const Alert& alert) {
    const auto of = [&](std::string_view prefix) {
      return std::any_of(alert.evidence.begin(), alert.evidence.end(),
                         [&](const std::string& id) { return id.starts_with(prefix); });
    };
    if (alert.kind == "coordinated" && of(PostBackground::kAdvertId)) return "advert";
    if (alert.kind == "coordinated" || alert.kind == "emergent") return alert.kind;
    if (alert.key.starts_with("rule:")) return "rule";
    if (alert.key.starts_with("#")) return "hashtag";
    return alert.kind;
  }

  const FloodTrialOptions options_;
  PostBackground& background_;
  const std::function<void(const std::string&)>& progress_;
  Random random_;
  // As app/counting.cc arranges them, with the engine's default settings.
  PostWatch watch_{{}, post_trial_labels()};
  WatchEvidence evidence_{watch_};
  AlertManager alerts_{{}, post_trial_labels(), evidence_};
  const PostWatch::Visit tell_ = [this](std::span<const Change> changes) {
    alerts_.on_changes(changes, updates_);
  };
  ScoredPost next_;  // of the background
  EventTime begin_{};
  bool in_background_ = false;
  std::vector<Planted> planted_;
  std::vector<AlertUpdate> updates_;
  FloodTrial trial_;
};

}  // namespace

FloodTrial run_flood_trial(const FloodTrialOptions& options, PostBackground& background,
                           const std::function<void(const std::string&)>& progress) {
  return Trial(options, background, progress).run();
}

std::pair<double, double> wilson_interval(std::size_t count, std::size_t of) {
  if (of == 0) return {0, 1};
  constexpr double kZ = 1.959964;
  const auto n = static_cast<double>(of);
  const double share = static_cast<double>(count) / n;
  const double middle = share + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

}  // namespace tidewatch

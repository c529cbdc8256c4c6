// SPDX-License-Identifier: Apache-2.0
#include "bench_detect/detect_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "bench_detect/engine_alarms.h"

namespace tidewatch {
namespace {

constexpr double kBinsPerDay = static_cast<double>(kDaySeconds) / kBinSeconds;
constexpr double kBiases[] = {1, 4, 16};
// What a baseline's bias is chosen by: delay to events of this size and more, at this target.
constexpr std::uint32_t kTuneVolume = 3'000;
constexpr std::size_t kTunePasses = 2;
constexpr double kEngineWarmDays = 2;  // a tail is better known from more days

using Sources = std::vector<std::unique_ptr<AlarmSource>>;

void run_pass(World& world, const std::vector<AlarmSource*>& sources) {
  std::vector<Tick> ticks;
  while (world.next_bin(ticks)) {
    for (AlarmSource* const source : sources) {
      for (const Tick& tick : ticks) source->observe(tick);
      source->reach(world.now());
    }
  }
}

std::vector<AlarmSource*> pointers(const Sources& sources) {
  std::vector<AlarmSource*> list;
  for (const auto& source : sources) list.push_back(source.get());
  return list;
}

// The days of a pass and what is judged of it.
struct Span {
  std::size_t first_bin, judged_bin, last_bin;
  double judged_days() const { return static_cast<double>(last_bin - judged_bin) / kBinsPerDay; }
};

class Runner {
 public:
  Runner(const TrialOptions& options, const std::vector<RateCurve>& backgrounds,
         const std::vector<EventCurve>& events,
         const std::function<void(const std::string&)>& progress)
      : options_(options), backgrounds_(backgrounds), events_(events), progress_(progress) {
    const std::size_t bins = backgrounds.front().counts.size();
    const auto warm = static_cast<std::size_t>(options.warm_days * kBinsPerDay);
    const auto cut =
        static_cast<std::size_t>(options.calibration_share * static_cast<double>(bins));
    calibration_ = {0, std::min(warm, cut / 2), cut};
    test_ = {cut - std::min(warm, cut), cut, bins};
  }

  Trial run() {
    Trial trial;
    trial.calibration_days = calibration_.judged_days();
    trial.test_days = test_.judged_days();
    calibrate(trial);
    if (options_.baselines) {
      choose_baselines();
    } else {
      engine_calibration_.assign(settings_.size(), 0);
    }
    judge_clean(trial);
    judge_events(trial);
    return trial;
  }

 private:
  WorldOptions world_options(const Span& span, std::size_t hashtags, std::uint64_t pass) const {
    WorldOptions world = options_.world;
    world.seed = options_.seed * 1'000 + pass;
    world.hashtags = hashtags;
    world.first_bin = span.first_bin;
    world.last_bin = span.last_bin;
    return world;
  }

  World make_world(const Span& span, std::size_t hashtags, std::uint64_t pass) const {
    return World(world_options(span, hashtags, pass), backgrounds_);
  }

  std::int64_t time_of(std::size_t bin) const {
    return backgrounds_.front().start + static_cast<std::int64_t>(bin) * kBinSeconds;
  }

  void calibrate(Trial& trial) {
    progress_(fmt::format("thresholds from {:.1f} days of background", calibration_.judged_days()));
    World world = make_world(calibration_, options_.hashtags, 0);
    trial.num_keys = world.num_keys();
    trial.levels = topic_levels(world);
    for (std::size_t topic = 0; topic < world.num_topics(); ++topic) {
      trial.topic_names.push_back(backgrounds_[topic].name);
      trial.topic_per_minute.push_back(world.topic_per_minute(topic));
    }
    const double warm =
        static_cast<double>(calibration_.judged_bin - calibration_.first_bin) / kBinsPerDay;
    trial.calibration = calibrate_alerts(world, options_.detect, std::min(warm, kEngineWarmDays));
    for (const double target : options_.targets) {
      settings_.push_back(
          {fmt::format("{:g} a day", target),
           with_thresholds(options_.detect, thresholds_for(trial.calibration, target))});
    }
  }

  // The loosest setting with no more false alarms than wanted.
  static std::size_t setting_for(const std::vector<std::size_t>& false_alarms, double most) {
    std::size_t setting = false_alarms.size() - 1;
    while (setting > 0 && static_cast<double>(false_alarms[setting - 1]) <= most) --setting;
    return setting;
  }

  std::vector<std::size_t> false_alarms(const AlarmSource& source, const World& world,
                                        const Span& span) const {
    std::vector<std::size_t> counts;
    for (std::size_t setting = 0; setting < source.num_settings(); ++setting) {
      counts.push_back(
          judge(source.alarms(setting), {}, world, time_of(span.judged_bin)).false_alarms);
    }
    return counts;
  }

  void choose_baselines() {
    progress_("baselines on the same days");
    World world = make_world(calibration_, options_.hashtags, 0);
    Sources variants;
    for (std::size_t kind = 0; kind < kBaselineKinds; ++kind) {
      for (const double bias : kBiases) {
        variants.push_back(std::make_unique<BaselineAlarms>(static_cast<BaselineKind>(kind), bias,
                                                            world.num_keys()));
      }
    }
    EngineAlarms engine(world, settings_);
    std::vector<AlarmSource*> sources = pointers(variants);
    sources.push_back(&engine);
    run_pass(world, sources);
    engine_calibration_ = false_alarms(engine, world, calibration_);
    std::vector<std::vector<std::size_t>> counts;
    for (const auto& variant : variants) {
      counts.push_back(false_alarms(*variant, world, calibration_));
    }
    // The better bias for each target, by the delay to events planted in the calibration days.
    std::vector<std::vector<std::vector<std::optional<double>>>> delays(
        variants.size(), std::vector<std::vector<std::optional<double>>>(options_.targets.size()));
    std::size_t offset = 0;
    for (std::size_t pass = 0; pass < kTunePasses; ++pass) {
      World planted = make_world(calibration_, 0, 100 + pass);
      const std::vector<PlannedEvent> events = plan(planted, calibration_, 50, offset);
      offset += events.size();
      Sources tried;
      for (std::size_t i = 0; i < variants.size(); ++i) {
        tried.push_back(
            std::make_unique<BaselineAlarms>(static_cast<BaselineKind>(i / std::size(kBiases)),
                                             kBiases[i % std::size(kBiases)], planted.num_keys()));
      }
      run_pass(planted, pointers(tried));
      for (std::size_t i = 0; i < tried.size(); ++i) {
        for (std::size_t t = 0; t < options_.targets.size(); ++t) {
          const std::size_t setting =
              setting_for(counts[i], options_.targets[t] * calibration_.judged_days());
          const DetectionVerdict verdict =
              judge(tried[i]->alarms(setting), events, planted, time_of(calibration_.judged_bin));
          for (std::size_t e = 0; e < events.size(); ++e) {
            if (events[e].kind == EventKind::kCrowd && events[e].volume >= kTuneVolume) {
              delays[i][t].push_back(verdict.events[e].delay);
            }
          }
        }
      }
    }
    for (std::size_t kind = 0; kind < kBaselineKinds; ++kind) {
      for (std::size_t t = 0; t < options_.targets.size(); ++t) {
        std::size_t best = 0;
        double best_delay = std::numeric_limits<double>::infinity();
        for (std::size_t b = 0; b < std::size(kBiases); ++b) {
          const std::size_t i = kind * std::size(kBiases) + b;
          // Median and p90: a tie at the next minute is broken by the misses.
          const double delay = censored_quantile(delays[i][t], 0.5).value_or(1e6) +
                               0.01 * censored_quantile(delays[i][t], 0.9).value_or(1e6);
          if (delay < best_delay) {
            best = b;
            best_delay = delay;
          }
        }
        const std::size_t i = kind * std::size(kBiases) + best;
        const std::size_t setting =
            setting_for(counts[i], options_.targets[t] * calibration_.judged_days());
        chosen_.push_back({static_cast<BaselineKind>(kind), kBiases[best], setting, t,
                           static_cast<double>(counts[i][setting]) / calibration_.judged_days()});
      }
    }
  }

  std::vector<PlannedEvent> plan(World& world, const Span& span, std::uint64_t series,
                                 std::size_t offset) const {
    PlanOptions plan;
    plan.seed = options_.seed * 100 + series;
    plan.from = time_of(span.judged_bin);
    plan.until = time_of(span.last_bin);
    return plan_events(plan, offset, events_, world);
  }

  // The engine, and one source for each (kind, bias) that was chosen for any target.
  Sources make_sources(const World& world) const {
    Sources sources;
    sources.push_back(std::make_unique<EngineAlarms>(world, settings_));
    for (std::size_t kind = 0; kind < kBaselineKinds; ++kind) {
      for (const double bias : kBiases) {
        if (source_of(sources, static_cast<BaselineKind>(kind), bias) != nullptr) continue;
        const bool used = std::any_of(chosen_.begin(), chosen_.end(), [&](const Chosen& c) {
          return c.kind == static_cast<BaselineKind>(kind) && c.bias == bias;
        });
        if (!used) continue;
        sources.push_back(std::make_unique<BaselineAlarms>(static_cast<BaselineKind>(kind), bias,
                                                           world.num_keys()));
      }
    }
    return sources;
  }

  static const AlarmSource* source_of(const Sources& sources, BaselineKind kind, double bias) {
    for (const auto& source : sources) {
      const auto* const baseline = dynamic_cast<const BaselineAlarms*>(source.get());
      if (baseline != nullptr && baseline->name() == baseline_name(kind) &&
          baseline->bias() == bias) {
        return source.get();
      }
    }
    return nullptr;
  }

  // Calls take(line, source, setting) for every line of the report, in order.
  template <typename Take>
  void for_lines(const Sources& sources, Take take) const {
    std::size_t line = 0;
    for (std::size_t t = 0; t < settings_.size(); ++t) take(line++, *sources.front(), t);
    for (const Chosen& chosen : chosen_) {
      take(line++, *source_of(sources, chosen.kind, chosen.bias), chosen.setting);
    }
  }

  void judge_clean(Trial& trial) {
    progress_(fmt::format("false alarms on {:.1f} held-out days", test_.judged_days()));
    World world = make_world(test_, options_.hashtags, 1);
    const Sources sources = make_sources(world);
    run_pass(world, pointers(sources));
    for_lines(sources, [&](std::size_t line, const AlarmSource& source, std::size_t setting) {
      TrialLine& out = trial.lines.emplace_back();
      const bool engine = line < settings_.size();
      out.detector = source.name();
      out.setting = source.setting_name(setting);
      out.target = options_.targets[line % settings_.size()];
      out.calibration_rate =
          engine ? static_cast<double>(engine_calibration_[line]) / calibration_.judged_days()
                 : chosen_[line - settings_.size()].calibration_rate;
      out.test_days = test_.judged_days();
      out.false_alarms =
          judge(source.alarms(setting), {}, world, time_of(test_.judged_bin)).false_alarms;
    });
  }

  void judge_events(Trial& trial) {
    for (std::size_t pass = 0; pass < options_.passes; ++pass) {
      progress_(fmt::format("events, pass {} of {}", pass + 1, options_.passes));
      World world = make_world(test_, 0, 200 + pass);
      const std::vector<PlannedEvent> events = plan(world, test_, 1, trial.events.size());
      const Sources sources = make_sources(world);
      run_pass(world, pointers(sources));
      trial.events.insert(trial.events.end(), events.begin(), events.end());
      for_lines(sources, [&](std::size_t line, const AlarmSource& source, std::size_t setting) {
        TrialLine& out = trial.lines[line];
        const DetectionVerdict verdict =
            judge(source.alarms(setting), events, world, time_of(test_.judged_bin));
        out.verdicts.insert(out.verdicts.end(), verdict.events.begin(), verdict.events.end());
        out.alarms += verdict.alarms;
        out.beside += verdict.beside;
        out.false_in_event_passes += verdict.false_alarms;
      });
    }
  }

  struct Chosen {
    BaselineKind kind;
    double bias;
    std::size_t setting;
    std::size_t target;
    double calibration_rate;
  };

  const TrialOptions& options_;
  const std::vector<RateCurve>& backgrounds_;
  const std::vector<EventCurve>& events_;
  const std::function<void(const std::string&)>& progress_;
  Span calibration_{}, test_{};
  std::vector<EngineAlarms::Setting> settings_;
  std::vector<std::size_t> engine_calibration_;
  std::vector<Chosen> chosen_;  // kind by kind, target by target
};

}  // namespace

Trial run_trial(const TrialOptions& options, const std::vector<RateCurve>& backgrounds,
                const std::vector<EventCurve>& events,
                const std::function<void(const std::string&)>& progress) {
  return Runner(options, backgrounds, events, progress).run();
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "detect/detector.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <map>

#include "detect/family.h"
#include "detect/key_score.h"
#include "detect/region_scan.h"
#include "detect/wave.h"
#include "detect/week_profile.h"

namespace tidewatch {
namespace {

// The statistics of a relative count as a sign from here on (in nats, whatever the thresholds).
constexpr double kSignificantVolume = 5.5, kSignificantNegative = 7;
constexpr float kHot = 2.75F, kCold = 1.1F;
constexpr std::size_t kHotPruneTicks = 60;
// A key told as a relative's wave is looked at again after this long.
constexpr std::int32_t kExplainedSeconds = 30;
// Within a broader wave, a narrower key may start a wave of its own when its change began this
// much later.
constexpr std::int64_t kOwnWaveSeconds = 600;
// Onsets this close may be the same: noise makes one run begin a little before the other.
constexpr double kSameOnsetSeconds = 60;
// The whole stream silent although this many posts were expected: an outage, not a change. That
// time is taken out, up to six hours of it.
constexpr double kOutageExpected = 30;
constexpr std::int64_t kOutageMin = 60, kOutageGrace = 10, kOutageMax = 6 * 3'600;
constexpr double kNegativePrior = 0.2;
constexpr double kRestErrors = 3;
// Of a key's excess, what the key must have beyond a rise like that of the rest of its parent.
constexpr double kOwnShare = 0.5;
// A key other than a topic has a week of its own from this age and rate on.
constexpr std::int32_t kMatureSeconds = 7 * 86'400;
constexpr double kMaturePerMinute = 2;
// Keys looked at in a tick whether they are due for one: every key within an hour, at least some.
constexpr std::size_t kWeekScanMin = 64;

// Keys of a tick are fetched so many ahead: with a million of them each is a miss of the caches.
constexpr std::size_t kAhead = 8;

constexpr std::size_t kVolumeIndex = 0, kNegativeIndex = 1;

std::size_t index_of(ChangeKind kind) {
  return kind == ChangeKind::kVolume ? kVolumeIndex : kNegativeIndex;
}

double texts_of(const KeyCounts& counts) {
  return static_cast<double>(counts.new_authors) - counts.new_author_bare;
}

// What is kept of a key beside its scores: sums over the present runs of its two statistics.
struct KeySums {
  KeyCounts volume, negative;
  float expected = 0;                             // posts expected over the volume run
  std::uint32_t seconds = 0;                      // with posts by new authors in the volume run
  std::uint32_t largest = 0;                      // posts by new authors in its largest second
  std::array<std::int32_t, 2> explained_until{};  // by kind: not looked at before
  std::array<std::uint64_t, 2> explained_by{};    // by kind: serial of the relative's wave
  std::array<std::uint32_t, 2> wave{};            // by kind: place in waves_ + 1; 0: none
  bool hot = false;                               // is in hot_
};

}  // namespace

class Detector::Impl {
 public:
  explicit Impl(DetectOptions options)
      : options_(options),
        scorer_(options_),
        weeks_(options_.week_profiles_max, static_cast<double>(options_.baseline_span.count())) {}

  void observe(const Tick& tick, const KeyNames& names, std::vector<Change>& changes) {
    if (!started_) {
      started_ = true;
      origin_ = last_tick_ = tick.second;
    }
    assert(tick.second >= last_tick_);
    const bool outage = skip_outage(tick.second);
    last_tick_ = latest_ = tick.second;
    now_ = to_detector_time(tick.second);
    if (outage) weeks_.spoil_hour();  // that it began in, and that it ended in
    weeks_.advance(tick.second);
    if (outage) weeks_.spoil_hour();
    scan_weeks();
    end_quiet_waves(tick.second, changes);
    if (rules_changed_) refresh_rules(names, tick.second, changes);
    for (const KeyId key : tick.evicted) forget(key, tick.second, changes);
    crossed_.clear();
    for (std::size_t i = 0; i < tick.keys.size(); ++i) {
      if (i + kAhead < tick.keys.size()) prefetch(key_slot(tick.keys[i + kAhead].key));
      take(tick.keys[i], names);
    }
    tell_waves(tick.second, names, changes);
    for (const Crossing& crossing : crossed_) consider(crossing, names, changes);
    for (std::size_t i = 0; i < hot_.size(); ++i) prune_hot(hot_[i], prune_at_[i]);
  }

  void watch_rules(std::unordered_map<std::string, WatchedRule> rules) {
    rules_ = std::move(rules);
    rules_changed_ = true;
  }

  void learn_hour(const KeyName& key, std::int64_t hour_start, double posts) {
    const KeyPlace place = place_of({}, &key);
    if (started_ || !place.in_family || place.depth() > 1) return;
    const auto week = week_of_family(place.topic, place.region, parent_week(place));
    if (week != WeekProfiles::kNone) weeks_.learn(week, hour_start, posts);
  }

  void advance(std::int64_t second, std::vector<Change>& changes) {
    if (!started_ || second <= latest_) return;
    latest_ = second;
    end_quiet_waves(second, changes);
  }

  std::optional<KeyView> view(KeyId key) const {
    const std::size_t slot = key_slot(key);
    if (key.value == 0 || slot >= places_.size() || places_[slot].id != key) return std::nullopt;
    return view_slot(slot);
  }

  std::vector<KeyView> top(std::size_t count_max, const KeyNames& names,
                           const KeyFilter& filter) const {
    std::vector<KeyView> heap;
    for (std::size_t slot = 0; slot < places_.size(); ++slot) {
      if (places_[slot].id.value != 0) heap.push_back(view_slot(slot));
    }
    const auto lesser = [](const KeyView& a, const KeyView& b) {
      if (a.score != b.score) return a.score < b.score;
      const double excess_a = a.rate_per_minute - a.baseline_per_minute;
      const double excess_b = b.rate_per_minute - b.baseline_per_minute;
      if (excess_a != excess_b) return excess_a < excess_b;
      return a.key > b.key;
    };
    std::make_heap(heap.begin(), heap.end(), lesser);
    std::vector<KeyView> best;
    while (!heap.empty() && best.size() < count_max) {
      std::pop_heap(heap.begin(), heap.end(), lesser);
      const KeyName* const name = names(heap.back().key);
      if (name != nullptr && (!filter || filter(*name))) best.push_back(heap.back());
      heap.pop_back();
    }
    return best;
  }

  DetectStats stats() const {
    DetectStats stats = counters_;
    stats.waves_open = waves_.size();
    stats.keys = num_keys_;
    stats.memory_bytes = scores_.capacity() * sizeof(KeyScore) +
                         sums_.capacity() * sizeof(KeySums) +
                         places_.capacity() * sizeof(KeyPlace) + family_.size() * 48 +
                         waves_.capacity() * sizeof(Wave) + weeks_.memory_bytes() +
                         (hot_[0].capacity() + hot_[1].capacity()) * sizeof(std::size_t);
    return stats;
  }

 private:
  struct Crossing {
    std::size_t slot;
    ChangeKind kind;
  };

  // --- time

  std::int32_t to_detector_time(std::int64_t second) const {
    return static_cast<std::int32_t>(
        std::clamp<std::int64_t>(second - origin_ - skipped_, 0, INT32_MAX - 1));
  }

  std::int64_t to_unix_time(std::int32_t time) const {
    return origin_ + time + (time < resumed_ ? skipped_before_ : skipped_);
  }

  bool skip_outage(std::int64_t second) {
    const std::int64_t silence = second - last_tick_;
    const std::size_t all = family_.find(0, 0);
    if (silence < kOutageMin || all == FamilyIndex::kNobody) return false;
    if (scores_[all].baseline * static_cast<double>(silence) < kOutageExpected) return false;
    skipped_before_ = skipped_;
    skipped_ += std::min(silence - kOutageGrace, kOutageMax);
    resumed_ = to_detector_time(second);
    return true;
  }

  // --- keys

  void prefetch(std::size_t slot) const {
    if (slot >= places_.size()) return;
    __builtin_prefetch(&places_[slot], 1);
    __builtin_prefetch(&scores_[slot], 1);
    const auto* const sums = reinterpret_cast<const char*>(&sums_[slot]);
    __builtin_prefetch(sums, 1);
    __builtin_prefetch(sums + 64, 1);
    __builtin_prefetch(sums + 128, 1);
  }

  // Sums of a key are empty while its statistic is at 0, and not looked at then: that is most keys.
  void take(const KeyTick& tick, const KeyNames& names) {
    const std::size_t slot = key_slot(tick.key);
    meet(tick.key, slot, names);
    KeyScore& score = scores_[slot];
    KeySums& sums = sums_[slot];
    Scorer::Learning learning = learning_of(slot);
    catch_up(slot, now_, learning);
    if (places_[slot].owns_week) {
      weeks_.count(places_[slot].week, tick.counts.new_authors, learning.volume_wave);
    }
    const bool was_up = score.low > 0, was_negative = score.negative > 0;
    const double expected = scorer_.take_second(score, now_, tick.counts, learning);
    if (score.low > 0) {
      sums.volume += tick.counts;
      sums.expected += static_cast<float>(expected);
      sums.seconds += tick.counts.new_authors > 0;
      sums.largest = std::max(sums.largest, tick.counts.new_authors);
    } else if (was_up) {
      end_volume_run(slot);
    }
    if (score.negative > 0) {
      sums.negative += tick.counts;
    } else if (was_negative) {
      end_negative_run(slot);
    }
    const float largest = std::max({score.low, score.high, score.negative});
    if (largest <= kHot && places_[slot].open_waves == 0) return;
    for (const std::uint32_t wave : sums.wave) {
      if (wave == 0) continue;
      waves_[wave - 1].take(last_tick_, tick.counts);
      const bool volume = waves_[wave - 1].kind() == ChangeKind::kVolume;
      waves_[wave - 1].note(volume ? score.low : score.negative, volume ? score.high : 0);
    }
    if (!sums.hot && largest > kHot) {
      sums.hot = true;
      hot_[places_[slot].in_family].push_back(slot);
    }
    if (!places_[slot].reportable) return;
    for (const ChangeKind kind : {ChangeKind::kVolume, ChangeKind::kNegative}) {
      const bool open = sums.wave[index_of(kind)] != 0;
      if (!open && statistic(slot, kind) >= 1 && now_ >= sums.explained_until[index_of(kind)] &&
          is_crowd(slot, kind)) {
        crossed_.push_back({slot, kind});
      }
    }
  }

  // Makes room for a key seen for the first time.
  void meet(KeyId key, std::size_t slot, const KeyNames& names) {
    if (slot >= places_.size()) {
      places_.resize(slot + 1);
      scores_.resize(slot + 1);
      sums_.resize(slot + 1);
    }
    if (places_[slot].id == key) return;
    if (places_[slot].id.value != 0) drop(slot);
    places_[slot] = place_of(key, names(key));
    places_[slot].fixed_share = has_fixed_share(names(key));
    family_.insert(places_[slot], slot);
    all_ = family_.find(0, 0);
    find_week(slot);
    ++num_keys_;
    KeyScore& score = scores_[slot];
    score.last = now_;
    score.known_since =
        static_cast<std::uint32_t>(std::min(known_since(names(key)), KeyScore::kKnownSinceMax)) &
        KeyScore::kKnownSinceMax;
    if (stream_age() > warm_up()) score.baseline = static_cast<float>(borrowed_baseline(slot));
  }

  // What people named beforehand is watched before its first post; any other key begins with it.
  std::int32_t known_since(const KeyName* name) const {
    if (name == nullptr) return now_;
    if (name->kind == KeyKind::kKeyword) return 0;
    if (name->kind != KeyKind::kRule) return now_;
    const auto rule = rules_.find(name->term);
    return rule == rules_.end() ? 0 : std::min(to_detector_time(rule->second.since), now_);
  }

  bool has_fixed_share(const KeyName* name) const {
    if (name == nullptr || name->kind != KeyKind::kRule) return false;
    const auto rule = rules_.find(name->term);
    return rule != rules_.end() && rule->second.fixed_share;
  }

  // Tells living keys what their rules are now. O(keys): rules are seldom edited.
  void refresh_rules(const KeyNames& names, std::int64_t second, std::vector<Change>& changes) {
    rules_changed_ = false;
    for (std::size_t slot = 0; slot < places_.size(); ++slot) {
      KeyPlace& place = places_[slot];
      if (place.id.value == 0 || place.in_family) continue;
      place.fixed_share = has_fixed_share(names(place.id));
      if (!place.fixed_share) continue;
      end_wave(slot, kNegativeIndex, second, changes);
      reset(slot, ChangeKind::kNegative);
    }
  }

  // --- the usual week

  // Every key is looked at once an hour: it may be old enough, or its parents may have come.
  void scan_weeks() {
    if (options_.week_profiles_max == 0 || places_.empty()) return;
    const std::size_t count =
        std::min(places_.size(), std::max(kWeekScanMin, places_.size() / 3'600 + 1));
    for (std::size_t i = 0; i < count; ++i) {
      if (week_scan_ >= places_.size()) week_scan_ = 0;
      if (places_[week_scan_].id.value != 0) find_week(week_scan_);
      ++week_scan_;
    }
  }

  // Gives the key its own week if it is due for one, else that of its topic, region or everything.
  void find_week(std::size_t slot) {
    KeyPlace& place = places_[slot];
    const WeekProfiles::Index parent = parent_week(place);
    if (place.owns_week) {
      weeks_.set_parent(place.week, parent);
      return;
    }
    place.week = parent;
    const bool is_mature =
        known_for(slot) >= kMatureSeconds && scores_[slot].baseline * 60 >= kMaturePerMinute;
    if (place.in_family && place.depth() <= 1) {
      // Topics are few; a region may be any text, unless the store taught it.
      const bool is_due =
          place.region == 0 || is_mature || family_weeks_.contains({place.topic, place.region});
      if (is_due) place.week = week_of_family(place.topic, place.region, parent);
    } else if (is_mature) {
      place.week = weeks_.make(parent);
    }
    place.owns_week = place.week != parent && place.week != WeekProfiles::kNone;
    if (place.week == WeekProfiles::kNone) place.week = parent;
  }

  // The baseline of a young stream is the mean over its whole age: the factor is for a longer past.
  double season(std::size_t slot) const {
    const double factor = weeks_.factor(places_[slot].week);
    const auto span = static_cast<double>(options_.baseline_span.count());
    return stream_age() >= span || factor == 1 ? factor : std::pow(factor, stream_age() / span);
  }

  WeekProfiles::Index parent_week(const KeyPlace& place) const {
    const auto week_of = [&](std::uint64_t topic, std::uint64_t region) {
      const auto found = family_weeks_.find({topic, region});
      return found == family_weeks_.end() ? WeekProfiles::kNone : found->second;
    };
    if (place.depth() == 0) return WeekProfiles::kNone;
    if (place.in_family && place.depth() == 2) {
      const WeekProfiles::Index near =
          place.topic != 0 ? week_of(place.topic, 0) : week_of(0, place.province);
      if (near != WeekProfiles::kNone) return near;
    }
    return week_of(0, 0);
  }

  // Weeks of topics and provinces stay when the key is evicted: they are few, and come again.
  WeekProfiles::Index week_of_family(std::uint64_t topic, std::uint64_t region,
                                     WeekProfiles::Index parent) {
    const auto found = family_weeks_.find({topic, region});
    if (found != family_weeks_.end()) return found->second;
    const WeekProfiles::Index made = weeks_.make(parent);
    if (made != WeekProfiles::kNone) family_weeks_.emplace(std::pair(topic, region), made);
    return made;
  }

  std::int32_t known_for(std::size_t slot) const {
    return now_ - static_cast<std::int32_t>(scores_[slot].known_since);
  }

  // What a new topic@region key would have if its topic were spread over regions as all posts are.
  double borrowed_baseline(std::size_t slot) const {
    const KeyPlace& place = places_[slot];
    if (!place.in_family || place.topic == 0 || place.region == 0) return 0;
    const std::size_t topic = family_.find(place.topic, 0);
    const std::size_t region = family_.find(0, place.region);
    const std::size_t all = family_.find(0, 0);
    if (std::max({topic, region, all}) == FamilyIndex::kNobody || scores_[all].baseline <= 0)
      return 0;
    return scores_[topic].baseline * scores_[region].baseline / scores_[all].baseline;
  }

  void forget(KeyId key, std::int64_t second, std::vector<Change>& changes) {
    const std::size_t slot = key_slot(key);
    if (slot >= places_.size() || places_[slot].id != key) return;
    for (const std::size_t kind : {kVolumeIndex, kNegativeIndex}) {
      end_wave(slot, kind, second, changes);
    }
    drop(slot);
  }

  void end_wave(std::size_t slot, std::size_t kind, std::int64_t second,
                std::vector<Change>& changes) {
    const std::uint32_t wave = sums_[slot].wave[kind];
    if (wave == 0) return;
    tell(waves_[wave - 1], ChangePhase::kEnded, second, changes);
    close_wave(wave - 1);
  }

  void drop(std::size_t slot) {
    family_.erase(places_[slot], slot);
    all_ = family_.find(0, 0);
    for (const std::size_t kind : {kVolumeIndex, kNegativeIndex}) {
      if (sums_[slot].wave[kind] != 0) close_wave(sums_[slot].wave[kind] - 1);
    }
    if (sums_[slot].hot) std::erase(hot_[places_[slot].in_family], slot);
    if (places_[slot].owns_week && places_[slot].depth() == 2) weeks_.free(places_[slot].week);
    places_[slot] = {};
    scores_[slot] = {};
    sums_[slot] = {};
    --num_keys_;
  }

  std::int32_t stream_age() const { return now_ + 1; }
  std::int32_t warm_up() const { return static_cast<std::int32_t>(options_.warm_up.count()); }

  Scorer::Learning learning_of(std::size_t slot) const {
    Scorer::Learning learning;
    learning.stream_age = stream_age();
    learning.volume_wave = (places_[slot].open_waves & 1U << kVolumeIndex) != 0;
    learning.negative_wave = (places_[slot].open_waves & 1U << kNegativeIndex) != 0;
    learning.negative_prior = negative_prior(slot);
    learning.scoring = stream_age() > warm_up();
    learning.fixed_share = places_[slot].fixed_share;
    learning.season = season(slot);
    return learning;
  }

  double negative_prior(std::size_t slot) const {
    if (all_ == FamilyIndex::kNobody || all_ == slot) return kNegativePrior;
    return scorer_.negative_share(scores_[all_], kNegativePrior);
  }

  void catch_up(std::size_t slot, std::int32_t until, Scorer::Learning learning) {
    KeyScore& score = scores_[slot];
    if (score.last >= until) return;
    learning.stream_age = until;
    const bool was_up = score.low > 0, was_negative = score.negative > 0;
    const double expected = scorer_.pass_silence(score, until, learning);
    if (was_up) sums_[slot].expected += static_cast<float>(expected);
    if (was_up && score.low <= 0) end_volume_run(slot);
    if (was_negative && score.negative <= 0) end_negative_run(slot);
  }

  void end_volume_run(std::size_t slot) {
    sums_[slot].volume = {};
    sums_[slot].expected = 0;
    sums_[slot].seconds = sums_[slot].largest = 0;
  }
  void end_negative_run(std::size_t slot) { sums_[slot].negative = {}; }

  double statistic(std::size_t slot, ChangeKind kind) const {
    return kind == ChangeKind::kVolume ? scorer_.volume(scores_[slot])
                                       : scorer_.negative(scores_[slot]);
  }

  // The share that `narrow` has of what is above the expected in `broad` since its onset. When the
  // narrow run (or open wave) is much older, it is credited in proportion to time only.
  double explained(std::size_t narrow, std::size_t broad, ChangeKind kind) const {
    const double whole = run_excess(broad, kind);
    if (whole <= 0) return 0;
    const double duration = run_seconds(broad, kind) + kSameOnsetSeconds;
    double part = run_excess(narrow, kind) * std::min(1.0, duration / run_seconds(narrow, kind));
    if (const std::uint32_t open = sums_[narrow].wave[index_of(kind)]; open != 0) {
      const Wave& wave = waves_[open - 1];
      const auto age = static_cast<double>(last_tick_ + 1 - wave.start().onset);
      part = std::max(part, wave.excess(last_tick_) * std::min(1.0, duration / age));
    }
    return part / whole;
  }

  double run_seconds(std::size_t slot, ChangeKind kind) const {
    const KeyScore& score = scores_[slot];
    return std::max(now_ + 1 - (kind == ChangeKind::kVolume ? score.onset : score.onset_negative),
                    1);
  }

  // Posts above what was expected since the onset of the present run.
  double run_excess(std::size_t slot, ChangeKind kind) const {
    const KeySums& sums = sums_[slot];
    const double posts =
        kind == ChangeKind::kVolume ? sums.volume.new_authors : sums.negative.new_author_negative;
    return posts - run_expected(slot, kind);
  }

  // Posts that were expected since the onset of the present run.
  double run_expected(std::size_t slot, ChangeKind kind) const {
    const KeySums& sums = sums_[slot];
    if (kind == ChangeKind::kVolume) return sums.expected;
    return scorer_.negative_share(scores_[slot], negative_prior(slot)) * texts_of(sums.negative);
  }

  // A blip is no wave: half of the excess must be left without the largest second, and more than
  // chance adds to what was expected; in a few seconds, that must be a crowd by itself.
  bool is_blip(const KeySums& sums, double above) const {
    const double rest = above - sums.largest;
    return (sums.seconds < options_.seconds_min && rest < options_.authors_at_once) ||
           rest < std::max(options_.excess_min / 2, kRestErrors * std::sqrt(sums.expected));
  }

  // Whether enough different people made the change, by a key old enough to judge.
  bool is_crowd(std::size_t slot, ChangeKind kind) const {
    if (known_for(slot) < warm_up()) return false;
    const KeySums& sums = sums_[slot];
    if (kind == ChangeKind::kVolume) {
      const double above = run_excess(slot, kind);
      return sums.volume.new_authors >= options_.authors_min && above >= options_.excess_min &&
             !is_blip(sums, above);
    }
    const double share = scorer_.negative_share(scores_[slot], negative_prior(slot));
    return sums.negative.new_author_negative >= options_.negative_authors_min &&
           sums.negative.new_author_negative >=
               (share + options_.share_lift_min) * texts_of(sums.negative);
  }

  // --- whose wave it is

  // Starts a wave for a key over its threshold, under the name that fits best, unless a relative's
  // open wave already tells it.
  void consider(const Crossing& crossing, const KeyNames& names, std::vector<Change>& changes) {
    const auto [slot, kind] = crossing;
    if (sums_[slot].wave[index_of(kind)] != 0) return;  // started a moment ago, for a relative
    if (absorb(slot, kind)) return;
    const std::size_t chosen = choose(slot, kind);
    std::uint64_t teller = explaining_wave(chosen, kind);
    if (teller == 0) teller = leaking_wave(chosen, kind);
    if (teller == 0) {
      if (holds_back(slot, chosen, kind)) {
        explain(slot, kind, 0);
        return;
      }
      start_wave(chosen, kind, names, changes);
      teller = waves_.back().serial();
    }
    if (chosen != slot || sums_[slot].wave[index_of(kind)] == 0) explain(slot, kind, teller);
  }

  // Whether the change of `slot`, told of by nobody, is to start no wave of `chosen` now. It is
  // looked at again later.
  bool holds_back(std::size_t slot, std::size_t chosen, ChangeKind kind) {
    // Two waves on their way are each told when they get there.
    if (places_[chosen].topic == 0 && two_explain(chosen, kind)) return true;
    if (!is_news(slot, chosen, kind) || leaks(chosen, kind)) return true;
    if (waves_.size() < options_.waves_max) return false;
    ++counters_.waves_refused;
    return true;
  }

  // Whether what made `slot` cross its threshold is unusual for the key to be named, too: a burst
  // as that key has them is no news because it shows in a relative with a lower threshold. A key
  // under it that rises by much more than the rest of it does is news whatever is usual above.
  bool is_news(std::size_t slot, std::size_t chosen, ChangeKind kind) const {
    if (statistic(chosen, kind) >= 1) return true;
    if (!lies_under(places_[slot], places_[chosen])) return false;
    const double usual = usual_share(slot, chosen), excess = run_excess(slot, kind);
    const double rest = std::max(run_excess(chosen, kind) - excess, 0.0);
    const double alike = usual < 1 ? rest * usual / (1 - usual) : excess;
    return excess - alike >=
           std::max(kOwnShare * excess, kRestErrors * std::sqrt(run_expected(slot, kind) + alike));
  }

  // The share that `narrow` has of the posts of `broad` when nothing happens; of a quiet key rather
  // what it would have if its topic were spread as all posts are.
  double usual_share(std::size_t narrow, std::size_t broad) const {
    const double whole = scores_[broad].baseline;
    if (whole <= 0) return 0;
    const double part = std::max<double>(scores_[narrow].baseline, borrowed_baseline(narrow));
    return std::min(part / whole, 1.0);
  }

  // Once a relative's wave has told a key's change for a while, what came of it is normal for this
  // key, so that a later change is seen as one.
  bool absorb(std::size_t slot, ChangeKind kind) {
    const std::uint64_t teller = sums_[slot].explained_by[index_of(kind)];
    const auto wave = std::find_if(waves_.begin(), waves_.end(),
                                   [&](const Wave& w) { return w.serial() == teller; });
    if (wave == waves_.end() || last_tick_ < wave->start().at + kOwnWaveSeconds) return false;
    KeyScore& score = scores_[slot];
    if (kind == ChangeKind::kVolume) raise_baseline(slot, score.fast);
    reset(slot, kind);
    return true;
  }

  // From now on `rate` is normal: what the hour of the week adds is in it already.
  void raise_baseline(std::size_t slot, double rate) {
    float& baseline = scores_[slot].baseline;
    baseline = std::max(baseline, static_cast<float>(rate / season(slot)));
  }

  void reset(std::size_t slot, ChangeKind kind) {
    if (kind == ChangeKind::kVolume) {
      scores_[slot].low = scores_[slot].high = 0;
      end_volume_run(slot);
    } else {
      scores_[slot].negative = 0;
      end_negative_run(slot);
    }
    sums_[slot].explained_by[index_of(kind)] = 0;
  }

  void explain(std::size_t slot, ChangeKind kind, std::uint64_t teller) {
    KeySums& sums = sums_[slot];
    sums.explained_until[index_of(kind)] = now_ + kExplainedSeconds;
    if (teller != 0 && sums.explained_by[index_of(kind)] != teller) ++counters_.waves_explained;
    sums.explained_by[index_of(kind)] = teller;
  }

  // The key of the family to name: the most specific one below that has most of the excess; or
  // one above, when the change is wider than this key.
  std::size_t choose(std::size_t slot, ChangeKind kind) {
    if (!places_[slot].in_family) return slot;  // a hashtag or keyword names its own wave
    for (const std::size_t hot : hot_[1]) catch_up(hot, now_ + 1, learning_of(hot));
    std::size_t best = slot;
    double best_share = 0;
    const auto look_at = [&](std::size_t hot) {
      if (!lies_under(places_[hot], places_[slot]) || !can_tell(hot, kind)) return;
      const double share = explained(hot, slot, kind);
      if (share < options_.explained_share) return;
      const int deeper = places_[hot].depth() - places_[best].depth();
      if (deeper > 0 || (deeper == 0 && share > best_share)) {
        best = hot;
        best_share = share;
      }
    };
    for (const std::size_t hot : hot_[1]) look_at(hot);
    if (places_[slot].depth() == 0) {  // hashtags lie under *@* alone
      for (const std::size_t hot : hot_[0]) {
        catch_up(hot, now_ + 1, learning_of(hot));
        look_at(hot);
      }
    }
    return climb(best, kind);
  }

  bool can_tell(std::size_t slot, ChangeKind kind) const {
    const KeyScore& score = scores_[slot];
    const bool significant = kind == ChangeKind::kVolume
                                 ? std::max(score.low, score.high) >= kSignificantVolume
                                 : score.negative >= kSignificantNegative;
    return places_[slot].reportable && significant && known_for(slot) >= warm_up();
  }

  std::size_t climb(std::size_t slot, ChangeKind kind) {
    const KeyPlace place = places_[slot];
    const std::size_t all = family_.find(0, 0);
    if (place.depth() > 0 && is_wider(all, slot, kind) && !two_explain(all, kind)) return all;
    if (place.depth() < 2) return slot;
    const std::size_t topic =
        place.topic == 0 ? FamilyIndex::kNobody : family_.find(place.topic, 0);
    const std::size_t region = family_.find(0, place.province != 0 ? place.province : place.region);
    const bool topic_wide = is_wider(topic, slot, kind);
    const bool region_wide = is_wider(region, slot, kind) && !two_explain(region, kind);
    if (topic_wide && region_wide) {
      return explained(slot, topic, kind) <= explained(slot, region, kind) ? topic : region;
    }
    return topic_wide ? topic : region_wide ? region : slot;
  }

  // Whether the change is of `parent` rather than of the key `slot` under it. What open waves of
  // others under the parent tell is not of it; within an open wave of the parent, a later change of
  // the key's own is the key's.
  bool is_wider(std::size_t parent, std::size_t slot, ChangeKind kind) {
    if (parent == FamilyIndex::kNobody || !can_tell(parent, kind)) return false;
    if (const std::uint32_t open = sums_[parent].wave[index_of(kind)]; open != 0) {
      return !is_own(slot, waves_[open - 1]);
    }
    const double untold = 1 - told_beside(parent, slot, kind);
    return is_crowd(parent, kind) &&
           explained(slot, parent, kind) < options_.explained_share * untold;
  }

  // The share that open waves under `parent`, of keys that have nothing to do with `slot`, have of
  // its excess.
  double told_beside(std::size_t parent, std::size_t slot, ChangeKind kind) const {
    double told = 0;
    for (const Wave& wave : waves_) {
      const KeyPlace& place = places_[wave.slot()];
      if (wave.kind() != kind || !lies_under(place, places_[parent])) continue;
      if (wave.slot() == slot || lies_under(place, places_[slot])) continue;
      if (lies_under(places_[slot], place) || is_nested(place, parent, kind)) continue;
      told += std::max(explained(wave.slot(), parent, kind), 0.0);
    }
    return std::min(told, 1.0);
  }

  // Whether a key between `narrow` and `parent` has an open wave, whose posts are those of the wave
  // of `narrow`, too.
  bool is_nested(const KeyPlace& narrow, std::size_t parent, ChangeKind kind) const {
    if (!narrow.in_family) return false;
    const auto has_wave = [&](std::uint64_t topic, std::uint64_t region) {
      const std::size_t slot = family_.find(topic, region);
      return slot != FamilyIndex::kNobody && slot != parent &&
             sums_[slot].wave[index_of(kind)] != 0 && lies_under(narrow, places_[slot]) &&
             lies_under(places_[slot], places_[parent]);
    };
    return has_wave(narrow.topic, 0) || has_wave(0, narrow.region) || has_wave(0, narrow.province);
  }

  // Whether two topics, or two regions, have most of the excess of *@*, or two topics that of
  // *@region: then these are two waves.
  bool two_explain(std::size_t broad, ChangeKind kind) const {
    std::array<double, 2> topics{}, regions{};
    const auto keep_two = [](std::array<double, 2>& largest, double value) {
      if (value > largest[0]) {
        largest = {value, largest[0]};
      } else if (value > largest[1]) {
        largest[1] = value;
      }
    };
    for (const std::size_t hot : hot_[1]) {
      const KeyPlace& place = places_[hot];
      if (place.depth() != places_[broad].depth() + 1 || !lies_under(place, places_[broad]))
        continue;
      if (can_tell(hot, kind))
        keep_two(place.topic != 0 ? topics : regions, explained(hot, broad, kind));
    }
    return topics[0] + topics[1] >= options_.explained_share ||
           (places_[broad].depth() == 0 && regions[0] + regions[1] >= options_.explained_share);
  }

  // The serial of an open wave that already tells the change of `slot`; 0 when none does.
  std::uint64_t explaining_wave(std::size_t slot, ChangeKind kind) const {
    double told_below = 0;
    std::uint64_t below = 0;
    for (const Wave& wave : waves_) {
      if (wave.kind() != kind) continue;
      if (wave.slot() == slot) return wave.serial();
      const KeyPlace& other = places_[wave.slot()];
      if (lies_under(places_[slot], other) && !is_own(slot, wave)) return wave.serial();
      if (lies_under(other, places_[slot]) && !is_nested(other, slot, kind)) {
        told_below += std::max(explained(wave.slot(), slot, kind), 0.0);
        below = wave.serial();
      }
    }
    return told_below >= options_.explained_share ? below : 0;
  }

  // The serial of an open wave of another topic that the change may be misclassified posts of; 0
  // when there is none.
  std::uint64_t leaking_wave(std::size_t slot, ChangeKind kind) const {
    for (const Wave& wave : waves_) {
      if (wave.kind() != kind || !may_leak(wave.slot(), slot)) continue;
      const auto age = static_cast<double>(last_tick_ + 1 - wave.start().onset);
      const double duration = run_seconds(slot, kind) + kSameOnsetSeconds;
      const double others = std::max(wave.excess(last_tick_) * std::min(1.0, duration / age),
                                     wave.excess_rate(last_tick_) * run_seconds(slot, kind));
      if (is_leak(slot, kind, others * share_there(wave.slot(), slot))) return wave.serial();
    }
    return 0;
  }

  // The same of a topic that is up without a wave: a busier one, still below its higher threshold.
  bool leaks(std::size_t slot, ChangeKind kind) const {
    const double duration = run_seconds(slot, kind) + kSameOnsetSeconds;
    return std::any_of(hot_[1].begin(), hot_[1].end(), [&](std::size_t hot) {
      if (!may_leak(hot, slot) || !can_tell(hot, kind)) return false;
      const double others =
          run_excess(hot, kind) * std::min(1.0, duration / run_seconds(hot, kind));
      return is_leak(slot, kind, others * share_there(hot, slot));
    });
  }

  // Whether the excess of `slot` is what a classifier may have put there of `others` posts.
  bool is_leak(std::size_t slot, ChangeKind kind, double others) const {
    const double most = options_.leak_share * std::max(others, 0.0);
    return run_excess(slot, kind) <= most + kRestErrors * std::sqrt(most);
  }

  // What part of what `from` has more of lies in the region of `to`: as posts of all topics do.
  // What came there beyond that is in the excess of the topic's key of that region.
  double share_there(std::size_t from, std::size_t to) const {
    const std::uint64_t region = places_[to].region;
    if (region == 0 || places_[from].region == region) return 1;
    const std::size_t there = family_.find(0, region);
    if (there == FamilyIndex::kNobody || all_ == FamilyIndex::kNobody) return 0;
    if (scores_[all_].baseline <= 0) return 0;
    return std::min<double>(scores_[there].baseline / scores_[all_].baseline, 1);
  }

  // Whether posts of `from` may be counted under `to` because a classifier got their topic wrong.
  bool may_leak(std::size_t from, std::size_t to) const {
    const KeyPlace &source = places_[from], &place = places_[to];
    if (!place.in_family || place.topic == 0) return false;
    if (!source.in_family || source.topic == 0 || source.topic == place.topic) return false;
    return source.region == 0 || place.region == 0 || source.region == place.region;
  }

  // Within the broader `wave`: a change of the key's own, later and most of what is up now.
  bool is_own(std::size_t slot, const Wave& wave) const {
    const bool volume = wave.kind() == ChangeKind::kVolume;
    const std::int32_t onset = volume ? scores_[slot].onset : scores_[slot].onset_negative;
    if (to_unix_time(onset) < wave.start().at + kOwnWaveSeconds) return false;
    const double rate = run_excess(slot, wave.kind()) / run_seconds(slot, wave.kind());
    return rate >= options_.explained_share * wave.excess_rate(last_tick_);
  }

  // Lets go of keys that are up no more: looks at each once in kHotPruneTicks ticks, from `at` on.
  void prune_hot(std::vector<std::size_t>& hot, std::size_t& at) {
    const auto is_cold = [&](std::size_t slot) {
      catch_up(slot, now_ + 1, learning_of(slot));
      const bool cold =
          std::max({scores_[slot].low, scores_[slot].high, scores_[slot].negative}) < kCold;
      if (cold) sums_[slot].hot = false;
      return cold;
    };
    if (at >= hot.size()) at = 0;
    const auto first = hot.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t count = std::min(hot.size() / kHotPruneTicks + 1, hot.size() - at);
    const auto last = first + static_cast<std::ptrdiff_t>(count);
    const auto kept = std::remove_if(first, last, is_cold);
    at = static_cast<std::size_t>(kept - hot.begin());
    hot.erase(kept, last);
  }

  // --- waves

  void start_wave(std::size_t slot, ChangeKind kind, const KeyNames& names,
                  std::vector<Change>& changes) {
    const bool volume = kind == ChangeKind::kVolume;
    const KeyName* const name = names(places_[slot].id);
    Wave::Start start;
    start.key = places_[slot].id;
    start.slot = slot;
    if (name != nullptr) start.name = *name;
    start.kind = kind;
    start.serial = ++serial_;
    start.onset = to_unix_time(volume ? scores_[slot].onset : scores_[slot].onset_negative);
    start.at = last_tick_;
    start.from_rate = volume ? scores_[slot].baseline
                             : scorer_.negative_share(scores_[slot], negative_prior(slot));
    start.since_onset = volume ? sums_[slot].volume : sums_[slot].negative;
    start.statistic = volume ? scores_[slot].low : scores_[slot].negative;
    start.burst = volume ? scores_[slot].high : 0;
    start.busy_class = static_cast<std::uint8_t>(Scorer::busy_class(scores_[slot]));
    waves_.emplace_back(std::move(start));
    sums_[slot].wave[index_of(kind)] = static_cast<std::uint32_t>(waves_.size());
    places_[slot].open_waves |= static_cast<std::uint8_t>(1U << index_of(kind));
    ++counters_.waves_started;
    tell(waves_.back(), ChangePhase::kStarted, last_tick_, changes);
    changes.back().regions = regions_of(waves_.back(), names);
  }

  // The provinces that a wave over all regions is in: a scan over those that are up.
  std::vector<std::string> regions_of(const Wave& wave, const KeyNames& names) {
    const KeyPlace place = places_[wave.slot()];
    if (wave.kind() != ChangeKind::kVolume || !place.in_family || place.region != 0) return {};
    std::vector<RegionCount> counts;
    for (const std::size_t hot : hot_[1]) {
      if (places_[hot].topic != place.topic || places_[hot].region == 0) continue;
      if (!places_[hot].reportable) continue;
      catch_up(hot, now_, learning_of(hot));
      const KeySums& sums = sums_[hot];
      counts.push_back({hot, static_cast<double>(sums.volume.new_authors), sums.expected});
    }
    std::vector<std::string> regions;
    for (const std::size_t slot : scan_regions(std::move(counts)).regions) {
      const KeyName* const name = names(places_[slot].id);
      if (name != nullptr) regions.push_back(name->region);
    }
    return regions;
  }

  void tell(const Wave& wave, ChangePhase phase, std::int64_t at,
            std::vector<Change>& changes) const {
    Change change = wave.change(at);
    change.phase = phase;
    change.score = statistic(wave.slot(), wave.kind());
    if (phase == ChangePhase::kEnded) change.forecast = {};
    changes.push_back(std::move(change));
  }

  void tell_waves(std::int64_t second, const KeyNames& names, std::vector<Change>& changes) {
    for (Wave& wave : waves_) {
      if (!wave.due(second)) continue;
      tell(wave, ChangePhase::kContinues, second, changes);
      changes.back().regions = regions_of(wave, names);
    }
  }

  void end_quiet_waves(std::int64_t second, std::vector<Change>& changes) {
    const auto first = static_cast<std::ptrdiff_t>(changes.size());
    for (std::size_t i = 0; i < waves_.size();) {
      Wave& wave = waves_[i];
      const std::size_t slot = wave.slot();
      const double normal = wave.kind() == ChangeKind::kVolume
                                ? scorer_.expected_rate(scores_[slot], stream_age(), season(slot))
                                : scorer_.negative_share(scores_[slot], negative_prior(slot));
      const std::int64_t quiet = options_.quiet_before_end.count();
      const std::int64_t since = wave.quiet_since(second, normal, quiet);
      if (since < 0) {
        ++i;
        continue;
      }
      const std::int64_t at = since + quiet;
      tell(wave, ChangePhase::kEnded, at, changes);
      settle(wave, at);
      close_wave(i);
    }
    std::stable_sort(changes.begin() + first, changes.end(),
                     [](const Change& a, const Change& b) { return a.at < b.at; });
  }

  // After a wave its key, and those whose change it told, start again from 0. What is left of the
  // wave is the new normal, so that a slow tail does not start the next one.
  void settle(const Wave& wave, std::int64_t at) {
    reset(wave.slot(), wave.kind());
    if (wave.kind() == ChangeKind::kVolume) {
      raise_baseline(wave.slot(), wave.level(at));
    }
    for (const auto& hot : hot_) {
      for (const std::size_t slot : hot) {
        if (sums_[slot].explained_by[index_of(wave.kind())] == wave.serial()) {
          reset(slot, wave.kind());
        }
      }
    }
  }

  void close_wave(std::size_t place) {
    const std::size_t index = index_of(waves_[place].kind());
    sums_[waves_[place].slot()].wave[index] = 0;
    places_[waves_[place].slot()].open_waves &= static_cast<std::uint8_t>(~(1U << index));
    waves_.erase(waves_.begin() + static_cast<std::ptrdiff_t>(place));
    for (std::size_t i = place; i < waves_.size(); ++i) {
      sums_[waves_[i].slot()].wave[index_of(waves_[i].kind())] = static_cast<std::uint32_t>(i + 1);
    }
  }

  KeyView view_slot(std::size_t slot) const {
    KeyScore score = scores_[slot];
    const std::int32_t until = to_detector_time(latest_) + 1;
    Scorer::Learning learning = learning_of(slot);
    learning.stream_age = until;
    scorer_.pass_silence(score, until, learning);
    KeyView view;
    view.key = places_[slot].id;
    view.score = std::max(scorer_.volume(score), scorer_.negative(score));
    view.baseline_per_minute = score.baseline * learning.season * 60;
    view.rate_per_minute = score.fast * 60;
    view.baseline_negative_share = scorer_.negative_share(score, learning.negative_prior);
    view.negative_share = score.fast_share;
    view.rising =
        score.low > 0 && score.fast > 1.5 * scorer_.expected_rate(score, until, learning.season);
    view.in_wave = learning.volume_wave || learning.negative_wave;
    return view;
  }

  const DetectOptions options_;
  const Scorer scorer_;

  std::unordered_map<std::string, WatchedRule> rules_;  // by name
  bool rules_changed_ = false;
  bool started_ = false;
  std::int64_t origin_ = 0;     // Unix second of the first tick: detector time 0
  std::int64_t last_tick_ = 0;  // Unix second
  std::int64_t latest_ = 0;     // Unix second: of the last tick or advance()
  std::int32_t now_ = 0;        // detector time of the last tick
  std::int64_t skipped_ = 0;    // seconds of outages up to now, and up to before the last one
  std::int64_t skipped_before_ = 0;
  std::int32_t resumed_ = 0;  // detector time of the end of the last outage

  // By key_slot(): three arrays, so that the scores stay dense.
  std::vector<KeyPlace> places_;
  std::vector<KeyScore> scores_;
  std::vector<KeySums> sums_;
  std::size_t num_keys_ = 0;
  FamilyIndex family_;
  std::size_t all_ = FamilyIndex::kNobody;  // the slot of *@*
  WeekProfiles weeks_;
  // Of topics and regions, by their hashes as in KeyPlace.
  std::map<std::pair<std::uint64_t, std::uint64_t>, WeekProfiles::Index> family_weeks_;
  std::size_t week_scan_ = 0;  // the slot looked at next

  // Slots of keys that are up, hashtags and keywords apart from the family; at most all keys.
  std::array<std::vector<std::size_t>, 2> hot_;
  std::array<std::size_t, 2> prune_at_{};  // where the next look at hot_ begins
  std::vector<Wave> waves_;                // at most options_.waves_max, by start
  std::uint64_t serial_ = 0;
  std::vector<Crossing> crossed_;  // scratch of observe()
  DetectStats counters_;
};

Detector::Detector(DetectOptions options) : impl_(std::make_unique<Impl>(options)) {}
Detector::~Detector() = default;

void Detector::observe(const Tick& tick, const KeyNames& names, std::vector<Change>& changes) {
  impl_->observe(tick, names, changes);
}
void Detector::watch_rules(std::unordered_map<std::string, WatchedRule> rules) {
  impl_->watch_rules(std::move(rules));
}
void Detector::advance(std::int64_t second, const KeyNames& /*names*/,
                       std::vector<Change>& changes) {
  impl_->advance(second, changes);
}
void Detector::learn_hour(const KeyName& key, std::int64_t hour_start, double posts) {
  impl_->learn_hour(key, hour_start, posts);
}
std::optional<KeyView> Detector::view(KeyId key) const { return impl_->view(key); }
std::vector<KeyView> Detector::top(std::size_t count_max, const KeyNames& names,
                                   const KeyFilter& filter) const {
  return impl_->top(count_max, names, filter);
}
DetectStats Detector::stats() const { return impl_->stats(); }

}  // namespace tidewatch

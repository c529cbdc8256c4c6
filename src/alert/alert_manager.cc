// SPDX-License-Identifier: Apache-2.0
#include "alert/alert_manager.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "alert/evidence_choice.h"
#include "alert/severity.h"
#include "alert/telling_terms.h"
#include "alert/title.h"
#include "core/mutex.h"

namespace tidewatch {
namespace {

using WaveNumber = std::uint64_t;
using PartName = std::pair<std::string, ChangeKind>;  // text form of the key, kind

// What a wave may hold; related changes past it are absorbed without being followed.
constexpr std::size_t kPartsMax = 16;

constexpr std::array<std::string_view, 4> kKindNames{"volume", "negative", "emergent",
                                                     "coordinated"};

std::string_view kind_name(ChangeKind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }

ChangeKind parse_kind(std::string_view name) {
  const auto found = std::find(kKindNames.begin(), kKindNames.end(), name);
  return found == kKindNames.end() ? ChangeKind::kVolume
                                   : static_cast<ChangeKind>(found - kKindNames.begin());
}

EventTime from_seconds(std::int64_t seconds) { return EventTime{std::chrono::seconds{seconds}}; }

// How much a key says: the smaller leads. A key with a topic stands before a hashtag, since people
// filter by topic; the hashtag is told in the title.
int rank(const KeyName& name) {
  if (name.kind != KeyKind::kTopicRegion) return 2;
  if (name.topic != "*") return name.region != "*" ? 0 : 1;
  return name.region != "*" ? 3 : 4;
}

// How many kinds of posts a key takes in: a wave of a broader key that starts later than one it
// largely consists of is an echo of it; one of a narrower key is news.
int breadth(const KeyName& name) {
  if (name.kind != KeyKind::kTopicRegion) return 0;
  return 1 + (name.topic == "*" ? 1 : 0) + (name.region == "*" ? 1 : 0);
}

// What somebody asked to be told of has alerts of its own, whatever else tells the same posts.
bool asked_for(const KeyName& name) {
  return name.kind == KeyKind::kKeyword || name.kind == KeyKind::kRule;
}

bool joins_with_others(ChangeKind kind) {
  return kind == ChangeKind::kVolume || kind == ChangeKind::kNegative;
}

// Sums of a part over all its times.
struct Sums {
  std::uint64_t posts = 0, negative = 0, authors = 0, texts = 0, bare_reposts = 0;
  std::array<std::uint64_t, kEmotionsMax> emotions{};

  void add(const KeyCounts& counts) {
    posts += counts.posts;
    negative += counts.negative;
    authors += counts.new_authors;
    texts += counts.new_texts;
    bare_reposts += counts.bare_reposts;
    for (std::size_t i = 0; i < emotions.size(); ++i) emotions[i] += counts.emotions[i];
  }
  void add(const Sums& other) {
    posts += other.posts;
    negative += other.negative;
    authors += other.authors;
    texts += other.texts;
    bare_reposts += other.bare_reposts;
    for (std::size_t i = 0; i < emotions.size(); ++i) emotions[i] += other.emotions[i];
  }
};

// One change (of one key and kind) within a wave.
// What Change::forecast counts the posts of.
constexpr std::chrono::minutes kForecastAhead{30};

struct Part {
  PartName name;
  KeyName key_name;
  KeyId key;
  std::uint64_t order = 0;
  bool late = false;       // joined after the join window: leads only when no other can
  bool heard = false;      // false: restored, and no change since
  bool recounted = false;  // restored, and the posts behind `restored` are counted again
  bool ended = false;
  std::int64_t onset = 0;
  double from_rate = 0;
  double peak_rate = 0;
  double peak_score = 0;
  Sums restored;          // of an earlier run
  Sums before;            // of its earlier times in this run
  KeyCounts since_onset;  // of this time
  Forecast forecast;      // the last one; all nought: none yet
  std::int64_t forecast_at = 0;
  std::vector<std::string> provinces;  // the last ones that were told

  Sums sums() const {
    Sums total = before;
    total.add(since_onset);
    if (!recounted) {
      total.add(restored);
    } else {
      total.posts = std::max(total.posts, restored.posts);
      total.authors = std::max(total.authors, restored.authors);
      total.texts = std::max(total.texts, restored.texts);
    }
    return total;
  }
};

struct Wave {
  Alert alert;
  bool told = false;
  std::vector<Part> parts;
  EventTime started_at{};
  PartName lead;  // of the last telling
  EventTime told_at{};
  double told_rate = 0;
  Severity told_severity = Severity::kInfo;
  std::optional<Alert> told_closed;  // reopened, but not told so: as it was told to be closed
  EventTime ended_at{};              // of a closed one, for the merge window
  EvidenceChoice evidence;

  Part* find(const PartName& name) {
    const auto found = std::find_if(parts.begin(), parts.end(),
                                    [&](const Part& part) { return part.name == name; });
    return found == parts.end() ? nullptr : &*found;
  }
  bool all_ended() const {
    return std::all_of(parts.begin(), parts.end(), [](const Part& part) { return part.ended; });
  }
};

// `told_at` is when the part's wave was last told.
void take(Part& part, const Change& change, EventTime told_at) {
  if (change.phase == ChangePhase::kStarted) {
    if (part.heard) {
      part.before.add(part.since_onset);
    } else {
      part.recounted = from_seconds(change.onset) <= told_at;
      if (part.from_rate == 0 && part.peak_rate == 0) {
        part.from_rate = change.from_rate;
        part.onset = change.onset;
      }
    }
  }
  part.key = change.key;
  part.key_name = change.name;
  part.heard = true;
  part.since_onset = change.since_onset;
  part.ended = change.phase == ChangePhase::kEnded;
  if (!part.ended) {  // at its end the rate is back at the baseline
    part.peak_rate = std::max(part.peak_rate, change.to_rate);
    part.peak_score = std::max(part.peak_score, change.score);
    if (change.forecast.high > 0) {
      part.forecast = change.forecast;
      part.forecast_at = change.at;
    }
    part.provinces = change.regions;
  }
}

std::string alert_id(const PartName& name, EventTime opened_at) {
  std::string content = name.first;
  content += '\0';
  content += kind_name(name.second);
  content += '\0';
  content += std::to_string(opened_at.time_since_epoch().count());
  XXH64_hash_t hash = XXH3_64bits(content.data(), content.size());
  std::string id = "al_0000000000000000";
  for (std::size_t i = id.size(); hash != 0; hash >>= 4) id[--i] = "0123456789abcdef"[hash & 0xF];
  return id;
}

}  // namespace

class AlertManager::State {
 public:
  State(AlertOptions options, LabelSchema schema, EvidenceSource& source)
      : options_(options), schema_(std::move(schema)), source_(source) {}

  void on_changes(std::span<const Change> changes, std::vector<AlertUpdate>& updates)
      EXCLUDES(mu_) {
    MutexLock lock(mu_);
    // Changes of one second are taken together, so that a wave seen in several keys or kinds at
    // once opens one alert in its final form.
    for (std::size_t i = 0; i < changes.size();) {
      const std::int64_t second = changes[i].at;
      const EventTime now = from_seconds(second);
      forget_closed(now);
      std::set<WaveNumber> touched;
      for (; i < changes.size() && changes[i].at == second; ++i) {
        if (const auto number = place(changes[i], now)) touched.insert(*number);
      }
      for (const WaveNumber number : touched) evaluate(number, now, updates);
    }
  }

  void restore(std::span<const Alert> alerts, EventTime told_until) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    told_until_ = std::max(told_until_, told_until);
    std::vector<const Alert*> sorted;
    for (const Alert& alert : alerts) {
      sorted.push_back(&alert);
      told_until_ = std::max(told_until_, alert.updated_at);
    }
    std::sort(sorted.begin(), sorted.end(), [](const Alert* a, const Alert* b) {
      return std::tie(a->opened_at, a->id) < std::tie(b->opened_at, b->id);
    });
    for (const Alert* alert : sorted) restore_one(*alert);
    for (auto& [number, wave] : open_) restore_other_kind(number, wave, open_parts_);
    for (auto& [number, wave] : closed_) restore_other_kind(number, wave, closed_parts_);
  }

  void close_orphans(EventTime now, std::vector<AlertUpdate>& updates, std::chrono::seconds silence)
      EXCLUDES(mu_) {
    MutexLock lock(mu_);
    for (auto number = orphans_.begin(); number != orphans_.end();) {
      const auto found = open_.find(*number);
      if (found != open_.end() && !is_over(found->second, now, silence)) {
        ++number;
        continue;
      }
      const WaveNumber orphan = *number;
      number = orphans_.erase(number);
      if (found == open_.end()) continue;
      for (Part& part : found->second.parts) part.ended = part.ended || !part.heard;
      evaluate(orphan, now, updates);
    }
  }

  std::vector<Alert> open() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    std::vector<Alert> alerts;
    for (const auto& [number, wave] : open_) {
      if (wave.told) alerts.push_back(wave.alert);
    }
    std::sort(alerts.begin(), alerts.end(), [](const Alert& a, const Alert& b) {
      return std::tie(a.opened_at, a.id) < std::tie(b.opened_at, b.id);
    });
    return alerts;
  }
  std::size_t open_count() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return by_id_.size();
  }
  std::size_t waiting_count() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return open_.size() - by_id_.size();
  }
  std::uint64_t refused_total() const EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return refused_total_;
  }

 private:
  // Puts a change into the wave it belongs to, which may be a new one. Nothing: it has none.
  std::optional<WaveNumber> place(const Change& change, EventTime now) REQUIRES(mu_) {
    const PartName name{to_string(change.name), change.kind};
    if (const auto found = open_parts_.find(name); found != open_parts_.end()) {
      Wave& wave = open_.at(found->second);
      take(*wave.find(name), change, wave.told_at);
      return found->second;
    }
    if (change.phase != ChangePhase::kStarted) return std::nullopt;  // refused or absorbed before
    if (const auto number = reopen(name)) {
      Wave& wave = open_.at(*number);
      take(*wave.find(name), change, wave.told_at);
      return number;
    }
    std::optional<WaveNumber> number = other_kind_of(name, now);
    if (!number) number = related(change, now);
    if (!number) {
      if (open_.size() >= options_.open_max) {
        ++refused_total_;
        return std::nullopt;
      }
      number = next_number_++;
      open_[*number].started_at = now;
    }
    Wave& wave = open_.at(*number);
    if (wave.parts.size() >= kPartsMax) return std::nullopt;
    Part part;
    part.name = name;
    part.order = next_order_++;
    part.late = now - wave.started_at > options_.join_window;
    take(part, change, wave.told_at);
    wave.parts.push_back(std::move(part));
    open_parts_.emplace(name, *number);
    return number;
  }

  // The open wave of the same key's other kind (volume, negative), when it is young enough.
  std::optional<WaveNumber> other_kind_of(const PartName& name, EventTime now) REQUIRES(mu_) {
    if (!joins_with_others(name.second)) return std::nullopt;
    const ChangeKind other =
        name.second == ChangeKind::kVolume ? ChangeKind::kNegative : ChangeKind::kVolume;
    const auto found = open_parts_.find(PartName{name.first, other});
    if (found == open_parts_.end()) return std::nullopt;
    if (now - open_.at(found->second).started_at > options_.join_window) return std::nullopt;
    return found->second;
  }

  // The open wave that largely consists of the same posts as this change's key; the oldest.
  std::optional<WaveNumber> related(const Change& change, EventTime now) REQUIRES(mu_) {
    if (options_.related_overlap_min > 1 || !joins_with_others(change.kind) ||
        asked_for(change.name) || open_.empty()) {
      return std::nullopt;
    }
    const std::set<std::string> own = recent_ids(change.key);
    if (own.size() < options_.evidence_min) return std::nullopt;
    for (auto& [number, wave] : open_) {
      const bool young = now - wave.started_at <= options_.join_window;
      for (const Part& part : wave.parts) {
        if (part.ended || (part.heard && part.key == change.key) || asked_for(part.key_name) ||
            !joins_with_others(part.name.second)) {
          continue;
        }
        const bool echo =
            part.name.second == change.kind && breadth(change.name) > breadth(part.key_name);
        if (!young && !echo) continue;
        const std::set<std::string> others =
            part.heard
                ? recent_ids(part.key)
                : std::set<std::string>(wave.alert.evidence.begin(), wave.alert.evidence.end());
        const auto shared = static_cast<double>(std::count_if(
            own.begin(), own.end(), [&](const std::string& id) { return others.contains(id); }));
        const auto smaller = static_cast<double>(std::min(own.size(), others.size()));
        if (shared >= static_cast<double>(options_.evidence_min) &&
            shared >= options_.related_overlap_min * smaller) {
          return number;
        }
      }
    }
    return std::nullopt;
  }

  std::set<std::string> recent_ids(KeyId key) {
    std::set<std::string> ids;
    for (EvidencePost& post : source_.evidence(key, options_.evidence_considered_max, false)) {
      ids.insert(std::move(post.id));
    }
    return ids;
  }

  // Takes a closed wave that this change was part of back among the open ones.
  std::optional<WaveNumber> reopen(const PartName& name) REQUIRES(mu_) {
    const auto found = closed_parts_.find(name);
    if (found == closed_parts_.end() || open_.size() >= options_.open_max) return std::nullopt;
    const WaveNumber number = found->second;
    Wave wave = remove_closed(number);
    wave.told_closed = wave.alert;
    wave.alert.closed_at.reset();
    wave.alert.state = "open";
    by_id_.emplace(wave.alert.id, number);
    // A part that meanwhile goes on in another wave stays there.
    std::erase_if(wave.parts, [&](const Part& part) REQUIRES(mu_) {
      return !open_parts_.emplace(part.name, number).second;
    });
    open_.emplace(number, std::move(wave));
    return number;
  }

  // Of the parts still going on (or of all, when none is) the one that gives the alert its face.
  static const Part& lead_of(const Wave& wave) {
    const auto order = [](const Part& part) {
      return std::tuple(part.ended, part.late, part.name.second != ChangeKind::kNegative,
                        rank(part.key_name), part.order);
    };
    return *std::min_element(wave.parts.begin(), wave.parts.end(),
                             [&](const Part& a, const Part& b) { return order(a) < order(b); });
  }

  void evaluate(WaveNumber number, EventTime now, std::vector<AlertUpdate>& updates) REQUIRES(mu_) {
    Wave& wave = open_.at(number);
    const bool ended = wave.all_ended();
    if (ended && !wave.told) {
      forget_parts(wave);
      open_.erase(number);
      return;
    }
    // A wave that ends keeps the face it had.
    const Part* lead = ended ? wave.find(wave.lead) : &lead_of(wave);
    if (lead == nullptr) lead = &lead_of(wave);
    if (lead->heard) refresh_numbers(wave, *lead);
    if (ended && wave.told_closed) {
      forget_again(number, now);
    } else if (now <= told_until_) {
      if (ended) orphans_.insert(number);  // closed by close_orphans, when it is not old news
    } else if (ended) {
      close(number, now, updates);
    } else if (!wave.told) {
      refresh_words(wave, *lead);
      if (wave.alert.evidence.size() < options_.evidence_min) return;
      wave.alert.opened_at = now;
      wave.alert.id = alert_id(lead->name, now);
      wave.alert.state = "open";
      wave.told = true;
      by_id_.emplace(wave.alert.id, number);
      tell(wave, *lead, AlertEvent::kOpened, now, updates);
    } else if (now - wave.told_at >= options_.update_interval && worth_telling(wave, *lead)) {
      refresh_words(wave, *lead);
      tell(wave, *lead, AlertEvent::kUpdated, now, updates);
    }
  }

  bool worth_telling(const Wave& wave, const Part& lead) const {
    if (wave.told_closed || lead.name != wave.lead) return true;
    if (parse_severity(wave.alert.severity).value_or(Severity::kInfo) > wave.told_severity) {
      return true;
    }
    if (lead.name.second == ChangeKind::kNegative) {
      return lead.peak_rate >= wave.told_rate + options_.update_share_step;
    }
    return lead.peak_rate >= wave.told_rate * options_.update_rate_factor &&
           lead.peak_rate > wave.told_rate;
  }

  static void tell(Wave& wave, const Part& lead, AlertEvent event, EventTime now,
                   std::vector<AlertUpdate>& updates) {
    wave.alert.updated_at = now;
    wave.told_at = now;
    wave.lead = lead.name;
    wave.told_rate = lead.peak_rate;
    wave.told_severity = parse_severity(wave.alert.severity).value_or(Severity::kInfo);
    wave.told_closed.reset();
    updates.push_back({wave.alert, event});
  }

  void refresh_numbers(Wave& wave, const Part& lead) const {
    Alert& alert = wave.alert;
    const Sums sums = lead.sums();
    alert.key = lead.name.first;
    alert.topic = lead.key_name.kind == KeyKind::kTopicRegion ? lead.key_name.topic : "*";
    alert.region = lead.key_name.kind == KeyKind::kTopicRegion ? lead.key_name.region : "*";
    alert.kind = kind_name(lead.name.second);
    alert.onset_at = from_seconds(lead.onset);
    alert.from_rate = lead.from_rate;
    alert.to_rate = lead.peak_rate;
    alert.score = lead.peak_score;
    alert.posts = sums.posts;
    alert.authors = sums.authors;
    alert.texts = sums.texts;
    set_emotions(alert, sums);
    alert.provinces = lead.provinces;
    if (lead.ended) {
      alert.forecast.reset();
      alert.acceleration.reset();
    } else if (lead.forecast.high > 0) {
      constexpr double kMinutes = kForecastAhead.count();
      alert.forecast = AlertForecast{from_seconds(lead.forecast_at) + kForecastAhead,
                                     lead.forecast.low / kMinutes, lead.forecast.posts / kMinutes,
                                     lead.forecast.high / kMinutes};
      alert.acceleration = lead.forecast.acceleration;
    }

    SeverityInput input;
    // A flood of copies is as large as its posts: its authors are few by nature.
    input.authors = lead.name.second == ChangeKind::kCoordinated ? sums.posts : sums.authors;
    if (lead.name.second != ChangeKind::kNegative) {
      input.ratio = rate_ratio(lead.from_rate, lead.peak_rate);
    }
    input.negative_share =
        sums.posts == 0 ? 0 : static_cast<double>(sums.negative) / static_cast<double>(sums.posts);
    const Severity before = parse_severity(alert.severity).value_or(Severity::kInfo);
    alert.severity = severity_name(std::max(before, severity_of(input, options_)));
  }

  void set_emotions(Alert& alert, const Sums& sums) const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : sums.emotions) total += count;
    if (total == 0) return;  // keep what was restored
    alert.emotions.clear();
    for (std::size_t i = 0; i < sums.emotions.size(); ++i) {
      if (sums.emotions[i] == 0) continue;
      alert.emotions.emplace_back(
          schema_.emotion_name(static_cast<std::uint8_t>(i)),
          static_cast<double>(sums.emotions[i]) / static_cast<double>(total));
    }
    std::sort(alert.emotions.begin(), alert.emotions.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
  }

  // Evidence, terms and title: what costs a look at texts, so only when something is to be told.
  void refresh_words(Wave& wave, const Part& lead) {
    const bool negative = lead.name.second == ChangeKind::kNegative;
    const std::vector<EvidencePost> posts =
        source_.evidence(lead.key, options_.evidence_considered_max, negative);
    wave.evidence.add(posts, {.ids_max = options_.evidence_max,
                              .ids_wanted = options_.evidence_min,
                              .negative_only = negative,
                              .start_anew = wave.told && lead.name != wave.lead});
    wave.alert.evidence = wave.evidence.ids();
    WaveShape shape = source_.shape(lead.key, lead.onset);
    // Of a restored wave, or one so fast that its start is not held any more, the fuller one stays.
    if (shape.posts > 0) wave.alert.shape = std::move(shape);

    const std::vector<std::string_view> texts =
        distinct_texts(posts, negative, options_.evidence_min);
    if (!texts.empty()) wave.alert.terms = telling_terms(texts, options_.terms_max);
    const std::string hashtag = common_hashtag(texts);
    const Sums sums = lead.sums();
    wave.alert.title = alert_title(lead.key_name, {.kind = kind_name(lead.name.second),
                                                   .from_rate = lead.from_rate,
                                                   .to_rate = lead.peak_rate,
                                                   .posts = sums.posts,
                                                   .authors = sums.authors,
                                                   .texts = sums.texts,
                                                   .bare_reposts = sums.bare_reposts,
                                                   .hashtag = hashtag});
  }

  void close(WaveNumber number, EventTime now, std::vector<AlertUpdate>& updates) REQUIRES(mu_) {
    auto node = open_.extract(number);
    Wave& wave = node.mapped();
    forget_parts(wave);
    by_id_.erase(wave.alert.id);
    wave.alert.state = "closed";
    wave.alert.closed_at = now;
    wave.alert.updated_at = now;
    wave.told_at = now;
    wave.ended_at = now;
    updates.push_back({wave.alert, AlertEvent::kClosed});
    remember_closed(number, std::move(wave));
  }

  // Ends a wave of which people know only that it was closed.
  void forget_again(WaveNumber number, EventTime now) REQUIRES(mu_) {
    auto node = open_.extract(number);
    Wave& wave = node.mapped();
    forget_parts(wave);
    by_id_.erase(wave.alert.id);
    wave.alert = *std::move(wave.told_closed);
    wave.told_closed.reset();
    wave.ended_at = now;
    remember_closed(number, std::move(wave));
  }

  // Whether a restored wave is to be closed: it ended, or nothing was heard of it.
  bool is_over(const Wave& wave, EventTime now, std::chrono::seconds silence) const REQUIRES(mu_) {
    if (wave.all_ended()) return now > told_until_;
    return now - std::max(wave.told_at, told_until_) >= silence;
  }

  void forget_parts(const Wave& wave) REQUIRES(mu_) {
    for (const Part& part : wave.parts) open_parts_.erase(part.name);
  }

  void remember_closed(WaveNumber number, Wave wave) REQUIRES(mu_) {
    while (!closed_.empty() && closed_.size() >= options_.closed_max) {
      remove_closed(closed_order_.begin()->second);
    }
    if (options_.closed_max == 0) return;
    for (const Part& part : wave.parts) closed_parts_[part.name] = number;
    closed_order_.emplace(wave.ended_at, number);
    closed_.emplace(number, std::move(wave));
  }

  Wave remove_closed(WaveNumber number) REQUIRES(mu_) {
    auto node = closed_.extract(number);
    closed_order_.erase({node.mapped().ended_at, number});
    for (const Part& part : node.mapped().parts) {
      const auto found = closed_parts_.find(part.name);
      if (found != closed_parts_.end() && found->second == number) closed_parts_.erase(found);
    }
    return std::move(node.mapped());
  }

  void forget_closed(EventTime now) REQUIRES(mu_) {
    while (!closed_order_.empty() && now - closed_order_.begin()->first > options_.merge_window) {
      remove_closed(closed_order_.begin()->second);
    }
  }

  void restore_one(const Alert& alert) REQUIRES(mu_) {
    Part part;
    part.name = {alert.key, parse_kind(alert.kind)};
    part.key_name = parse_key(alert.key).value_or(
        KeyName{KeyKind::kTopicRegion, alert.topic, alert.region, {}});
    part.order = next_order_++;
    part.onset =
        std::chrono::floor<std::chrono::seconds>(alert.onset_at).time_since_epoch().count();
    part.from_rate = alert.from_rate;
    part.peak_rate = alert.to_rate;
    part.peak_score = alert.score;
    part.restored.posts = alert.posts;
    part.restored.authors = alert.authors;
    part.restored.texts = alert.texts;
    part.ended = alert.closed_at.has_value();

    Wave wave;
    wave.alert = alert;
    wave.told = true;
    wave.started_at = alert.opened_at;
    wave.ended_at = alert.closed_at.value_or(EventTime{});
    wave.lead = part.name;
    wave.told_at = alert.updated_at;
    wave.told_rate = alert.to_rate;
    wave.told_severity = parse_severity(alert.severity).value_or(Severity::kInfo);
    wave.evidence.restore(alert.evidence);
    wave.parts.push_back(part);

    const WaveNumber number = next_number_++;
    if (alert.closed_at) {
      remember_closed(number, std::move(wave));
    } else if (open_.size() < options_.open_max && open_parts_.emplace(part.name, number).second) {
      by_id_.emplace(alert.id, number);
      orphans_.insert(number);
      open_.emplace(number, std::move(wave));
    }
  }

  // An alert tells one kind, but may have held the other as well: expect that too.
  void restore_other_kind(WaveNumber number, Wave& wave, std::map<PartName, WaveNumber>& parts)
      REQUIRES(mu_) {
    if (wave.parts.size() != 1 || !joins_with_others(wave.parts[0].name.second)) return;
    Part other;
    other.name = {wave.parts[0].name.first, wave.parts[0].name.second == ChangeKind::kVolume
                                                ? ChangeKind::kNegative
                                                : ChangeKind::kVolume};
    if (!parts.emplace(other.name, number).second) return;
    other.key_name = wave.parts[0].key_name;
    other.order = next_order_++;
    other.ended = true;
    wave.parts.push_back(std::move(other));
  }

  const AlertOptions options_;
  const LabelSchema schema_;
  EvidenceSource& source_;

  mutable Mutex mu_;
  std::map<WaveNumber, Wave> open_ GUARDED_BY(mu_);  // told and waiting
  std::map<PartName, WaveNumber> open_parts_ GUARDED_BY(mu_);
  std::map<std::string, WaveNumber> by_id_ GUARDED_BY(mu_);  // told ones of open_
  std::map<WaveNumber, Wave> closed_ GUARDED_BY(mu_);
  std::map<PartName, WaveNumber> closed_parts_ GUARDED_BY(mu_);
  std::set<std::pair<EventTime, WaveNumber>> closed_order_ GUARDED_BY(mu_);
  std::set<WaveNumber> orphans_ GUARDED_BY(mu_);  // restored: a part may never be heard of
  EventTime told_until_ GUARDED_BY(mu_){};        // an earlier run told all there was up to here
  WaveNumber next_number_ GUARDED_BY(mu_) = 1;
  std::uint64_t next_order_ GUARDED_BY(mu_) = 1;
  std::uint64_t refused_total_ GUARDED_BY(mu_) = 0;
};

AlertManager::AlertManager(AlertOptions options, LabelSchema schema, EvidenceSource& source)
    : state_(std::make_unique<State>(options, std::move(schema), source)) {}
AlertManager::~AlertManager() = default;

void AlertManager::on_changes(std::span<const Change> changes, std::vector<AlertUpdate>& updates) {
  state_->on_changes(changes, updates);
}
void AlertManager::restore(std::span<const Alert> alerts, EventTime told_until) {
  state_->restore(alerts, told_until);
}
void AlertManager::close_orphans(EventTime now, std::vector<AlertUpdate>& updates,
                                 std::chrono::seconds silence) {
  state_->close_orphans(now, updates, silence);
}
std::vector<Alert> AlertManager::open() const { return state_->open(); }
std::size_t AlertManager::open_count() const { return state_->open_count(); }
std::size_t AlertManager::waiting_count() const { return state_->waiting_count(); }
std::uint64_t AlertManager::refused_total() const { return state_->refused_total(); }

}  // namespace tidewatch

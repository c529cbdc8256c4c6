// SPDX-License-Identifier: Apache-2.0
#include "aggregate/aggregator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <deque>
#include <limits>
#include <map>

#include "aggregate/cascade_topics.h"
#include "aggregate/event_front.h"
#include "aggregate/evidence_pool.h"
#include "aggregate/key_table.h"
#include "aggregate/recent_pairs.h"
#include "aggregate/second_history.h"
#include "aggregate/terms.h"

namespace tidewatch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kAll = "*";
constexpr std::string_view kUnknown = "unknown";
constexpr std::size_t kKeysPerPostMax =
    5 + kHashtagsPerPostMax + kKeywordsPerPostMax + kRulesPerPostMax;
constexpr std::size_t kMinutesPerKeyMax = 16;
// A stream further behind the wall clock than this is not live: its time does not follow the clock.
constexpr std::chrono::minutes kLiveSpan{10};
constexpr std::uint64_t kAuthorSalt = 0x9E3779B97F4A7C15;
constexpr std::uint64_t kTextSalt = 0xC2B2AE3D27D4EB4F;

std::int64_t floor_second(EventTime time) {
  return std::chrono::floor<seconds>(time).time_since_epoch().count();
}

std::int64_t floor_minute(std::int64_t second) {
  return (second >= 0 ? second / 60 : (second - 59) / 60) * 60;
}

std::uint64_t pair_hash(KeyId key, std::uint64_t hash) {
  std::uint64_t x = (key.value * 0xFF51AFD7ED558CCD) ^ hash;
  x ^= x >> 32;
  x *= 0xC4CEB9FE1A85EC53;
  return x ^ (x >> 29);
}

AggregateOptions within_bounds(AggregateOptions options) {
  options.lateness = std::clamp(options.lateness, seconds{1}, seconds{300});
  options.settle = std::clamp(options.settle, seconds{0}, options.lateness);
  options.unique_window =
      std::clamp(options.unique_window, std::chrono::minutes{1}, std::chrono::minutes{1'440});
  options.evidence_posts_max = std::max<std::size_t>(options.evidence_posts_max, 64);
  options.recent_seconds_max = std::max<std::size_t>(options.recent_seconds_max, 64);
  options.held_posts_max = std::max(options.held_posts_max, EventFront::kVoters);
  return options;
}

// Counts by key: of one second that is still open.
class OpenSecond {
 public:
  KeyCounts& counts(KeyId key) {
    if (keys_.size() * 2 >= index_.size()) grow();
    std::size_t at = place(key);
    for (; index_[at] != 0; at = (at + 1) & (index_.size() - 1)) {
      if (keys_[index_[at] - 1].key == key) return keys_[index_[at] - 1].counts;
    }
    keys_.push_back({key, {}});
    index_[at] = static_cast<std::uint32_t>(keys_.size());
    return keys_.back().counts;
  }

  // Hands out the counts and is empty again, with its index kept for the next second.
  std::vector<KeyTick> take() {
    std::fill(index_.begin(), index_.end(), 0);
    return std::exchange(keys_, {});
  }

  const std::vector<KeyTick>& keys() const { return keys_; }

  std::size_t memory_bytes() const {
    return keys_.capacity() * sizeof(KeyTick) + index_.capacity() * sizeof(std::uint32_t);
  }

 private:
  std::size_t place(KeyId key) const {
    return (key.value * 0x9E3779B97F4A7C15 >> 32) & (index_.size() - 1);
  }

  void grow() {
    index_.assign(std::max<std::size_t>(index_.size() * 2, 64), 0);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      std::size_t at = place(keys_[i].key);
      while (index_[at] != 0) at = (at + 1) & (index_.size() - 1);
      index_[at] = static_cast<std::uint32_t>(i + 1);
    }
  }

  std::vector<KeyTick> keys_;         // in order of first appearance
  std::vector<std::uint32_t> index_;  // place in keys_ + 1, linear probing; 0: empty
};

}  // namespace

class Aggregator::Impl {
 public:
  Impl(AggregateOptions options, LabelSchema schema)
      : options_(within_bounds(std::move(options))),
        schema_(std::move(schema)),
        front_(options_.lateness),
        keywords_(options_.keywords),
        keys_(options_.keys_max),
        pairs_(options_.unique_pairs_max,
               static_cast<std::uint32_t>(seconds{options_.unique_window}.count())),
        cascades_(options_.cascades_max),
        evidence_(options_.evidence_posts_max),
        recent_posts_(options_.shape_posts_max),
        history_(options_.recent_seconds_max),
        hash_all_(KeyTable::hash_text(kAll)),
        hash_unknown_(KeyTable::hash_text(kUnknown)) {
    for (const std::string& topic : schema_.topics) {
      topic_hashes_.push_back(KeyTable::hash_text(topic));
    }
    for (const std::string& keyword : keywords_.keywords()) {
      keyword_hashes_.push_back(KeyTable::hash_key({KeyKind::kKeyword, {}, {}, keyword}));
    }
  }

  void add(const ScoredPost& post, std::vector<Tick>& ticks) {
    ++arrivals_;
    const std::uint64_t author = author_hash(post.post);
    const std::optional<EventTime> before = front_.front();
    if (front_.offer(post.post.time, author)) {
      count(post, ticks);
    } else {
      hold(post);
    }
    if (front_.front() == before) return;
    count_confirmed(ticks);
    close_until(floor_second(*front_.front() - options_.lateness), ticks);
  }

  void advance_to(EventTime now, std::vector<Tick>& ticks) {
    front_.set_clock(now);
    if (!clock_of_last_post_ || arrivals_ != arrivals_told_) {
      clock_of_last_post_ = now;
      arrivals_told_ = arrivals_;
    }
    if (!held_.empty() && front_.may_count(held_.begin()->first)) {
      // The clock vouches for these, so they move the front as if they had just come.
      for (auto held = held_.begin(); held != held_.end() && front_.may_count(held->first);
           ++held) {
        front_.move_to(held->first);
      }
      count_confirmed(ticks);
    }
    if (!front_.front()) return;
    const EventTime front = *front_.front();
    const EventTime time = front + std::max(now - *clock_of_last_post_, milliseconds{0});
    const std::int64_t last = front + kLiveSpan < *clock_of_last_post_
                                  ? newest_counted_ + 1
                                  : std::numeric_limits<std::int64_t>::max();
    tell_until(std::min(floor_second(time - options_.settle), last), ticks);
    close_until(std::min(floor_second(time - options_.lateness), last), ticks);
  }

  void flush(std::vector<Tick>& ticks) {
    for (const auto& [time, post] : held_) front_.move_to(time);
    count_confirmed(ticks);
    // To the end of the minute: a minute is given once, so it must not go on afterwards.
    if (newest_counted_ >= closed_until_) close_until(floor_minute(newest_counted_) + 60, ticks);
  }

  void set_observer(PostObserver* observer) { observer_ = observer; }

  void set_rules(std::shared_ptr<const RuleMatcher> rules) {
    rules_ = std::move(rules);
    rule_hashes_.clear();
    if (rules_ == nullptr) return;
    for (const Rule& rule : rules_->rules()) rule_hashes_.push_back(rule_hash(rule));
  }

  const KeyName* name(KeyId key) const {
    const KeyEntry* const entry = keys_.entry(key);
    return entry == nullptr ? nullptr : &entry->name;
  }

  std::optional<KeyId> find(const KeyName& name) const {
    const KeyRef key{name.kind, name.topic, name.region, name.term};
    const std::uint32_t slot = keys_.find(
        key, name.kind == KeyKind::kRule ? rule_hash(name.term) : KeyTable::hash_key(key));
    if (slot == kNoSlot) return std::nullopt;
    return keys_.entry(slot).id;
  }

  // A rule that is written anew is another key of the same name: nothing of what the old words
  // found is held against the new ones. The old key gets no more posts and goes cold.
  static std::uint64_t rule_hash(const Rule& rule) {
    return KeyTable::hash_key(KeyKind::kRule, KeyTable::hash_text(rule.name),
                              KeyTable::hash_text(rule.query));
  }
  // Of the rule of this name that is watched now; 0, which no key has, for others.
  std::uint64_t rule_hash(std::string_view rule_name) const {
    for (std::size_t i = 0; i < rule_hashes_.size(); ++i) {
      if (rules_->rules()[i].name == rule_name) return rule_hashes_[i];
    }
    return 0;
  }

  std::vector<EvidencePost> evidence(KeyId key, std::size_t count_max, EvidenceOrder order) const {
    const KeyEntry* const entry = keys_.entry(key);
    if (entry == nullptr) return {};
    return evidence_.select(entry->evidence, count_max, order);
  }

  WaveShape shape(KeyId key, std::int64_t since) const { return recent_posts_.shape(key, since); }

  std::vector<MinuteCounts> take_minutes() {
    std::vector<MinuteCounts> minutes(std::make_move_iterator(minutes_.begin()),
                                      std::make_move_iterator(minutes_.end()));
    minutes_.clear();
    return minutes;
  }

  std::vector<std::pair<std::int64_t, KeyCounts>> recent_seconds(KeyId key, seconds back) const {
    const KeyEntry* const entry = keys_.entry(key);
    if (entry == nullptr) return {};
    return history_.read(entry->last_record, closed_until_ - std::min(back, kRecentSpan).count());
  }

  AggregateStats stats() const {
    AggregateStats stats = counters_;
    stats.held = held_.size();
    stats.keys = keys_.size();
    if (closed_until_ != kNothingClosed) stats.watermark = EventTime{seconds{closed_until_}};
    stats.memory_bytes = keys_.memory_bytes() + pairs_.memory_bytes() + cascades_.memory_bytes() +
                         evidence_.memory_bytes() + history_.memory_bytes() +
                         recent_posts_.memory_bytes() + held_.size() * (sizeof(ScoredPost) + 512) +
                         minutes_.size() * (sizeof(MinuteCounts) + 32);
    for (const auto& [second, open] : open_) stats.memory_bytes += open.memory_bytes();
    stats.memory_bytes += after_tick_.memory_bytes();
    return stats;
  }

 private:
  // What all keys of a post need to know of it.
  struct Facts {
    std::int64_t second = 0;
    std::uint8_t emotion = kNoLabel;
    bool negative = false;
    bool bare = false;
    bool coordinated = false;
    KeyId own_key{};                // the observer's
    std::uint64_t author_hash = 0;  // 0: none
    std::uint64_t text_hash = 0;    // 0: none
  };

  static constexpr std::int64_t kNothingClosed = INT64_MIN;

  static std::uint64_t author_hash(const Post& post) {
    if (post.author.empty()) return 0;
    const std::uint64_t hash = KeyTable::hash_text(post.author);
    return hash == 0 ? 1 : hash;
  }

  void hold(const ScoredPost& post) {
    held_.emplace(post.post.time, post);  // equal times stay in order of arrival
    if (held_.size() <= options_.held_posts_max) return;
    held_.erase(std::prev(held_.end()));
    ++counters_.ahead;
  }

  // Counts the held posts that the front has come near to, oldest first. They do not move the
  // front: that would let a cluster of wild times pull itself up step by step.
  void count_confirmed(std::vector<Tick>& ticks) {
    while (!held_.empty() && front_.may_count(held_.begin()->first)) {
      count(held_.begin()->second, ticks);
      held_.erase(held_.begin());
    }
  }

  void count(const ScoredPost& scored, std::vector<Tick>& ticks) {
    Facts facts;
    facts.second = floor_second(scored.post.time);
    if (facts.second < closed_until_) {
      ++counters_.late;
      return;
    }
    // One that was held back may be ahead of the front: that is told of when time gets there.
    tell_until(std::min(facts.second, floor_second(*front_.front())) - options_.settle.count(),
               ticks);
    ++counters_.posts;
    newest_counted_ = std::max(newest_counted_, facts.second);
    facts.bare = scored.post.text.empty() || scored.scores.topic == kNoLabel;
    facts.emotion = facts.bare ? schema_.neutral : scored.scores.emotion;
    facts.negative = schema_.is_negative(facts.emotion);
    facts.author_hash = author_hash(scored.post);
    if (!facts.bare) {
      facts.text_hash =
          scored.text_hash != 0 ? scored.text_hash : KeyTable::hash_text(scored.post.text);
    }
    if (observer_ != nullptr) {
      facts.coordinated = observer_->on_counted(scored, facts.emotion, facts.negative);
      facts.own_key = observer_->own_key();
    }
    find_keys(scored, facts);
    if (num_slots_ == 0) return;
    OpenSecond& open = open_second(facts.second);
    const std::uint32_t evidence = make_evidence(scored, facts);
    for (std::size_t i = 0; i < num_slots_; ++i) {
      KeyEntry& entry = keys_.entry(slots_[i]);
      const KeyCounts one = counts_of_post(entry.id, facts);
      open.counts(entry.id) += one;
      if (facts.second < told_until_) after_tick_.counts(entry.id) += one;
      evidence_.add(entry.evidence, evidence, facts.author_hash);
      keys_.touch_evidence(slots_[i]);
    }
    evidence_.release(evidence);
    std::array<KeyId, RecentPosts::kKeysMax> key_ids{};
    std::size_t num_keys = 0;
    if (facts.own_key.value != 0) key_ids[num_keys++] = facts.own_key;
    for (std::size_t i = 0; i < num_slots_ && num_keys < key_ids.size(); ++i) {
      key_ids[num_keys++] = keys_.entry(slots_[i]).id;
    }
    recent_posts_.add(scored.post, facts.second, std::span(key_ids).first(num_keys));
  }

  KeyCounts counts_of_post(KeyId key, const Facts& facts) {
    KeyCounts counts;
    counts.posts = 1;
    counts.negative = facts.negative;
    counts.bare_reposts = facts.bare;
    if (facts.emotion < kEmotionsMax) counts.emotions[facts.emotion] = 1;
    if (facts.author_hash == 0 ||
        !pairs_.seen(pair_hash(key, facts.author_hash ^ kAuthorSalt), facts.second)) {
      counts.new_authors = 1;
      counts.new_author_negative = facts.negative;
      counts.new_author_bare = facts.bare;
      counts.coordinated = facts.coordinated;
      counts.coordinated_negative = facts.coordinated && facts.negative;
    }
    if (!facts.bare && !pairs_.seen(pair_hash(key, facts.text_hash ^ kTextSalt), facts.second)) {
      counts.new_texts = 1;
    }
    return counts;
  }

  std::uint8_t topic_of(const ScoredPost& scored, bool bare) {
    const Post& post = scored.post;
    const bool head = post.repost_of.empty();
    const std::uint8_t topic = scored.scores.topic;
    const bool sure = !bare && (topic >= scored.scores.topic_prob.size() ||
                                scored.scores.topic_prob[topic] >= options_.topic_probability_min);
    if (!sure) {
      return head ? kNoLabel : cascades_.topic(KeyTable::hash_text(post.repost_of));
    }
    cascades_.note(KeyTable::hash_text(head ? post.id : post.repost_of), scored.scores.topic, head);
    return scored.scores.topic;
  }

  // Fills slots_ with the keys of the post, making those that are new.
  void find_keys(const ScoredPost& scored, const Facts& facts) {
    const std::uint8_t topic = topic_of(scored, facts.bare);
    const std::string_view topic_name = schema_.topic_name(topic);
    const PostRegion place = parse_region(scored.post.region);
    const std::string_view region =
        place.province.empty() || place.province == kAll ? kUnknown : place.province;
    const std::uint64_t topic_hash =
        topic < topic_hashes_.size() ? topic_hashes_[topic] : hash_unknown_;
    const std::uint64_t region_hash = KeyTable::hash_text(region);
    num_wanted_ = 0;
    want_topic_region(topic_name, topic_hash, region, region_hash);
    want_topic_region(topic_name, topic_hash, kAll, hash_all_);
    want_topic_region(kAll, hash_all_, region, region_hash);
    want_topic_region(kAll, hash_all_, kAll, hash_all_);
    if (!place.city.empty()) {
      city_ = region_name(place);
      want_topic_region(kAll, hash_all_, city_, KeyTable::hash_text(city_));
    }
    if (!scored.post.text.empty()) {
      find_hashtags(scored.post.text, tags_);
      for (const std::string& tag : tags_) {
        const KeyRef key{KeyKind::kHashtag, {}, {}, tag};
        want(key, KeyTable::hash_key(key));
      }
      keywords_.find(scored.post.text, found_keywords_);
      for (const std::uint32_t keyword : found_keywords_) {
        want({KeyKind::kKeyword, {}, {}, keywords_.keywords()[keyword]}, keyword_hashes_[keyword]);
      }
    }
    find_rules(scored, facts, topic, place);  // last: there may be many
    // Keys that are there are marked as used before new ones are made, so that none of the post's
    // own keys is evicted for another.
    for (std::size_t i = 0; i < num_wanted_; ++i) {
      Wanted& wanted = wanted_[i];
      wanted.slot = keys_.find(wanted.key, wanted.hash);
      if (wanted.slot != kNoSlot) use(wanted.slot, facts.second);
    }
    num_slots_ = 0;
    const std::int64_t open_minute =
        closed_until_ == kNothingClosed ? kNothingClosed : floor_minute(closed_until_);
    for (std::size_t i = 0; i < num_wanted_; ++i) {
      Wanted& wanted = wanted_[i];
      if (wanted.slot == kNoSlot) {
        const std::size_t evicted = evicted_.size();
        wanted.slot = keys_.create(wanted.key, wanted.hash, open_minute, evidence_, evicted_);
        counters_.keys_evicted += evicted_.size() - evicted;
        if (wanted.slot == kNoSlot) {
          ++counters_.keys_refused;
          continue;
        }
        use(wanted.slot, facts.second);
      }
      slots_[num_slots_++] = wanted.slot;
    }
  }

  // Wants the keys of the rules that hold for the post.
  void find_rules(const ScoredPost& scored, const Facts& facts, std::uint8_t topic,
                  const PostRegion& place) {
    if (rules_ == nullptr) return;
    rules_->match({.text = scored.post.text,
                   .topic = topic,
                   .emotion = facts.emotion,
                   .region = place,
                   .source = scored.post.source,
                   .author = scored.post.author},
                  rules_scratch_, found_rules_);
    if (found_rules_.size() > kRulesPerPostMax) {
      counters_.rules_cut += found_rules_.size() - kRulesPerPostMax;
      found_rules_.resize(kRulesPerPostMax);
    }
    for (const std::uint32_t rule : found_rules_) {
      want({KeyKind::kRule, {}, {}, rules_->rules()[rule].name}, rule_hashes_[rule]);
    }
  }

  void use(std::uint32_t slot, std::int64_t second) {
    KeyEntry& entry = keys_.entry(slot);
    entry.newest_second = std::max(entry.newest_second, second);
    keys_.touch(slot);
  }

  void want(const KeyRef& key, std::uint64_t hash) {
    assert(num_wanted_ < wanted_.size());
    wanted_[num_wanted_++] = {key, hash, kNoSlot};
  }

  void want_topic_region(std::string_view topic, std::uint64_t topic_hash, std::string_view region,
                         std::uint64_t region_hash) {
    want({KeyKind::kTopicRegion, topic, region, {}},
         KeyTable::hash_key(KeyKind::kTopicRegion, topic_hash, region_hash));
  }

  OpenSecond& open_second(std::int64_t second) {
    const auto place = open_.lower_bound(second);
    if (place != open_.end() && place->first == second) return place->second;
    OpenSecond fresh;
    if (!spare_.empty()) {
      fresh = std::move(spare_.back());
      spare_.pop_back();
    }
    return open_.emplace_hint(place, second, std::move(fresh))->second;
  }

  // One post in the pool, with a reference that the caller gives back.
  std::uint32_t make_evidence(const ScoredPost& scored, const Facts& facts) {
    while (evidence_.full() && keys_.drop_coldest_evidence(evidence_)) {
    }
    const std::uint32_t index = evidence_.acquire();
    EvidencePost& post = evidence_.post(index);
    post.id.assign(scored.post.id);
    post.author.assign(scored.post.author);
    post.text.assign(cut_at_character(scored.post.text, kEvidenceTextBytesMax));
    post.text_hash = facts.text_hash;
    post.time = scored.post.time;
    post.emotion = facts.emotion;
    post.negative = facts.negative;
    return index;
  }

  // Gives out the ticks of every second before `until` (Unix seconds). What came after the tick of
  // its own second is in the first.
  void tell_until(std::int64_t until, std::vector<Tick>& ticks) {
    if (until <= told_until_) return;
    auto open = open_.lower_bound(told_until_);
    if (!after_tick_.keys().empty()) {
      const bool joined = open != open_.end() && open->first == told_until_;
      if (joined) {
        for (const KeyTick& key : open->second.keys()) after_tick_.counts(key.key) += key.counts;
        ++open;
      }
      tell(told_until_, after_tick_.take(), ticks);
    }
    for (; open != open_.end() && open->first < until; ++open) {
      tell(open->first, open->second.keys(), ticks);
    }
    told_until_ = until;
  }

  void tell(std::int64_t second, std::vector<KeyTick> keys, std::vector<Tick>& ticks) {
    ticks.push_back({second, std::move(keys), std::exchange(evicted_, {})});
  }

  // Closes every second before `until` (Unix seconds): nothing is counted for it any more.
  void close_until(std::int64_t until, std::vector<Tick>& ticks) {
    if (until <= closed_until_) return;
    tell_until(until, ticks);
    closed_until_ = until;
    while (!open_.empty() && open_.begin()->first < until) {
      auto node = open_.extract(open_.begin());
      record(node.key(), node.mapped().take());
      if (spare_.size() < kSpareSecondsMax) spare_.push_back(std::move(node.mapped()));
    }
    if (open_minute_ != KeyEntry::kNoMinute && open_minute_ + 60 <= until) close_minute();
  }

  void record(std::int64_t second, const std::vector<KeyTick>& keys) {
    const std::int64_t minute = floor_minute(second);
    if (minute != open_minute_) {
      close_minute();
      open_minute_ = minute;
    }
    for (const KeyTick& key : keys) {
      const auto slot = static_cast<std::uint32_t>(key_slot(key.key));
      KeyEntry& entry = keys_.entry(slot);
      assert(entry.id == key.key);
      if (entry.minute != minute) {
        entry.minute = minute;
        entry.minute_counts = {};
        minute_slots_.push_back(slot);
      }
      entry.minute_counts += key.counts;
      entry.last_record = history_.add(entry.last_record, second, key.counts);
    }
  }

  void close_minute() {
    for (const std::uint32_t slot : minute_slots_) {
      const KeyEntry& entry = keys_.entry(slot);
      minutes_.push_back({to_string(entry.name), open_minute_, entry.minute_counts});
    }
    minute_slots_.clear();
    open_minute_ = KeyEntry::kNoMinute;
    while (minutes_.size() > kMinutesPerKeyMax * options_.keys_max) {
      minutes_.pop_front();
      ++counters_.minutes_dropped;
    }
  }

  struct Wanted {
    KeyRef key;
    std::uint64_t hash = 0;
    std::uint32_t slot = kNoSlot;
  };
  static constexpr std::size_t kSpareSecondsMax = 16;

  const AggregateOptions options_;
  const LabelSchema schema_;
  EventFront front_;
  const KeywordMatcher keywords_;
  KeyTable keys_;
  RecentPairs pairs_;
  CascadeTopics cascades_;
  EvidencePool evidence_;
  RecentPosts recent_posts_;
  SecondHistory history_;
  const std::uint64_t hash_all_;
  const std::uint64_t hash_unknown_;
  std::vector<std::uint64_t> topic_hashes_;
  std::vector<std::uint64_t> keyword_hashes_;
  PostObserver* observer_ = nullptr;
  std::shared_ptr<const RuleMatcher> rules_;
  RuleMatcher::Scratch rules_scratch_;
  std::vector<std::uint64_t> rule_hashes_;  // of the keys of rules_

  std::multimap<EventTime, ScoredPost> held_;   // at most options_.held_posts_max
  std::map<std::int64_t, OpenSecond> open_;     // about 2 x lateness seconds at most
  OpenSecond after_tick_;                       // counts that came after their second's tick
  std::vector<OpenSecond> spare_;               // closed ones, to reuse their index
  std::int64_t closed_until_ = kNothingClosed;  // every second before this one is closed
  std::int64_t told_until_ = kNothingClosed;    // and told of
  std::int64_t newest_counted_ = kNothingClosed;
  std::int64_t open_minute_ = KeyEntry::kNoMinute;
  std::vector<std::uint32_t> minute_slots_;  // keys with posts in the open minute
  std::deque<MinuteCounts> minutes_;         // closed, not yet taken
  std::vector<KeyId> evicted_;               // since the last tick
  std::uint64_t arrivals_ = 0;
  std::uint64_t arrivals_told_ = 0;  // when advance_to was last called
  std::optional<EventTime> clock_of_last_post_;
  AggregateStats counters_;

  // Scratch of find_keys, kept to spare allocations.
  std::array<Wanted, kKeysPerPostMax> wanted_{};
  std::size_t num_wanted_ = 0;
  std::array<std::uint32_t, kKeysPerPostMax> slots_{};
  std::size_t num_slots_ = 0;
  std::vector<std::string> tags_;
  std::vector<std::uint32_t> found_keywords_;
  std::vector<std::uint32_t> found_rules_;
  std::string city_;
};

Aggregator::Aggregator(AggregateOptions options, LabelSchema schema)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(schema))) {}
Aggregator::~Aggregator() = default;

void Aggregator::add(const ScoredPost& post, std::vector<Tick>& ticks) { impl_->add(post, ticks); }
void Aggregator::advance_to(EventTime now, std::vector<Tick>& ticks) {
  impl_->advance_to(now, ticks);
}
void Aggregator::set_observer(PostObserver* observer) { impl_->set_observer(observer); }
void Aggregator::set_rules(std::shared_ptr<const RuleMatcher> rules) {
  impl_->set_rules(std::move(rules));
}
void Aggregator::flush(std::vector<Tick>& ticks) { impl_->flush(ticks); }
const KeyName* Aggregator::name(KeyId key) const { return impl_->name(key); }
std::optional<KeyId> Aggregator::find(const KeyName& name) const { return impl_->find(name); }
std::vector<EvidencePost> Aggregator::evidence(KeyId key, std::size_t count_max,
                                               EvidenceOrder order) const {
  return impl_->evidence(key, count_max, order);
}
WaveShape Aggregator::shape(KeyId key, std::int64_t since) const {
  return impl_->shape(key, since);
}
std::vector<MinuteCounts> Aggregator::take_minutes() { return impl_->take_minutes(); }
std::vector<std::pair<std::int64_t, KeyCounts>> Aggregator::recent_seconds(
    KeyId key, std::chrono::seconds back) const {
  return impl_->recent_seconds(key, back);
}
AggregateStats Aggregator::stats() const { return impl_->stats(); }

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/recent_posts.h"
#include "aggregate/window_counts.h"
#include "core/clock.h"
#include "infer/scored_post.h"
#include "infer/scores.h"
#include "rules/rule_matcher.h"

namespace tidewatch {

// Every bound of the aggregator and what it costs. The defaults hold about 195 MB at the most.
struct AggregateOptions {
  // A second closes when the watermark (newest event time less this) has passed it.
  std::chrono::seconds lateness{5};  // 1 to 300
  // A second's tick is given out when a post this much later than its end was counted (or the wall
  // clock says so). Posts of it that come later, until it closes, are in the tick of the first
  // second not given out by then: what looks for change need not wait for them. 0 to `lateness`; at
  // `lateness` every tick holds the posts of its own second alone. Minutes and recent_seconds()
  // hold every post in its own second, whatever this is.
  std::chrono::seconds settle{0};
  // How long a key remembers an author or a text.
  std::chrono::minutes unique_window{10};
  // Keys counted at once, about 500 bytes each. When full, the key without posts for the longest
  // time is evicted; a key with posts in a minute still open never is, and when all have, a new
  // key is refused and counted in AggregateStats::keys_refused. At most kKeySlotsMax.
  std::size_t keys_max = 65'536;
  // A topic less probable than this is not counted: the post is treated as one of unknown topic,
  // which takes that of its cascade. The bundled topic heads know news only and guess at chatter.
  float topic_probability_min = 0.0F;
  // Followed terms: found anywhere in a text, without regard to ASCII case. At most kKeywordsMax
  // of at most kTermBytesMax bytes; the rest, empty ones and repetitions are left out.
  std::vector<std::string> keywords;
  // Remembered (key, author) and (key, text) pairs, 8 bytes each, rounded up to a power of two.
  // When more are fresh at once, the stalest of eight goes first: the unique window gets shorter.
  std::size_t unique_pairs_max = std::size_t{1} << 23;
  // Remembered topics of cascades, 8 bytes each; within a set of eight the least used goes first.
  std::size_t cascades_max = std::size_t{1} << 20;
  // Posts kept as evidence over all keys, about 500 bytes each. When full, the keys without posts
  // for the longest time lose their evidence first.
  std::size_t evidence_posts_max = 65'536;
  // (key, second) counts kept for recent_seconds(), 80 bytes each; the oldest go first.
  std::size_t recent_seconds_max = std::size_t{1} << 19;
  // A post further ahead of the stream than `lateness` is held back (see Aggregator). At most this
  // many, about 1 kB each; when full, the one furthest ahead is dropped and counted as `ahead`.
  std::size_t held_posts_max = 1'024;
  // Posts that the shape of a wave (top accounts, cascade) is read from, about 300 bytes each.
  std::size_t shape_posts_max = 16'384;
};

inline constexpr std::size_t kKeywordsMax = 256;
inline constexpr std::size_t kTermBytesMax = 128;
inline constexpr std::size_t kHashtagsPerPostMax = 4;
inline constexpr std::size_t kHashtagCodePointsMax = 32;
inline constexpr std::size_t kKeywordsPerPostMax = 8;
inline constexpr std::size_t kRulesPerPostMax = 64;  // the first by name; more are counted
inline constexpr std::size_t kEvidencePerKey = 12;
inline constexpr std::chrono::seconds kRecentSpan{600};

struct AggregateStats {
  std::uint64_t posts = 0;  // counted
  std::uint64_t late = 0;   // older than the watermark: not counted
  std::uint64_t ahead = 0;  // too far ahead and never confirmed: not counted
  std::uint64_t held = 0;   // ahead, waiting to be counted
  std::uint64_t keys = 0;   // counted now
  std::uint64_t keys_evicted = 0;
  std::uint64_t keys_refused = 0;      // a (post, key) pair that found no room
  std::uint64_t rules_cut = 0;         // a (post, rule) pair beyond kRulesPerPostMax
  std::uint64_t minutes_dropped = 0;   // take_minutes() was not called for too long
  std::uint64_t memory_bytes = 0;      // upper estimate of what is allocated
  std::optional<EventTime> watermark;  // nothing before the first confirmed post
};

enum class EvidenceOrder : std::uint8_t { kNewest, kNegativeFirst };

// Looks at every post as it is counted, in that order. Called within the aggregator's add(),
// advance_to() and flush(), on their thread.
class PostObserver {
 public:
  virtual ~PostObserver() = default;
  // `emotion` and `negative` as counted. True: count it as coordinated (see KeyCounts).
  virtual bool on_counted(const ScoredPost& post, std::uint8_t emotion, bool negative) = 0;
  // A key of the observer's own that the post just counted belongs to, for shape(); 0: none.
  virtual KeyId own_key() const { return {}; }
};

// Counts posts by key in seconds and minutes of event time. Stage after store, before detect.
//
// A region is a province, or whatever else is no city of China (parse_region()): 广东省 and
// "广东 深圳" count for 广东. Keys of a post: topic@region, topic@*, *@region, *@*, *@city where
// the city is known (*@广东 深圳), each rule that holds for it, each distinct #hashtag# of its text
// (the first kHashtagsPerPostMax of at most kHashtagCodePointsMax code points; full-width ＃ too;
// inner and outer spaces trimmed, ASCII lower-cased) and each followed keyword in it. A bare repost
// (empty text, or not classified) has no topic of its own: it takes the topic of the head of its
// cascade (`repost_of`) when that was seen, else the one last seen in the cascade, else `unknown`;
// its emotion is neutral.
//
// Time. `front` is the newest event time believed, the watermark is front - lateness. A post at
// most `lateness` ahead of the front (or of the wall clock given to advance_to) moves the front.
// One further ahead is held back, uncounted, until the front comes near it or until time itself
// has moved on: the front moves to the time which 32 of the last 48 posts, by 3 authors or more,
// have reached (or all 48, by whomever). So one wild post, or one post in four, cannot pull the
// watermark away and make the others late; in a file with gaps the ticks merely close up to 32
// posts later, and flush() counts whatever is still held. A post whose second is already closed is
// late: counted in stats().late alone.
//
// Deterministic: the same calls give the same ticks. Gaps of years cost nothing.
// Threads: none; not thread-safe. The caller keeps a lock around all members or one thread.
// Errors: none; every limit is counted in stats().
class Aggregator {
 public:
  Aggregator(AggregateOptions options, LabelSchema schema);
  ~Aggregator();
  Aggregator(const Aggregator&) = delete;
  Aggregator& operator=(const Aggregator&) = delete;

  // Counts one post; call in sequence order. Appends the ticks that are complete by it, oldest
  // first.
  void add(const ScoredPost& post, std::vector<Tick>& ticks);

  // Tells the wall clock (serve; about once a second). Posts held although not later than `now`
  // are counted; when no posts come, event time goes on from the newest one at the pace of the
  // wall clock, seconds are given out and close. A stream that was more than 10 minutes behind the
  // wall clock when its newest post came (old posts sent to a server) closes its open seconds but
  // goes no further. Never call it in a replay.
  void advance_to(EventTime now, std::vector<Tick>& ticks);

  // The observer must outlive the aggregator; null: none.
  void set_observer(PostObserver* observer);

  // Changes what rules are watched, from the next post counted on; null: none. The keys of rules
  // that are gone are forgotten as they go cold.
  void set_rules(std::shared_ptr<const RuleMatcher> rules);

  // Ends a file: counts what is held and closes everything up to the end of the newest minute.
  // Posts may follow; those before that are late.
  void flush(std::vector<Tick>& ticks);

  // Names a key; null when it was evicted. The pointer is good until the next non-const call.
  const KeyName* name(KeyId key) const;
  std::optional<KeyId> find(const KeyName& name) const;

  // Gives at most `count_max` recent posts of the key: posts with a text, of distinct texts and
  // authors first, then the rest; newest first within each. With kNegativeFirst negative posts
  // stand before all others.
  std::vector<EvidencePost> evidence(KeyId key, std::size_t count_max,
                                     EvidenceOrder order = EvidenceOrder::kNewest) const;

  // Who drives the key's posts since then (Unix seconds) and how they spread, of the last
  // shape_posts_max posts over all keys. Linear in those: for when an alert is told.
  WaveShape shape(KeyId key, std::int64_t since) const;

  // Gives the minutes closed since the last call, by minute and then by first appearance. Each
  // (key, minute) comes once and whole, so it may be written with an upsert. At most
  // 16 x keys_max are kept for the caller; beyond, the oldest are dropped and counted.
  std::vector<MinuteCounts> take_minutes();

  // Gives the seconds with posts of a key, oldest first, among the last `back` (at most
  // kRecentSpan) closed seconds before the watermark.
  std::vector<std::pair<std::int64_t, KeyCounts>> recent_seconds(KeyId key,
                                                                 std::chrono::seconds back) const;

  AggregateStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidewatch

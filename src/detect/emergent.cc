// SPDX-License-Identifier: Apache-2.0
#include "detect/emergent.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "aggregate/aggregator.h"
#include "aggregate/evidence_pool.h"
#include "aggregate/terms.h"
#include "detect/text_sketch.h"

namespace tidewatch {
namespace {

constexpr std::uint64_t kTopicKeys = std::uint64_t{3} << 62;
constexpr std::int64_t kLookSeconds = 2;
constexpr std::int64_t kTellSeconds = 60;
constexpr std::int64_t kHotSeconds = 300;  // how long a term stays one of those looked for
// A topic is opened only with a term that was significant so shortly before: what is left of a wave
// is no news.
constexpr std::int64_t kFreshSeconds = 60;
constexpr std::size_t kTermsPerPostMax = 24;
constexpr double kEstablished = 0.5;  // posts a slice
constexpr std::size_t kPairTermsMax = 8;
constexpr std::size_t kTermsPerTopicMax = 48;
constexpr std::size_t kCascadesMax = 16;
constexpr std::size_t kNameUnitsMax = 12;
// What is larger than so many times an open topic's recent posts is no growth of it, unless the
// topic is young: then it may have been found by the first of its words.
constexpr std::size_t kGrownTimes = 3;
constexpr std::int64_t kYoungSeconds = 300;
constexpr double kPairsTogether =
    0.1;  // of the rarer pair's posts have both, with a word in common
constexpr double kRecentSeconds = 60;
constexpr double kBusyPosts = 3;  // over kRecentSeconds or so

std::uint64_t hash_bytes(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

bool is_term_word(std::string_view word) {
  return word.size() >= 2 &&
         !std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Calls each(hash, text) for the terms of a folded text; they may repeat.
template <typename Each>
void for_each_candidate(const FoldedText& folded, Each&& each) {
  for (std::size_t i = 0; i < folded.units.size(); ++i) {
    if (is_bigram(folded, i)) each(bigram(folded, i));
    if (folded.units[i].kind == UnitKind::kWord && is_term_word(folded.unit(i))) {
      each(folded.unit(i));
    }
  }
  for (std::size_t i = 0; i < folded.tags.size(); ++i) {
    if (folded.tag(i).front() == '#') each(folded.tag(i));
  }
}

std::size_t in_common(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  std::size_t common = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    common += a[i] == b[j];
    if (a[i] < b[j]) {
      ++i;
    } else if (b[j] < a[i]) {
      ++j;
    } else {
      ++i, ++j;
    }
  }
  return common;
}

// Whether a post with these terms is one of a topic: two of its terms, or its only one.
bool belongs(const std::vector<std::uint64_t>& post, const std::vector<std::uint64_t>& topic) {
  return in_common(post, topic) >= std::min<std::size_t>(topic.size(), 2);
}

}  // namespace

Emergent::Emergent(EmergentOptions options)
    : options_(options),
      counts_(options.terms),
      slow_counts_(options.slow_terms),
      topic_authors_(std::size_t{1} << 17, 3'600) {}

void Emergent::add(const ScoredPost& post, std::uint8_t emotion, bool negative) {
  if (post.post.text.empty()) return;
  const std::int64_t second =
      std::chrono::floor<std::chrono::seconds>(post.post.time).time_since_epoch().count();
  if (slice_ == INT64_MIN) {
    slice_ = second / options_.slice_seconds;
    slow_slice_ = second / options_.slow_slice_seconds;
  }
  find_terms(post);
  if (found_.empty()) return;
  HotPost hot;
  hot.second = second;
  hot.cascade = hash_bytes(post.post.repost_of.empty() ? post.post.id : post.post.repost_of);
  hot.author = post.post.author.empty() ? hash_bytes(post.post.id) : hash_bytes(post.post.author);
  for (Found& found : found_) {
    if (terms_.size() >= options_.terms_max && !terms_.contains(found.term)) {
      ++refused_terms_;
      continue;
    }
    Term& known = terms_[found.term];
    if (known.text.empty()) {
      known.text = std::move(found.text);
      known.parts = found.parts;
    }
    // Not when it merely was: a word that everybody uses would stay one for good.
    if (found.significant) known.last = std::max(known.last, second);
    hot.terms.push_back(found.term);
  }
  if (hot.terms.empty()) return;
  std::sort(hot.terms.begin(), hot.terms.end());
  hot.post = {post.post.id,
              post.post.author,
              std::string{cut_at_character(post.post.text, kEvidenceTextBytesMax)},
              post.text_hash != 0 ? post.text_hash : hash_bytes(post.post.text),
              post.post.time,
              emotion,
              negative};
  note_topics(hot, emotion);
  posts_.push_back(std::move(hot));
  if (posts_.size() > options_.posts_max) posts_.pop_front();
  grown_ = true;
}

// Counts the terms of the post; fills found_ with those that are significant, or were a moment ago.
void Emergent::find_terms(const ScoredPost& post) {
  found_.clear();
  established_.clear();
  clean_text(post.post.text, cleaned_);
  fold_text(cleaned_, folded_);
  counts_.begin_post();
  slow_counts_.begin_post();
  candidates_.clear();
  for_each_candidate(folded_, [this](std::string_view text) {
    candidates_.emplace_back(hash_bytes(text), text);
    counts_.prefetch(candidates_.back().first);
    slow_counts_.prefetch(candidates_.back().first);
  });
  for (const auto& [term, text] : candidates_) {
    const bool significant = count(term);
    if (significant || is_known(term)) keep({term, std::string{text}, significant, {}});
    if (const double expected = counts_.expected(term); expected >= kEstablished) {
      established_.push_back({expected, term, text});
    }
  }
  find_pairs();
}

bool Emergent::count(std::uint64_t term) {
  const bool soon = counts_.add(term);
  const bool slow = slow_counts_.add(term);
  return soon || slow;
}

// Whether it was significant a moment ago.
bool Emergent::is_known(std::uint64_t term) const {
  return !terms_.empty() && terms_.contains(term);
}

void Emergent::keep(Found found) {
  if (found_.size() >= kTermsPerPostMax) return;
  const bool repeated = std::any_of(found_.begin(), found_.end(),
                                    [&](const Found& one) { return one.term == found.term; });
  if (!repeated) found_.push_back(std::move(found));
}

// Two words that everybody uses may still never have stood together. Counted are pairs of the
// rarest of the established terms; rarer ones are mostly accidents at the borders of words.
void Emergent::find_pairs() {
  const auto rarer = [](const Established& a, const Established& b) {
    return a.expected != b.expected ? a.expected < b.expected : a.term < b.term;
  };
  std::sort(established_.begin(), established_.end(), rarer);
  const auto same = [](const Established& a, const Established& b) { return a.term == b.term; };
  established_.erase(std::unique(established_.begin(), established_.end(), same),
                     established_.end());
  const std::size_t terms = std::min(established_.size(), kPairTermsMax);
  pairs_.clear();
  for (std::size_t i = 0; i < terms; ++i) {
    for (std::size_t j = i + 1; j < terms; ++j) {
      const bool ordered = established_[i].term < established_[j].term;
      const Established& a = established_[ordered ? i : j];
      const Established& b = established_[ordered ? j : i];
      std::uint64_t pair = a.term * 0x9E3779B97F4A7C15 + b.term;
      pair = (pair ^ pair >> 32) * 0xFF51AFD7ED558CCD;
      pair ^= pair >> 29;
      pairs_.push_back({pair, &a, &b});
      counts_.prefetch(pair);
    }
  }
  for (const Pair& pair : pairs_) {
    const bool significant = counts_.add(pair.term);
    if (!significant && !is_known(pair.term)) continue;
    keep({pair.term,
          std::string{pair.a->text} + " " + std::string{pair.b->text},
          significant,
          {pair.a->term, pair.b->term}});
  }
}

void Emergent::note_topics(const HotPost& post, std::uint8_t emotion) {
  for (Topic& topic : topics_) {
    if (is_of(post, topic)) take_into(topic, post, emotion);
  }
}

bool Emergent::is_of(const HotPost& post, const Topic& topic) {
  const auto& cascades = topic.cascades;
  return belongs(post.terms, topic.terms) ||
         std::find(cascades.begin(), cascades.end(), post.cascade) != cascades.end();
}

void Emergent::take_into(Topic& topic, const HotPost& post, std::uint8_t emotion) {
  KeyCounts& counts = topic.counts;
  ++counts.posts;
  counts.negative += post.post.negative;
  if (emotion < kEmotionsMax) ++counts.emotions[emotion];
  std::uint64_t pair = (topic.serial ^ post.author) * 0x9E3779B97F4A7C15;
  pair ^= pair >> 31;
  if (!topic_authors_.seen(pair * 0xBF58476D1CE4E5B9, post.second)) {
    ++counts.new_authors;
    counts.new_author_negative += post.post.negative;
    // Of distinct authors, the newest last.
    if (topic.evidence.size() >= kEvidencePerKey) topic.evidence.erase(topic.evidence.begin());
    topic.evidence.push_back(post.post);
  }
  std::uint64_t text = (topic.serial ^ post.post.text_hash) * 0xC4CEB9FE1A85EC53;
  text ^= text >> 29;
  if (!topic_authors_.seen(text * 0x94D049BB133111EB, post.second)) ++counts.new_texts;
  const auto gap = static_cast<double>(std::max<std::int64_t>(post.second - topic.recent_at, 0));
  topic.recent = topic.recent * std::exp(-gap / kRecentSeconds) + 1;
  topic.recent_at = std::max(topic.recent_at, post.second);
  if (topic.recent >= kBusyPosts) topic.last_busy = std::max(topic.last_busy, post.second);
  topic.onset = std::min(topic.onset, post.second);
}

void Emergent::advance(std::int64_t second, std::vector<Change>& changes) {
  if (slice_ == INT64_MIN) return;
  const std::int64_t slice = second / options_.slice_seconds;
  // Within a slice, so that nothing has to wait for its end.
  if (grown_ && (looked_at_ == INT64_MIN || second - looked_at_ >= kLookSeconds)) {
    looked_at_ = second;
    grown_ = false;
    find_topics(second);
  }
  std::erase_if(ended_, [&](const Topic& topic) {
    return topic.ended_at + options_.again_seconds <= second;
  });
  for (std::size_t i = 0; i < topics_.size();) {
    Topic& topic = topics_[i];
    const bool quiet = topic.last_busy + options_.quiet_seconds <= second;
    ChangePhase phase = ChangePhase::kContinues;
    if (!topic.started) phase = ChangePhase::kStarted;
    if (topic.started && quiet) phase = ChangePhase::kEnded;
    const bool due =
        second - topic.told_at >= kTellSeconds && topic.counts.posts > topic.posts_told;
    if (phase != ChangePhase::kContinues || due) {
      // Posts come here before their second is closed: a topic starts no earlier than they are.
      const bool starts = phase == ChangePhase::kStarted;
      changes.push_back(change(topic, phase, starts ? std::max(second, topic.recent_at) : second));
      topic.started = true;
      topic.told_at = second;
      topic.posts_told = topic.counts.posts;
    }
    if (phase == ChangePhase::kEnded) {
      end(i, second);
    } else {
      ++i;
    }
  }
  const std::int64_t slow_slice = second / options_.slow_slice_seconds;
  if (slow_slice > slow_slice_) {
    slow_counts_.end_slice(static_cast<std::uint64_t>(slow_slice - slow_slice_ - 1));
    slow_slice_ = slow_slice;
  }
  if (slice > slice_) {
    counts_.end_slice(static_cast<std::uint64_t>(slice - slice_ - 1));
    slice_ = slice;
    std::erase_if(terms_, [&](const auto& term) {
      const bool of_topic = std::any_of(topics_.begin(), topics_.end(), [&](const Topic& topic) {
        return std::binary_search(topic.terms.begin(), topic.terms.end(), term.first);
      });
      return !of_topic && term.second.last + kHotSeconds < second;
    });
  }
}

void Emergent::find_topics(std::int64_t second) {
  while (!posts_.empty() && posts_.front().second + kHotSeconds < second) posts_.pop_front();
  for (std::vector<Topic>* const topics : {&topics_, &ended_}) {
    for (Topic& topic : *topics) {
      topic.hot_posts = static_cast<std::uint32_t>(std::count_if(
          posts_.begin(), posts_.end(), [&](const HotPost& post) { return is_of(post, topic); }));
    }
  }
  for (Cluster& cluster : clusters()) {
    if (cluster.authors < options_.authors_min) continue;
    cluster.name = name_of(cluster);
    if (cluster.name.empty()) continue;  // its words have been forgotten
    if (joins_open_topic(cluster, second)) continue;
    if (!is_fresh(cluster, second)) continue;
    if (topics_.size() >= options_.topics_max) {
      ++refused_;
      continue;
    }
    if (comes_again(cluster, second)) continue;
    open(cluster, second);
  }
}

bool Emergent::is_fresh(const Cluster& cluster, std::int64_t second) const {
  return std::any_of(cluster.terms.begin(), cluster.terms.end(), [&](std::uint64_t term) {
    const auto known = terms_.find(term);
    return known != terms_.end() && known->second.last + kFreshSeconds >= second;
  });
}

// Terms that stand together in posts, single linkage: what is one topic has many terms, each of
// which goes with some other. By their smallest term.
std::vector<std::vector<std::uint64_t>> Emergent::linked_terms() const {
  std::unordered_map<std::uint64_t, std::uint32_t> alone;
  for (const HotPost& post : posts_) {
    for (const std::uint64_t term : post.terms) ++alone[term];
  }
  std::vector<std::uint64_t> terms;
  for (const auto& [term, posts] : alone) {
    if (posts >= options_.term_posts_min) terms.push_back(term);
  }
  std::sort(terms.begin(), terms.end());
  std::unordered_map<std::uint64_t, std::uint32_t> place_of;
  for (const std::uint64_t term : terms) {
    place_of.emplace(term, static_cast<std::uint32_t>(place_of.size()));
  }
  std::unordered_map<std::uint64_t, std::uint32_t> together;  // by both places
  std::vector<std::uint32_t> places;
  for (const HotPost& post : posts_) {
    places.clear();
    for (const std::uint64_t term : post.terms) {
      const auto place = place_of.find(term);
      if (place != place_of.end()) places.push_back(place->second);
    }
    for (std::size_t i = 0; i < places.size(); ++i) {
      for (std::size_t j = i + 1; j < places.size(); ++j) {
        ++together[std::uint64_t{places[i]} << 32 | places[j]];
      }
    }
  }
  // The smallest place is the root, so that the order of links does not matter.
  std::vector<std::uint32_t> parent(terms.size());
  for (std::uint32_t i = 0; i < parent.size(); ++i) parent[i] = i;
  const auto root = [&](std::uint32_t place) {
    while (parent[place] != place) place = parent[place] = parent[parent[place]];
    return place;
  };
  const auto link = [&](std::uint32_t a, std::uint32_t b) {
    const std::uint32_t root_a = root(a), root_b = root(b);
    parent[std::max(root_a, root_b)] = std::min(root_a, root_b);
  };
  for (const auto& [pair, posts] : together) {
    const auto a = static_cast<std::uint32_t>(pair >> 32), b = static_cast<std::uint32_t>(pair);
    if (posts >= options_.together_min * std::min(alone[terms[a]], alone[terms[b]])) link(a, b);
  }
  // Pairs with a term in common: it and whatever stands beside it by chance. They need fewer posts
  // together, but some: two events may have a word of every day in common.
  std::vector<std::array<std::uint64_t, 2>> parts(terms.size());
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const auto known = terms_.find(terms[i]);
    if (known != terms_.end()) parts[i] = known->second.parts;
  }
  for (const auto& [pair, posts] : together) {
    const auto a = static_cast<std::uint32_t>(pair >> 32), b = static_cast<std::uint32_t>(pair);
    const auto &of_a = parts[a], &of_b = parts[b];
    if (of_a[0] == 0 || of_b[0] == 0) continue;
    const bool in_both =
        std::find_first_of(of_a.begin(), of_a.end(), of_b.begin(), of_b.end()) != of_a.end();
    const std::uint32_t rarer = std::min(alone[terms[a]], alone[terms[b]]);
    if (in_both && posts >= kPairsTogether * rarer) link(a, b);
  }
  std::map<std::uint32_t, std::vector<std::uint64_t>> by_root;
  for (std::uint32_t i = 0; i < parent.size(); ++i) by_root[root(i)].push_back(terms[i]);
  std::vector<std::vector<std::uint64_t>> linked;
  for (auto& [unused, cluster] : by_root) linked.push_back(std::move(cluster));
  return linked;
}

std::vector<Emergent::Cluster> Emergent::clusters() const {
  std::vector<Cluster> found;
  std::unordered_map<std::uint64_t, std::size_t> cluster_of;
  for (std::vector<std::uint64_t>& terms : linked_terms()) {
    for (const std::uint64_t term : terms) cluster_of.emplace(term, found.size());
    found.emplace_back().terms = std::move(terms);
  }
  std::unordered_map<std::uint64_t, std::uint32_t> posts_with;
  std::vector<std::size_t> of_post;
  for (const HotPost& post : posts_) {
    of_post.clear();
    for (const std::uint64_t term : post.terms) {
      const auto cluster = cluster_of.find(term);
      if (cluster == cluster_of.end()) continue;
      ++posts_with[term];
      of_post.push_back(cluster->second);
    }
    std::sort(of_post.begin(), of_post.end());
    for (std::size_t i = 0; i < of_post.size(); ++i) {  // in order, each cluster once
      if (i > 0 && of_post[i] == of_post[i - 1]) continue;
      Cluster& cluster = found[of_post[i]];
      if (belongs(post.terms, cluster.terms)) cluster.posts.push_back(&post);
    }
  }
  for (Cluster& cluster : found) {
    std::unordered_set<std::uint64_t> authors;
    std::unordered_map<std::uint64_t, std::size_t> cascades;
    for (const HotPost* const post : cluster.posts) {
      authors.insert(post->author);
      if (2 * ++cascades[post->cascade] >= cluster.posts.size()) cluster.cascade = post->cascade;
    }
    cluster.authors = authors.size();
    for (const std::uint64_t term : cluster.terms) {
      if (cluster.lead == 0 || posts_with[term] > posts_with[cluster.lead]) cluster.lead = term;
    }
  }
  return found;
}

// Whether it has half of its terms, or joined_min of its posts, in common with the topic, comes
// from one of its cascades, or has half of what the topic has of late (a topic that was found by a
// word of every day, when the event's own words come out). Not when it dwarfs what is left of a
// topic: that is another event, with a word or a few posts in common; unless people call it the
// same.
bool Emergent::is_part_of(const Cluster& cluster, const Topic& topic, std::int64_t second) const {
  if (cluster.name == topic.name) return true;
  const bool young = topic.ended_at == 0 && second - topic.opened_at < kYoungSeconds;
  if (!young && cluster.posts.size() > kGrownTimes * topic.hot_posts) return false;
  const std::size_t common = in_common(cluster.terms, topic.terms);
  if (2 * common >= std::min(cluster.terms.size(), topic.terms.size())) return true;
  const auto posts =
      static_cast<double>(std::count_if(cluster.posts.begin(), cluster.posts.end(),
                                        [&](const HotPost* post) { return is_of(*post, topic); }));
  return posts >= options_.joined_min * static_cast<double>(cluster.posts.size()) ||
         (topic.hot_posts >= options_.term_posts_min && 2 * posts >= topic.hot_posts);
}

// Goes on, under its name, with a topic that ended a while ago.
bool Emergent::comes_again(const Cluster& cluster, std::int64_t second) {
  for (auto ended = ended_.begin(); ended != ended_.end(); ++ended) {
    if (!is_part_of(cluster, *ended, second)) continue;
    Topic topic = std::move(*ended);
    ended_.erase(ended);
    topic.serial = ++serial_;  // authors, posts and times are those of now
    topic.counts = {};
    topic.evidence.clear();
    topic.started = false;
    topic.ended_at = 0;
    topic.recent = 0;
    begin(topic, cluster, second);
    topics_.push_back(std::move(topic));
    return true;
  }
  return false;
}

// The oldest of too many ended ones gives way.
void Emergent::end(std::size_t place, std::int64_t second) {
  const auto topic = topics_.begin() + static_cast<std::ptrdiff_t>(place);
  topic->ended_at = second;
  if (ended_.size() >= options_.topics_max) ended_.erase(ended_.begin());
  ended_.push_back(std::move(*topic));
  topics_.erase(topic);
}

// What is part of an open topic is that topic, grown.
bool Emergent::joins_open_topic(const Cluster& cluster, std::int64_t second) {
  for (Topic& topic : topics_) {
    if (!is_part_of(cluster, topic, second)) continue;
    for (const std::uint64_t term : cluster.terms) {
      const auto place = std::lower_bound(topic.terms.begin(), topic.terms.end(), term);
      if (place != topic.terms.end() && *place == term) continue;
      if (topic.terms.size() < kTermsPerTopicMax) topic.terms.insert(place, term);
    }
    note_cascade(topic, cluster.cascade);
    return true;
  }
  return false;
}

void Emergent::note_cascade(Topic& topic, std::uint64_t cascade) {
  if (cascade == 0 || topic.cascades.size() >= kCascadesMax) return;
  if (std::find(topic.cascades.begin(), topic.cascades.end(), cascade) == topic.cascades.end()) {
    topic.cascades.push_back(cascade);
  }
}

void Emergent::open(const Cluster& cluster, std::int64_t second) {
  Topic topic;
  topic.serial = ++serial_;
  topic.name = cluster.name;
  topic.terms = cluster.terms;
  if (topic.terms.size() > kTermsPerTopicMax) topic.terms.resize(kTermsPerTopicMax);
  begin(topic, cluster, second);
  topics_.push_back(std::move(topic));
}

void Emergent::begin(Topic& topic, const Cluster& cluster, std::int64_t second) {
  note_cascade(topic, cluster.cascade);
  topic.lead = cluster.lead;
  topic.onset = topic.recent_at = cluster.posts.front()->second;
  topic.last_busy = topic.opened_at = second;
  topic.hot_posts = static_cast<std::uint32_t>(cluster.posts.size());
  topic.from_rate =
      counts_.expected(cluster.lead) * 60 / static_cast<double>(options_.slice_seconds);
  topic.score =
      std::max({1.0, counts_.significance(cluster.lead) / options_.terms.significance,
                slow_counts_.significance(cluster.lead) / options_.slow_terms.significance});
  for (const HotPost* const post : cluster.posts) take_into(topic, *post, post->post.emotion);
}

// The run of neighbouring terms that most posts have, longer ones counting for more; a hashtag that
// half of the posts carry stands before all.
std::string Emergent::name_of(const Cluster& cluster) const {
  std::map<std::string, std::size_t> runs;
  FoldedText folded;
  std::string cleaned;
  const auto is_own = [&](std::string_view text) {
    return std::binary_search(cluster.terms.begin(), cluster.terms.end(), hash_bytes(text));
  };
  std::map<std::string, std::size_t> tags;
  for (const HotPost* const post : cluster.posts) {
    clean_text(post->post.text, cleaned);
    fold_text(cleaned, folded);
    std::set<std::string> own;
    for (std::size_t i = 0; i < folded.units.size(); ++i) {
      if (folded.units[i].kind == UnitKind::kWord && is_own(folded.unit(i))) {
        own.emplace(folded.unit(i));
      }
      std::string run;
      for (std::size_t k = i; is_bigram(folded, k) && k - i + 1 < kNameUnitsMax; ++k) {
        if (!is_own(bigram(folded, k))) break;
        if (run.empty()) run = folded.unit(k);
        run += folded.unit(k + 1);
        own.insert(run);
      }
    }
    for (const std::string& run : own) ++runs[run];
    for (std::size_t i = 0; i < folded.tags.size(); ++i) {
      if (is_own(folded.tag(i))) ++tags[std::string{folded.tag(i)}];
    }
  }
  for (const auto& [tag, posts] : tags) {
    if (2 * posts >= cluster.posts.size()) return tag;
  }
  std::string best;
  double best_worth = 0;
  for (const auto& [run, posts] : runs) {
    const double worth = static_cast<double>(posts) * std::sqrt(static_cast<double>(run.size()));
    if (worth > best_worth) {
      best = run;
      best_worth = worth;
    }
  }
  if (!best.empty()) return best;
  const auto lead = terms_.find(cluster.lead);
  return lead == terms_.end() ? std::string{} : lead->second.text;
}

Change Emergent::change(const Topic& topic, ChangePhase phase, std::int64_t at) const {
  Change change;
  change.key = KeyId{kTopicKeys | topic.serial};
  change.name.kind = KeyKind::kEmergentTopic;
  change.name.term = topic.name;
  change.kind = ChangeKind::kEmergent;
  change.phase = phase;
  change.onset = std::min(topic.onset, at);
  change.at = at;
  change.score = topic.score;
  change.from_rate = topic.from_rate;
  const auto age = static_cast<double>(std::max<std::int64_t>(at - topic.recent_at, 0));
  change.to_rate = topic.recent * std::exp(-age / kRecentSeconds);
  change.since_onset = topic.counts;
  return change;
}

std::vector<EvidencePost> Emergent::evidence(KeyId key, std::size_t count_max,
                                             bool negative_first) const {
  std::vector<EvidencePost> posts;
  for (const std::vector<Topic>* const topics : {&topics_, &ended_}) {
    for (const Topic& topic : *topics) {
      if ((kTopicKeys | topic.serial) != key.value) continue;
      posts.assign(topic.evidence.rbegin(), topic.evidence.rend());
    }
  }
  if (negative_first) {
    std::stable_partition(posts.begin(), posts.end(),
                          [](const EvidencePost& post) { return post.negative; });
  }
  if (posts.size() > count_max) posts.resize(count_max);
  return posts;
}

std::size_t Emergent::memory_bytes() const {
  return counts_.memory_bytes() + slow_counts_.memory_bytes() + topic_authors_.memory_bytes() +
         posts_.size() * (sizeof(HotPost) + kEvidenceTextBytesMax + 64 + 8 * kTermsPerPostMax) +
         terms_.size() * 128 +
         (topics_.size() + ended_.size()) * (sizeof(Topic) + kEvidencePerKey * 512);
}

}  // namespace tidewatch

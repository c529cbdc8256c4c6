// SPDX-License-Identifier: Apache-2.0
#include "detect/coordination.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace tidewatch {
namespace {

constexpr std::uint64_t kGroupKeys = std::uint64_t{2} << 62;
constexpr std::int64_t kTellSeconds = 60;
constexpr std::int64_t kSweepSeconds = 30;
constexpr std::size_t kGrowingMax = 256;
constexpr std::uint32_t kGrowingPosts = 8;  // from here on, and every so many
// Of random (exponential) times the coefficient of variation is 1; of 24 such gaps it is below 0.45
// once in some thousands.
constexpr double kRandomVariation = 1.0, kVariationScale = 1.1;
// Of people who copy a text, few do so twice in ten minutes: 0.15 is enough to doubt it.
constexpr double kRepeatShare = 0.3;
constexpr double kGapSecondsMin = 0.5;  // shorter ones are as coarse as the clock they come from

// Not enough to tell, but enough not to take more of it for a crowd for now.
constexpr std::uint32_t kSuspectRepeats = 3;
constexpr double kSuspectShare = 0.1;

// The first so many posts of one text count for the crowd; the next only once more people have
// posted it than a flood has accounts, or kYoungPosts have come without one by an author who had
// posted it before. Fewer do not do: of 64 accounts in turn the first 64 posts are what a crowd's
// are, and with 5 and what follows the 54th they stay below the detector's 16 authors.
constexpr std::uint32_t kUndecidedFrom = 5, kFewAuthors = 64, kYoungPosts = 54;

bool is_suspect(const CopyGroup& group) {
  if (group.own_text && group.counts.posts > kUndecidedFrom &&
      group.counts.new_authors <= kFewAuthors &&
      (group.counts.posts <= kYoungPosts || group.repeats > 0)) {
    return true;
  }
  return group.repeats >= kSuspectRepeats && group.repeats >= kSuspectShare * group.counts.posts;
}

KeyId key_of(const CopyGroup& group) { return KeyId{kGroupKeys | group.serial}; }

}  // namespace

CoordinationSigns coordination_signs(const CopyGroup& group, const CoordinationOptions& options) {
  CoordinationSigns signs;
  if (group.repeats >= options.repeats_min) {
    // A standard error less: some of the first people of a crowd may come twice by chance.
    const double repeats = group.repeats - std::sqrt(static_cast<double>(group.repeats));
    signs.repetition = std::min(1.0, repeats / group.counts.posts / kRepeatShare);
  }
  if (group.gaps >= options.gaps_min && group.gap_mean >= kGapSecondsMin) {
    const double variation = std::sqrt(group.gap_squares / group.gaps) / group.gap_mean;
    signs.regularity = std::clamp((kRandomVariation - variation) / kVariationScale, 0.0, 1.0);
  }
  if (group.counts.new_authors >= options.authors_min) signs.shared = group.shared_authors;
  return signs;
}

Coordination::Coordination(CoordinationOptions options)
    : options_(options), groups_(options.groups) {}

bool Coordination::on_counted(const ScoredPost& post, std::uint8_t emotion, bool negative) {
  last_key_ = {};
  if (post.post.text.empty()) return false;
  const auto place = groups_.add({.author = post.post.author,
                                  .text = post.post.text,
                                  .repost_of = post.post.repost_of,
                                  .time_ms = post.post.time.time_since_epoch().count(),
                                  .emotion = emotion,
                                  .negative = negative,
                                  .id = post.post.id});
  if (!place) return false;
  look_at(*place);
  const CopyGroup& group = groups_.group(*place);
  last_key_ = key_of(group);
  posts_ += group.coordinated;
  return group.coordinated || is_suspect(group);
}

void Coordination::look_at(std::size_t place) {
  CopyGroup& group = groups_.group(place);
  if (group.coordinated) return;
  if (group.counts.posts >= kGrowingPosts && group.counts.posts % kGrowingPosts == 0) {
    compare_authors(place);
  }
  const CoordinationSigns signs = coordination_signs(group, options_);
  if (group.counts.posts < options_.posts_min || signs.score() < options_.score_min) return;
  group.coordinated = true;
  if (told_.size() < options_.told_max) {
    told_.push_back(
        {.serial = group.serial, .place = place, .told_at = 0, .posts_told = 0, .started = false});
  }
}

// Against every other text that is being copied: at most kGrowingMax, every kGrowingPosts posts.
void Coordination::compare_authors(std::size_t place) {
  CopyGroup& group = groups_.group(place);
  const bool known = std::find(growing_.begin(), growing_.end(), place) != growing_.end();
  if (!known) {
    if (growing_.size() == kGrowingMax) growing_.erase(growing_.begin());
    growing_.push_back(place);
  }
  if (group.counts.new_authors < options_.authors_min) return;
  for (const std::size_t other_place : growing_) {
    CopyGroup& other = groups_.group(other_place);
    if (other_place == place || other.counts.new_authors < options_.authors_min) continue;
    const double shared = AuthorSketch::resemblance(group.authors, other.authors);
    group.shared_authors = std::max(group.shared_authors, shared);
    other.shared_authors = std::max(other.shared_authors, shared);
  }
}

void Coordination::advance(std::int64_t second, std::vector<Change>& changes) {
  for (std::size_t i = 0; i < told_.size();) {
    Told& one = told_[i];
    const CopyGroup& group = groups_.group(one.place);
    const bool gone = group.serial != one.serial;
    if (!gone && !one.started) {
      changes.push_back(change(group, ChangePhase::kStarted, second));
      one.started = true;
      one.told_at = second;
      one.posts_told = group.counts.posts;
    } else if (!gone && second - one.told_at >= kTellSeconds &&
               group.counts.posts > one.posts_told) {
      changes.push_back(change(group, ChangePhase::kContinues, second));
      one.told_at = second;
      one.posts_told = group.counts.posts;
    }
    const bool quiet = !gone && group.last + options_.groups.quiet_seconds <= second;
    if (quiet) changes.push_back(change(group, ChangePhase::kEnded, second));
    if (gone || quiet) {
      told_.erase(told_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  if (swept_ != INT64_MIN && second - swept_ < kSweepSeconds) return;
  swept_ = second;
  groups_.forget_quiet(second, [this](std::size_t place) { std::erase(growing_, place); });
}

Change Coordination::change(const CopyGroup& group, ChangePhase phase, std::int64_t at) const {
  Change change;
  change.key = key_of(group);
  change.name.kind = KeyKind::kTextGroup;
  change.name.term =
      fmt::format("{:08x} {}", static_cast<std::uint32_t>(group.text_mark >> 32), group.opening);
  change.kind = ChangeKind::kCoordinated;
  change.phase = phase;
  change.onset = std::min(group.first, at);  // posts of open seconds are known here
  change.at = at;
  change.score = coordination_signs(group, options_).score() / options_.score_min;
  change.to_rate = group.recent;  // posts, decayed over a minute
  change.since_onset = group.counts;
  return change;
}

std::vector<EvidencePost> Coordination::evidence(KeyId key, std::size_t count_max,
                                                 bool negative_first) const {
  std::vector<EvidencePost> posts;
  for (const Told& one : told_) {
    const CopyGroup& group = groups_.group(one.place);
    if (group.serial != one.serial || key_of(group) != key) continue;
    posts.assign(group.evidence.rbegin(), group.evidence.rend());
  }
  if (negative_first) {
    std::stable_partition(posts.begin(), posts.end(),
                          [](const EvidencePost& post) { return post.negative; });
  }
  if (posts.size() > count_max) posts.resize(count_max);
  return posts;
}

void leave_out_coordinated(Tick& tick) {
  for (KeyTick& key : tick.keys) {
    KeyCounts& counts = key.counts;
    counts.new_authors -= std::min(counts.coordinated, counts.new_authors);
    counts.new_author_negative -= std::min(counts.coordinated_negative, counts.new_author_negative);
  }
}

}  // namespace tidewatch

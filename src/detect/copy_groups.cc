// SPDX-License-Identifier: Apache-2.0
#include "detect/copy_groups.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "aggregate/aggregator.h"
#include "aggregate/evidence_pool.h"
#include "aggregate/terms.h"

namespace tidewatch {
namespace {

constexpr std::int64_t kSingleSeconds = 120;  // two texts further apart open no group
constexpr std::size_t kOpeningBytesMax = 48;  // 16 characters
constexpr std::size_t kHandSteps = 64;
constexpr double kRecentSeconds = 60;
constexpr std::size_t kOwnTextUnits = 4;
// As folded: without punctuation and what is no text of anybody's.
constexpr std::string_view kRepostTexts[] = {"转发微博", "轉發微博"};

std::uint64_t hash_author(std::string_view author) {
  return XXH3_64bits(author.data(), author.size());
}

// Well mixed: RecentPairs takes the line from the low bits, the mark from the high ones.
std::uint64_t pair_of(std::uint64_t serial, std::uint32_t author) {
  std::uint64_t x = (serial << 32 | author) * 0x9E3779B97F4A7C15;
  x = (x ^ x >> 29) * 0xBF58476D1CE4E5B9;
  return x ^ x >> 32;
}

// What people say in a word or two, or what a site puts into a repost by itself, is no text of
// anybody's.
bool is_own_text(const TextSketcher& sketcher) {
  if (sketcher.units() < kOwnTextUnits) return false;
  const std::string text = sketcher.folded();
  return std::find(std::begin(kRepostTexts), std::end(kRepostTexts), text) ==
         std::end(kRepostTexts);
}

std::string opening_of(std::string_view cleaned) {
  std::string out;
  for (const char c : cleaned) {
    const bool blank = static_cast<unsigned char>(c) <= ' ';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out += blank ? ' ' : c;
  }
  out = std::string{cut_at_character(out, kOpeningBytesMax)};
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

void AuthorSketch::add(std::uint32_t hash) {
  const auto end = lowest_.begin() + static_cast<std::ptrdiff_t>(size_);
  const auto place = std::lower_bound(lowest_.begin(), end, hash);
  if (place != end && *place == hash) return;
  if (size_ == kSize) {
    if (place == end) return;
    std::copy_backward(place, end - 1, end);
    *place = hash;
    return;
  }
  std::copy_backward(place, end, end + 1);
  *place = hash;
  ++size_;
}

double AuthorSketch::resemblance(const AuthorSketch& a, const AuthorSketch& b) {
  std::size_t i = 0, j = 0, both = 0, either = 0;
  // The lowest of the union, as many as the smaller sketch can vouch for.
  const std::size_t wanted = a.size_ < kSize && b.size_ < kSize ? 2 * kSize : kSize;
  while (either < wanted && (i < a.size_ || j < b.size_)) {
    const bool from_a = j == b.size_ || (i < a.size_ && a.lowest_[i] <= b.lowest_[j]);
    const bool from_b = i == a.size_ || (j < b.size_ && b.lowest_[j] <= a.lowest_[i]);
    both += from_a && from_b;
    i += from_a;
    j += from_b;
    ++either;
  }
  return either == 0 ? 0 : static_cast<double>(both) / static_cast<double>(either);
}

CopyGroups::CopyGroups(CopyGroupOptions options)
    : options_(options),
      author_pairs_(options.author_pairs_max, static_cast<std::uint32_t>(options.author_seconds)),
      line_mask_(std::bit_ceil(std::max<std::size_t>(options.index_entries_max, 64)) / kLine - 1),
      index_((line_mask_ + 1) * kLine) {}

std::optional<std::size_t> CopyGroups::add(const Sighting& post) {
  const auto sketch = sketcher_.sketch(post.text, post.repost_of);
  if (!sketch) return std::nullopt;
  std::array<std::uint64_t, kBands> bands{};
  for (std::size_t band = 0; band < kBands; ++band) {
    bands[band] =
        XXH3_64bits_withSeed(&(*sketch)[band * kRows], kRows * sizeof(std::uint32_t), band);
  }
  for (const std::uint64_t band : bands) __builtin_prefetch(line(band), 1);
  const std::int64_t second = post.time_ms / 1'000;
  std::optional<std::size_t> place = find(bands, *sketch);
  const auto author = static_cast<std::uint32_t>(hash_author(post.author) >> 32);
  if (!place) {
    if (const Entry* const single = find_single(bands, second)) {
      place = open(*sketch, post, *single);
    }
  }
  Entry entry;
  entry.second = static_cast<std::uint32_t>(second);
  if (place) {
    count(groups_[*place], post);
    entry.place = static_cast<std::uint32_t>(*place + 1);
    entry.serial_or_author = static_cast<std::uint32_t>(groups_[*place].serial);
  } else {
    entry.serial_or_author = author;
  }
  for (const std::uint64_t band : bands) put(band, entry);
  return place;
}

std::optional<std::size_t> CopyGroups::find(const std::array<std::uint64_t, kBands>& bands,
                                            const TextSketch& sketch) const {
  for (const std::uint64_t band : bands) {
    const auto mark = static_cast<std::uint32_t>(band >> 32);
    const Entry* const entries = line(band);
    for (std::size_t i = 0; i < kLine; ++i) {
      const Entry& entry = entries[i];
      if (entry.mark != mark || entry.place == 0) continue;
      const CopyGroup& group = groups_[entry.place - 1];
      if (static_cast<std::uint32_t>(group.serial) != entry.serial_or_author) continue;
      const std::size_t equal_min = group.coordinated ? kEqualToCoordinatedMin : kEqualMin;
      if (group.serial != 0 && equal_minima(group.sketch, sketch) >= equal_min) {
        return entry.place - 1;
      }
    }
  }
  return std::nullopt;
}

const CopyGroups::Entry* CopyGroups::find_single(const std::array<std::uint64_t, kBands>& bands,
                                                 std::int64_t second) const {
  for (const std::uint64_t band : bands) {
    const auto mark = static_cast<std::uint32_t>(band >> 32);
    const Entry* const entries = line(band);
    for (std::size_t i = 0; i < kLine; ++i) {
      const auto age =
          static_cast<std::int32_t>(static_cast<std::uint32_t>(second) - entries[i].second);
      if (entries[i].mark == mark && entries[i].place == 0 && age <= kSingleSeconds) {
        return &entries[i];
      }
    }
  }
  return nullptr;
}

void CopyGroups::put(std::uint64_t band, const Entry& entry) {
  const auto mark = static_cast<std::uint32_t>(band >> 32);
  Entry* const entries = line(band);
  Entry* goes = entries;
  for (std::size_t i = 0; i < kLine; ++i) {
    if (entries[i].mark == mark || entries[i].mark == 0) {
      goes = &entries[i];
      break;
    }
    if (static_cast<std::int32_t>(entries[i].second - goes->second) < 0) goes = &entries[i];
  }
  *goes = entry;
  goes->mark = mark == 0 ? 1 : mark;
}

std::size_t CopyGroups::open(const TextSketch& sketch, const Sighting& post, const Entry& first) {
  std::size_t place = 0;
  if (!free_.empty()) {
    place = free_.back();
    free_.pop_back();
  } else if (groups_.size() < options_.groups_max) {
    place = groups_.size();
    groups_.emplace_back();
  } else {
    place = hand_;
    for (std::size_t i = 0; i < kHandSteps; ++i) {
      hand_ = (hand_ + 1) % groups_.size();
      // Small and old ones first: a group that is telling something keeps growing.
      const auto worth = [&](std::size_t at) {
        return std::pair(groups_[at].counts.posts > 8, groups_[at].last);
      };
      if (worth(hand_) < worth(place)) place = hand_;
    }
    hand_ = (hand_ + 1) % groups_.size();
    --size_;
  }
  CopyGroup& group = groups_[place];
  group = {};
  group.serial = ++serial_;
  group.sketch = sketch;
  group.units = sketcher_.units();
  group.own_text = is_own_text(sketcher_);
  group.opening = opening_of(sketcher_.cleaned());
  group.text_mark = XXH3_64bits(sketch.data(), sizeof(sketch));
  group.first = post.time_ms / 1'000 -
                std::max(0, static_cast<std::int32_t>(
                                static_cast<std::uint32_t>(post.time_ms / 1'000) - first.second));
  group.last = group.first;
  group.last_ms = group.first * 1'000;
  group.counts.posts = group.counts.new_authors = group.counts.new_texts = 1;
  group.recent = 1;
  group.authors.add(first.serial_or_author);
  author_pairs_.seen(pair_of(group.serial, first.serial_or_author), group.first);
  ++size_;
  return place;
}

void CopyGroups::count(CopyGroup& group, const Sighting& post) {
  const std::int64_t second = post.time_ms / 1'000;
  ++group.counts.posts;
  group.counts.negative += post.negative;
  if (post.emotion < kEmotionsMax) ++group.counts.emotions[post.emotion];
  const auto author = static_cast<std::uint32_t>(hash_author(post.author) >> 32);
  const bool known =
      !post.author.empty() && author_pairs_.seen(pair_of(group.serial, author), second);
  if (known) {
    ++group.repeats;
  } else {
    ++group.counts.new_authors;
    group.authors.add(author);
  }
  const double gap = static_cast<double>(post.time_ms - group.last_ms) / 1'000;
  if (gap >= 0) {
    ++group.gaps;
    const double away = gap - group.gap_mean;
    group.gap_mean += away / group.gaps;
    group.gap_squares += away * (gap - group.gap_mean);
    group.recent *= std::exp(-gap / kRecentSeconds);
    group.last_ms = post.time_ms;
    group.last = std::max(group.last, second);
  }
  group.recent += 1;
  if (group.evidence.size() >= kEvidencePerKey && known) return;
  if (group.evidence.size() >= kEvidencePerKey) group.evidence.erase(group.evidence.begin());
  group.evidence.push_back({std::string{post.id}, std::string{post.author},
                            std::string{cut_at_character(post.text, kEvidenceTextBytesMax)},
                            XXH3_64bits(post.text.data(), post.text.size()),
                            EventTime{std::chrono::milliseconds{post.time_ms}}, post.emotion,
                            post.negative});
}

void CopyGroups::release(std::size_t place) {
  groups_[place] = {};
  free_.push_back(place);
  --size_;
}

std::size_t CopyGroups::memory_bytes() const {
  return index_.capacity() * sizeof(Entry) + author_pairs_.memory_bytes() +
         groups_.capacity() * sizeof(CopyGroup) +
         size_ * (kEvidencePerKey * (sizeof(EvidencePost) + kEvidenceTextBytesMax + 64));
}

}  // namespace tidewatch

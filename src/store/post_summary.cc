// SPDX-License-Identifier: Apache-2.0
#include "store/post_summary.h"

#include <algorithm>
#include <limits>
#include <map>

#include "store/post_match.h"
#include "store/post_rows.h"

namespace tidewatch {
namespace {

constexpr std::size_t kAuthorsMax = 10;
constexpr std::int64_t kPieces = 256;  // of a sample
// A sample is taken in so many passes, each spread over everything, so that it may end after any.
constexpr std::int64_t kPasses = 8;
constexpr std::size_t kRowsPerExpiredCheck = 64;
constexpr int kSpentPercentMax = 20;  // of a query's time: facets stand beside a list of posts

using Counts = std::map<std::string, std::uint64_t, std::less<>>;

void count(Counts& counts, std::string_view name) {
  const auto known = counts.find(name);
  if (known != counts.end()) {
    ++known->second;
  } else {
    counts.emplace(name, 1);
  }
}

PostSummary::Facet most_first(const Counts& counts, double scale, std::size_t facets_max) {
  PostSummary::Facet facet(counts.begin(), counts.end());
  std::sort(facet.begin(), facet.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (facet.size() > facets_max) facet.resize(facets_max);
  for (auto& [name, posts] : facet) {
    posts = static_cast<std::uint64_t>(static_cast<double>(posts) * scale + 0.5);
  }
  return facet;
}

// What was counted of one sample, unscaled.
class Tally {
 public:
  Tally(const PostQuery& query, const LabelSets& label_sets) : label_sets_(label_sets) {
    if (query.names != nullptr) {
      negative_ = labels_of(QueryField::kEmotion, "negative", query.names.get());
    }
  }

  void lay_out(std::int64_t from, std::int64_t step_ms, std::size_t buckets) {
    from_ = from;
    step_ms_ = step_ms;
    buckets_.assign(buckets, {});
  }

  void add(const Statement& row) {
    ++posts_;
    const std::string_view emotion = emotion_of_row(row, label_sets_);
    const std::int64_t at = (row.column_int(3) - from_) / step_ms_;
    if (at >= 0 && at < static_cast<std::int64_t>(buckets_.size())) {
      auto& [posts, negative] = buckets_[static_cast<std::size_t>(at)];
      ++posts;
      negative += std::find(negative_.begin(), negative_.end(), emotion) != negative_.end() ? 1 : 0;
    }
    count(topics_, topic_of_row(row, label_sets_));
    count(emotions_, emotion);
    const PostRegion region = parse_region(row.column_text(6));
    count(regions_, region.province.empty() ? "unknown" : region.province);
    if (!row.column_is_null(5)) count(authors_, row.column_text(5));
    if (!row.column_is_null(4)) count(sources_, row.column_text(4));
  }

  std::uint64_t posts() const { return posts_; }

  void tell(PostSummary& summary, double scale) const {
    const auto scaled = [&](std::uint64_t n) {
      return static_cast<std::uint64_t>(static_cast<double>(n) * scale + 0.5);
    };
    summary.posts = scaled(posts_);
    summary.from = from_millis(from_);
    summary.bucket = std::chrono::seconds{step_ms_ / 1'000};
    summary.until = from_millis(from_ + step_ms_ * static_cast<std::int64_t>(buckets_.size()));
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      summary.histogram.push_back({from_millis(from_ + step_ms_ * static_cast<std::int64_t>(i)),
                                   scaled(buckets_[i].first), scaled(buckets_[i].second)});
    }
    summary.topics = most_first(topics_, scale, kFacetMax);
    summary.regions = most_first(regions_, scale, kFacetMax);
    summary.emotions = most_first(emotions_, scale, kFacetMax);
    summary.authors = most_first(authors_, scale, kAuthorsMax);
    summary.sources = most_first(sources_, scale, kFacetMax);
  }

 private:
  const LabelSets& label_sets_;
  std::vector<std::string> negative_;
  std::int64_t from_ = 0;
  std::int64_t step_ms_ = 1'000;
  std::uint64_t posts_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> buckets_;  // posts, negative
  Counts topics_, regions_, emotions_, authors_, sources_;
};

class Summariser {
 public:
  Summariser(Reader& reader, const PostQuery& query, std::size_t buckets, const SearchPlace& place,
             PostMatch match)
      : reader_(reader),
        query_(query),
        place_(place),
        match_(std::move(match)),
        tally_(query, place.label_sets) {
    lay_out(buckets);
  }

  Result<PostSummary> run() {
    partitions_ = place_.partitions.list();
    ranges_ = clipped_ranges();
    std::int64_t sequences = 0;
    for (const SequenceRange& range : ranges_) sequences += range.end - range.begin;
    std::int64_t candidates = sequences;
    if (match_.index_expression()) {
      TRY_ASSIGN(candidates,
                 count_candidates(sequences, static_cast<std::int64_t>(kSummaryPostsMax)));
    }
    return count_pieces(sequences, candidates <= static_cast<std::int64_t>(kSummaryPostsMax));
  }

 private:
  void lay_out(std::size_t buckets) {
    const auto bounds = place_.blocks.time_bounds();
    const auto now = bounds.value_or(std::pair<std::int64_t, std::int64_t>{0, 0});
    std::int64_t from = query_.since ? std::max(to_millis(*query_.since), now.first) : now.first;
    const std::int64_t until =
        query_.until ? std::min(to_millis(*query_.until), now.second + 1) : now.second + 1;
    from -= (from % 1'000 + 1'000) % 1'000;
    const auto spans = static_cast<std::int64_t>(buckets) * 1'000;
    const std::int64_t seconds = std::max<std::int64_t>((until - from + spans - 1) / spans, 1);
    tally_.lay_out(from, seconds * 1'000, buckets);
  }

  // Ranges by time, cut to what is there, oldest first.
  std::vector<SequenceRange> clipped_ranges() const {
    std::vector<SequenceRange> ranges = ranges_of(query_, place_.blocks);
    std::reverse(ranges.begin(), ranges.end());
    const auto newest = place_.blocks.last();
    const std::int64_t first = partitions_->empty() ? 1 : partitions_->front().first;
    const std::int64_t end = newest ? (newest->number + 1) * kBlockPosts : 0;
    std::vector<SequenceRange> clipped;
    for (const SequenceRange& range : ranges) {
      const SequenceRange part{std::max(range.begin, first), std::min(range.end, end)};
      if (part.begin < part.end) clipped.push_back(part);
    }
    return clipped;
  }

  // Calls visit(OpenPartition&, range) for the parts of a range that lie in partitions.
  template <typename Visit>
  Status for_parts(SequenceRange range, bool with_index, Visit&& visit) {
    for (const Partition& partition : *partitions_) {
      if (partition.first >= range.end || partition.last < range.begin) continue;
      auto opened = OpenPartition::open(reader_, place_, partition, with_index);
      if (!opened.ok() && !place_.partitions.find(partition.number)) continue;
      if (!opened.ok()) return opened.error();
      const SequenceRange part{std::max(range.begin, opened->first()),
                               std::min(range.end, opened->end())};
      if (part.begin < part.end) TRY(visit(*opened, part));
    }
    return {};
  }

  // How many posts the index names, newest first, not further than `posts_max` + 1; from how much
  // of the sequence those came is their density.
  Result<std::int64_t> count_candidates(std::int64_t sequences, std::int64_t posts_max) {
    std::int64_t candidates = 0;
    std::int64_t covered = 0;
    for (auto range = ranges_.rbegin(); range != ranges_.rend(); ++range) {
      for (auto one = partitions_->rbegin(); one != partitions_->rend(); ++one) {
        const SequenceRange part{std::max(range->begin, one->first),
                                 one->is_open() ? range->end : std::min(range->end, one->last + 1)};
        if (part.begin >= part.end) continue;
        std::int64_t oldest = part.end;
        const auto look = [&](OpenPartition& open, SequenceRange there) -> Status {
          const SequenceRange indexed{there.begin, std::min(there.end, open.indexed_end())};
          if (indexed.begin >= indexed.end) return {};
          Statement& hits = open.files().hits;
          const ResetGuard guard(hits);
          bind_hits(hits, indexed);
          while (candidates <= posts_max) {
            TRY_ASSIGN(const bool hit, open.next_hit(place_, hits));
            if (!hit) return {};
            oldest = hits.column_int(0);
            ++candidates;
          }
          return {};
        };
        TRY(for_parts(part, true, look));
        const bool many = candidates > posts_max;
        covered += part.end - (many ? oldest : part.begin);
        if (many || (covered < sequences && reader_.spent(kSpentPercentMax / 2))) {
          density_ = static_cast<double>(std::max<std::int64_t>(candidates, 1)) /
                     static_cast<double>(std::max<std::int64_t>(covered, 1));
          return posts_max + 1;
        }
      }
    }
    return candidates;
  }

  void bind_hits(Statement& hits, SequenceRange range) {
    hits.bind(1, std::string_view{*match_.index_expression()});
    hits.bind(2, range.begin);
    hits.bind(3, range.end);
  }

  Status add_row(const Statement& row) {
    if (match_.holds(row)) tally_.add(row);
    if (++rows_ % kRowsPerExpiredCheck == 0 && reader_.spent(kSpentPercentMax)) {
      return Error{Code::kDeadlineExceeded, "the summary took longer than its limit"};
    }
    return {};
  }

  Status add_scanned(OpenPartition& open, SequenceRange range) {
    Statement& select = open.files().descending;
    const ResetGuard guard(select);
    select.bind(1, range.begin);
    select.bind(2, range.end);
    while (true) {
      TRY_ASSIGN(const bool row, select.step());
      if (!row) return {};
      TRY(add_row(select));
    }
  }

  Status add_indexed(OpenPartition& open, SequenceRange range) {
    const SequenceRange indexed{range.begin, std::min(range.end, open.indexed_end())};
    if (indexed.begin < indexed.end) {
      Statement& hits = open.files().hits;
      Statement& post = open.files().by_sequence;
      const ResetGuard hits_guard(hits);
      bind_hits(hits, indexed);
      std::int64_t looked_to = indexed.end;
      while (true) {
        TRY_ASSIGN(const bool hit, open.next_hit(place_, hits));
        if (!hit) break;
        looked_to = hits.column_int(0);
        const ResetGuard guard(post);
        post.bind(1, looked_to);
        TRY_ASSIGN(const bool there, post.step());
        if (there) TRY(add_row(post));
      }
      if (open.damaged()) lag_ += static_cast<std::uint64_t>(looked_to - indexed.begin);
    }
    // What the index does not have yet: the newest are looked at, the rest is told.
    const std::int64_t behind = std::max(range.begin, open.indexed_end());
    const std::int64_t tail = std::max(behind, range.end - place_.tail_scan_posts_max);
    if (tail < range.end) TRY(add_scanned(open, {tail, range.end}));
    lag_ += static_cast<std::uint64_t>(std::max<std::int64_t>(tail - behind, 0));
    return {};
  }

  Status add_range(SequenceRange range) {
    const bool by_index = match_.index_expression().has_value();
    return for_parts(range, by_index, [&](OpenPartition& open, SequenceRange part) {
      return by_index ? add_indexed(open, part) : add_scanned(open, part);
    });
  }

  // Looks at pieces spread evenly over the ranges: all there are, or kPieces that hold about
  // kSummaryPostsMax candidates together. When time is up, those of the passes so far are a sample.
  Result<PostSummary> count_pieces(std::int64_t sequences, bool all) {
    if (sequences == 0) return finish(1, true);
    const double candidates_a_piece =
        static_cast<double>(kSummaryPostsMax) / static_cast<double>(kPieces);
    const std::int64_t piece_posts =
        all ? (sequences + kPieces - 1) / kPieces
            : std::clamp<std::int64_t>(static_cast<std::int64_t>(candidates_a_piece / density_), 1,
                                       sequences);
    const std::int64_t pieces_there = (sequences + piece_posts - 1) / piece_posts;
    const std::int64_t pieces = std::min(kPieces, pieces_there);
    std::int64_t looked_at = 0;
    for (std::int64_t pass = 0; pass < kPasses; ++pass) {
      for (std::int64_t i = pass; i < pieces; i += kPasses) {
        const SequenceRange piece{i * pieces_there / pieces * piece_posts,
                                  (i * pieces_there / pieces + 1) * piece_posts};
        if (looked_at > 0 && reader_.spent(kSpentPercentMax)) {
          return finish(static_cast<double>(sequences) / static_cast<double>(looked_at), false);
        }
        const Status added = add_piece(piece, looked_at);
        if (!added.ok() && added.error().code == Code::kDeadlineExceeded && looked_at > 0) {
          return finish(static_cast<double>(sequences) / static_cast<double>(looked_at), false);
        }
        if (!added.ok()) return added.error();
      }
    }
    const bool exact = looked_at == sequences;
    return finish(
        static_cast<double>(sequences) / static_cast<double>(std::max<std::int64_t>(looked_at, 1)),
        exact);
  }

  // Adds what lies between two offsets into the ranges, as if they were one.
  Status add_piece(SequenceRange offsets, std::int64_t& looked_at) {
    for (const SequenceRange& range : ranges_) {
      const std::int64_t size = range.end - range.begin;
      const SequenceRange part{std::max<std::int64_t>(offsets.begin, 0),
                               std::min(offsets.end, size)};
      if (part.begin < part.end) {
        TRY(add_range({range.begin + part.begin, range.begin + part.end}));
        looked_at += part.end - part.begin;
      }
      offsets.begin -= size;
      offsets.end -= size;
      if (offsets.end <= 0) break;
    }
    return {};
  }

  Result<PostSummary> finish(double scale, bool exact) {
    PostSummary summary;
    tally_.tell(summary, scale);
    summary.exact = exact && lag_ == 0;
    summary.index_lag_posts = lag_;
    return summary;
  }

  Reader& reader_;
  const PostQuery& query_;
  const SearchPlace& place_;
  PostMatch match_;
  Tally tally_;
  std::shared_ptr<const PartitionMap::List> partitions_;
  std::vector<SequenceRange> ranges_;
  double density_ = 1;  // candidates a sequence
  std::uint64_t lag_ = 0;
  std::size_t rows_ = 0;
};

}  // namespace

Result<PostSummary> summarise_posts(Reader& reader, const PostQuery& query, std::size_t buckets,
                                    const SearchPlace& place) {
  TRY_ASSIGN(PostMatch match, PostMatch::create(query, place.label_sets));
  return Summariser(reader, query, buckets, place, std::move(match)).run();
}

}  // namespace tidewatch

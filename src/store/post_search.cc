// SPDX-License-Identifier: Apache-2.0
#include "store/post_search.h"

#include <algorithm>
#include <limits>

#include "store/post_match.h"
#include "store/post_rows.h"
#include "store/search_index.h"

namespace tidewatch {
namespace {

constexpr std::size_t kRowsPerExpiredCheck = 16;
constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();

// One query on its way. Works from the newest post to the oldest until the page is full or the
// time is up; `looked_to_` follows: every post from there on was considered.
class PostFinder {
 public:
  PostFinder(Reader& reader, const PostQuery& query, const SearchPlace& place, PostMatch match)
      : reader_(reader), query_(query), place_(place), match_(std::move(match)) {}

  Result<PostPage> find();

 private:
  Status search_all();
  Status search_partition(const Partition& partition);
  Status search_index(OpenPartition& partition, SequenceRange range);
  void pass_over(SequenceRange range);
  Status scan(OpenPartition& partition, std::int64_t begin, std::int64_t end);
  Status scan_range(OpenPartition& partition, SequenceRange range);
  Status consider(const Statement& row);
  bool touches_ranges(const Partition& partition) const;
  bool full() const { return page_.posts.size() > query_.limit; }
  Result<PostPage> finish(const Status& searched);
  std::optional<EventTime> oldest_looked_at() const;

  Reader& reader_;
  const PostQuery& query_;
  const SearchPlace& place_;
  PostMatch match_;
  std::vector<SequenceRange> ranges_;  // by event time, newest first
  std::int64_t end_ = kEver;           // only posts before it
  std::int64_t looked_to_ = kEver;
  std::int64_t tail_left_ = 0;  // posts that may still be looked at one by one
  std::size_t rows_ = 0;
  PostPage page_;
};

Error out_of_time() {
  return Error{Code::kDeadlineExceeded,
               "the search took longer than its limit: ask for less, or use rarer words"};
}

Status PostFinder::consider(const Statement& row) {
  if (++rows_ % kRowsPerExpiredCheck == 0 && reader_.expired()) return out_of_time();
  if (match_.holds(row)) page_.posts.push_back(read_post_row(row, place_.label_sets));
  looked_to_ = row.column_int(0);
  return {};
}

Status PostFinder::scan_range(OpenPartition& partition, SequenceRange range) {
  Statement& select = partition.files().descending;
  const ResetGuard guard(select);
  select.bind(1, range.begin);
  select.bind(2, range.end);
  while (!full()) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) break;
    TRY(consider(select));
  }
  if (!full()) looked_to_ = range.begin;
  return {};
}

Status PostFinder::scan(OpenPartition& partition, std::int64_t begin, std::int64_t end) {
  for (const SequenceRange& range : ranges_) {
    const SequenceRange part{std::max(range.begin, begin), std::min(range.end, end)};
    if (part.begin < part.end && !full()) TRY(scan_range(partition, part));
  }
  return {};
}

Status PostFinder::search_index(OpenPartition& partition, SequenceRange range) {
  Statement& hits = partition.files().hits;
  Statement& post = partition.files().by_sequence;
  const ResetGuard hits_guard(hits);
  hits.bind(1, std::string_view{*match_.index_expression()});
  hits.bind(2, range.begin);
  hits.bind(3, range.end);
  while (!full()) {
    TRY_ASSIGN(const bool hit, partition.next_hit(place_, hits));
    if (!hit) break;
    const ResetGuard guard(post);
    post.bind(1, hits.column_int(0));
    TRY_ASSIGN(const bool there, post.step());
    if (there) TRY(consider(post));
  }
  if (partition.damaged()) pass_over({range.begin, std::min(range.end, looked_to_)});
  if (!full()) looked_to_ = range.begin;
  return {};
}

// Posts that no search can look at for now.
void PostFinder::pass_over(SequenceRange range) {
  page_.index_lag_posts +=
      static_cast<std::uint64_t>(std::max<std::int64_t>(range.end - range.begin, 0));
}

bool PostFinder::touches_ranges(const Partition& partition) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const SequenceRange& range) {
    return range.begin <= partition.last && range.end > partition.first;
  });
}

Status PostFinder::search_partition(const Partition& partition) {
  const bool with_index = match_.index_expression().has_value();
  auto opened = OpenPartition::open(reader_, place_, partition, with_index);
  if (!opened.ok()) {
    // Retention may have been faster; anything else is told.
    if (!place_.partitions.find(partition.number)) return {};
    return opened.error();
  }
  OpenPartition& files = *opened;
  const std::int64_t end = std::min(end_, files.end());
  if (!with_index) return scan(files, files.first(), end);

  const std::int64_t tail = std::max(files.indexed_end(), files.end() - tail_left_);
  tail_left_ -= std::max<std::int64_t>(files.end() - tail, 0);
  TRY(scan(files, tail, end));
  pass_over({files.indexed_end(), std::min(tail, end)});
  for (const SequenceRange& range : ranges_) {
    const SequenceRange part{std::max(range.begin, files.first()),
                             std::min({range.end, files.indexed_end(), end})};
    if (part.begin >= part.end || full()) continue;
    if (files.damaged()) {
      pass_over(part);
    } else {
      TRY(search_index(files, part));
    }
  }
  return {};
}

Status PostFinder::search_all() {
  const auto partitions = place_.partitions.list();
  for (auto partition = partitions->rbegin(); partition != partitions->rend() && !full();
       ++partition) {
    if (partition->first >= end_ || !touches_ranges(*partition)) continue;
    if (reader_.expired()) return out_of_time();
    TRY(search_partition(*partition));
    if (!full()) looked_to_ = std::min(looked_to_, partition->first);
  }
  return {};
}

Result<PostPage> PostFinder::find() {
  if (query_.before.value > 0 && query_.before.value < static_cast<std::uint64_t>(kEver)) {
    end_ = static_cast<std::int64_t>(query_.before.value);
  }
  looked_to_ = end_;
  tail_left_ = place_.tail_scan_posts_max;
  ranges_ = ranges_of(query_, place_.blocks);
  return finish(ranges_.empty() ? Status{} : search_all());
}

Result<PostPage> PostFinder::finish(const Status& searched) {
  if (!searched.ok()) {
    const bool got_on = looked_to_ < end_;
    if (searched.error().code != Code::kDeadlineExceeded || !got_on) return searched.error();
    page_.complete = false;
    page_.next = Sequence{static_cast<std::uint64_t>(looked_to_)};
  }
  if (full()) {
    page_.posts.resize(query_.limit);
    page_.complete = true;
    page_.next = page_.posts.back().sequence;
  }
  page_.searched_from = oldest_looked_at();
  return std::move(page_);
}

// By the block in which the search ended; of all that there is when it came to the end.
std::optional<EventTime> PostFinder::oldest_looked_at() const {
  if (page_.next) {
    const auto block = place_.blocks.find(block_of(static_cast<std::int64_t>(page_.next->value)));
    if (block) return from_millis(block->time_min);
  }
  if (query_.since) return query_.since;
  if (const auto bounds = place_.blocks.time_bounds()) return from_millis(bounds->first);
  return std::nullopt;
}

}  // namespace

std::vector<SequenceRange> ranges_of(const PostQuery& query, const BlockMap& blocks) {
  if (!query.since && !query.until) return {{0, kEver}};
  return blocks.overlapping(query.since ? to_millis(*query.since) : -kEver,
                            query.until ? to_millis(*query.until) : kEver);
}

// An index that is made anew meanwhile may be gone, or half made, when it is opened.
Result<OpenPartition> OpenPartition::open(Reader& reader, const SearchPlace& place,
                                          const Partition& partition, bool with_index) {
  std::optional<Partition> now;
  {
    auto opened = try_open(reader, partition, with_index);
    if (!with_index || (opened.ok() && !opened->damaged())) return opened;
    now = place.partitions.find(partition.number);
    if (!now || now->index_made == partition.index_made) {
      if (opened.ok()) place.damaged(partition, *opened->damage_);
      return opened;
    }
  }  // its transactions end here: the next are on the same connections
  return try_open(reader, *now, with_index);
}

Result<OpenPartition> OpenPartition::try_open(Reader& reader, const Partition& partition,
                                              bool with_index) {
  OpenPartition opened;
  TRY_ASSIGN(opened.files_, reader.partition(partition.number));
  opened.partition_ = partition;
  opened.first_ = partition.first;
  opened.indexed_end_ = partition.first;
  // In this order, so that every post that the index knows of is there.
  if (with_index && partition.indexed_until >= partition.first) {
    const Status index = opened.open_index(reader);
    if (!index.ok() && !is_index_damage(index.error())) return index.error();
    if (!index.ok()) opened.damage_ = index.error();
  }
  Database& posts = *opened.files_->posts;
  TRY_ASSIGN(Transaction transaction, Transaction::begin(posts, Transaction::Kind::kRead));
  opened.posts_.emplace(std::move(transaction));
  TRY_ASSIGN(const auto last, posts.number("SELECT max(sequence) FROM posts"));
  opened.end_ = last.value_or(partition.first - 1) + 1;
  return opened;
}

Status OpenPartition::open_index(Reader& reader) {
  TRY(reader.open_search(*files_, partition_.index_made));
  TRY_ASSIGN(Transaction transaction,
             Transaction::begin(*files_->search, Transaction::Kind::kRead));
  TRY_ASSIGN(const std::int64_t until, read_indexed_until(*files_->search));
  search_.emplace(std::move(transaction));
  indexed_end_ = std::max(until + 1, first_);
  return {};
}

Result<bool> OpenPartition::next_hit(const SearchPlace& place, Statement& hits) {
  auto hit = hits.step();
  if (hit.ok() || !is_index_damage(hit.error())) return hit;
  damage_ = hit.error();
  place.damaged(partition_, *damage_);
  return false;
}

Result<PostPage> find_posts(Reader& reader, const PostQuery& query, const SearchPlace& place) {
  TRY_ASSIGN(PostMatch match, PostMatch::create(query, place.label_sets));
  return PostFinder(reader, query, place, std::move(match)).find();
}

}  // namespace tidewatch

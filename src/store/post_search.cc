// SPDX-License-Identifier: Apache-2.0
#include "store/post_search.h"

#include <algorithm>
#include <limits>

#include "store/post_rows.h"
#include "store/schema.h"
#include "store/search_index.h"
#include "store/search_query.h"
#include "store/search_tokenizer.h"

namespace tidewatch {
namespace {

constexpr std::size_t kRowsPerExpiredCheck = 16;

// One query on its way. Works from the newest post to the oldest until the page is full.
class PostFinder {
 public:
  PostFinder(Reader& reader, const PostQuery& query, const LabelSets& label_sets)
      : reader_(reader), query_(query), label_sets_(label_sets) {}

  Result<PostPage> find(const BlockMap& blocks, std::int64_t tail_scan_posts_max);

 private:
  IndexTerms all_index_terms() const;
  Status scan(std::int64_t begin, std::int64_t end);
  Status scan_range(SequenceRange range);
  Status search_shard(std::int64_t shard, const std::string& expression, SequenceRange range);
  Status consider(const Statement& row);
  bool passes(const Statement& row);
  bool full() const { return page_.posts.size() > query_.limit; }
  PostPage finish();

  Reader& reader_;
  const PostQuery& query_;
  const LabelSets& label_sets_;
  SearchQuery words_;
  FoldedText folded_;
  std::vector<SequenceRange> ranges_;  // by event time, newest first
  std::size_t rows_ = 0;
  PostPage page_;
};

std::string_view label_at(const Statement& row, int column, const std::vector<std::string>* names) {
  const auto label = static_cast<std::size_t>(row.column_int(column));
  if (names == nullptr || row.column_is_null(column) || label >= names->size()) return "unknown";
  return (*names)[label];
}

bool PostFinder::passes(const Statement& row) {
  const std::int64_t time = row.column_int(3);
  if (query_.since && time < to_millis(*query_.since)) return false;
  if (query_.until && time >= to_millis(*query_.until)) return false;
  if (query_.author && row.column_text(5) != *query_.author) return false;
  if (query_.region) {
    const std::string_view region = row.column_is_null(6) ? "unknown" : row.column_text(6);
    const std::string& wanted = *query_.region;
    const bool within = region.size() > wanted.size() && region.starts_with(wanted) &&
                        region[wanted.size()] == ' ';  // "广东 深圳" lies in 广东
    if (region != wanted && !within) return false;
  }
  if (query_.emotion || query_.topic) {
    const LabelSet* set = label_sets_.find(row.column_int(12));
    const auto* emotions = set == nullptr ? nullptr : &set->emotions;
    const auto* topics = set == nullptr ? nullptr : &set->topics;
    if (query_.emotion && label_at(row, 13, emotions) != *query_.emotion) return false;
    if (query_.topic && label_at(row, 14, topics) != *query_.topic) return false;
  }
  if (words_.clauses.empty()) return true;
  fold_text(row.column_text(2), folded_);
  return matches(words_, folded_);
}

Status PostFinder::consider(const Statement& row) {
  if (++rows_ % kRowsPerExpiredCheck == 0 && reader_.expired()) {
    return Error{Code::kDeadlineExceeded,
                 "the search took longer than its limit: ask for less, or use rarer words"};
  }
  if (passes(row)) page_.posts.push_back(read_post_row(row, label_sets_));
  return {};
}

Status PostFinder::scan_range(SequenceRange range) {
  Statement& select = reader_.descending();
  const ResetGuard guard(select);
  select.bind(1, range.begin);
  select.bind(2, range.end);
  while (!full()) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return {};
    TRY(consider(select));
  }
  return {};
}

Status PostFinder::scan(std::int64_t begin, std::int64_t end) {
  for (const SequenceRange& range : ranges_) {
    const SequenceRange part{std::max(range.begin, begin), std::min(range.end, end)};
    if (part.begin < part.end && !full()) TRY(scan_range(part));
  }
  return {};
}

Status PostFinder::search_shard(std::int64_t shard, const std::string& expression,
                                SequenceRange range) {
  const std::string table = shard_table(shard);
  TRY_ASSIGN(Statement select,
             reader_.search().prepare("SELECT rowid FROM " + table + " WHERE " + table +
                                      " MATCH ?1 AND rowid>=?2 AND rowid<?3 ORDER BY rowid DESC"));
  select.bind(1, std::string_view{expression});
  select.bind(2, range.begin);
  select.bind(3, range.end);
  Statement& post = reader_.by_sequence();
  while (!full()) {
    TRY_ASSIGN(const bool hit, select.step());
    if (!hit) return {};
    const ResetGuard guard(post);
    post.bind(1, select.column_int(0));
    TRY_ASSIGN(const bool there, post.step());
    if (there) TRY(consider(post));  // else retention was faster
  }
  return {};
}

IndexTerms PostFinder::all_index_terms() const {
  IndexTerms terms = index_terms(words_);
  if (query_.author && !query_.author->empty()) {
    terms.all.push_back(field_term('a', *query_.author));
  }
  if (query_.region) terms.all.push_back(field_term('r', *query_.region));
  if (query_.emotion) terms.all.push_back(field_term('e', *query_.emotion));
  if (query_.topic) terms.all.push_back(field_term('t', *query_.topic));
  return terms;
}

Result<PostPage> PostFinder::find(const BlockMap& blocks, std::int64_t tail_scan_posts_max) {
  TRY_ASSIGN(words_, parse_search_query(query_.q));
  if (words_.finds_nothing()) return finish();

  // In this order, so that every post that the index knows of is there.
  TRY_ASSIGN(const Transaction search,
             Transaction::begin(reader_.search(), Transaction::Kind::kRead));
  TRY_ASSIGN(const SearchExtent extent, read_search_extent(reader_.search()));
  TRY_ASSIGN(const Transaction posts,
             Transaction::begin(reader_.posts(), Transaction::Kind::kRead));
  TRY_ASSIGN(const auto newest, reader_.posts().number("SELECT max(sequence) FROM posts"));
  TRY_ASSIGN(const auto first, reader_.posts().number("SELECT min(sequence) FROM posts"));
  if (!newest || !first) return finish();
  const std::int64_t last = *newest;
  std::int64_t end = last + 1;
  if (query_.before.value > 0 && query_.before.value < static_cast<std::uint64_t>(end)) {
    end = static_cast<std::int64_t>(query_.before.value);
  }
  constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();
  if (query_.since || query_.until) {
    ranges_ = blocks.overlapping(query_.since ? to_millis(*query_.since) : -kEver,
                                 query_.until ? to_millis(*query_.until) : kEver);
    if (ranges_.empty()) return finish();
  } else {
    ranges_ = {{0, kEver}};
  }

  const IndexTerms terms = all_index_terms();
  if (terms.all.empty()) {
    TRY(scan(0, end));
    return finish();
  }
  const std::int64_t tail = std::max(extent.indexed_until, last - tail_scan_posts_max) + 1;
  TRY(scan(tail, end));
  const std::int64_t unseen = std::min(tail, end) - extent.indexed_until - 1;
  page_.index_lag_posts = static_cast<std::uint64_t>(std::max<std::int64_t>(unseen, 0));

  const std::string expression = fts5_expression(terms);
  const SequenceRange indexed{std::max<std::int64_t>(ranges_.back().begin, 1),
                              std::min({end, extent.indexed_until + 1, ranges_.front().end})};
  if (indexed.begin < indexed.end) {
    // Shards whose posts are all gone may be gone, or may never have been made.
    const std::int64_t oldest =
        std::max(shard_of(indexed.begin, extent.shard_posts), shard_of(*first, extent.shard_posts));
    std::int64_t shard = shard_of(indexed.end - 1, extent.shard_posts);
    for (; shard >= oldest && !full(); --shard) TRY(search_shard(shard, expression, indexed));
  }
  return finish();
}

PostPage PostFinder::finish() {
  if (full()) {
    page_.posts.resize(query_.limit);
    page_.next = page_.posts.back().sequence;
  }
  return std::move(page_);
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const std::filesystem::path& dir,
                                             const std::string& vfs, const Clock& clock) {
  std::unique_ptr<Reader> reader(new Reader(clock));
  TRY_ASSIGN(reader->posts_, Database::open(posts_path(dir), Database::Mode::kReadOnly, vfs));
  TRY_ASSIGN(reader->search_, Database::open(search_path(dir), Database::Mode::kReadOnly, vfs));
  TRY(register_search_tokenizer(*reader->search_));
  for (Database* db : {reader->posts_.get(), reader->search_.get()}) {
    TRY(db->exec("PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY"));
    db->set_expired([self = reader.get()] { return self->expired(); });
  }
  const std::string select = "SELECT " + std::string(kPostColumns) + " FROM posts WHERE ";
  Database& posts = *reader->posts_;
  TRY_ASSIGN(reader->by_sequence_, posts.prepare(select + "sequence=?1"));
  TRY_ASSIGN(reader->by_id_, posts.prepare(select + "id_key=?1 AND id=?2"));
  TRY_ASSIGN(reader->descending_,
             posts.prepare(select + "sequence>=?1 AND sequence<?2 ORDER BY sequence DESC"));
  TRY_ASSIGN(reader->ascending_,
             posts.prepare(select + "sequence>=?1 AND sequence<?2 ORDER BY sequence LIMIT ?3"));
  return reader;
}

void Reader::start(std::chrono::milliseconds time_max) {
  deadline_ = time_max.count() == 0 ? SteadyTime::max() : clock_.steady_now() + time_max;
}

bool Reader::expired() const {
  return deadline_ != SteadyTime::max() && clock_.steady_now() > deadline_;
}

Result<std::unique_ptr<ReaderPool>> ReaderPool::open(const std::filesystem::path& dir,
                                                     const std::string& vfs, const Clock& clock,
                                                     std::size_t readers) {
  auto pool = std::make_unique<ReaderPool>();
  for (std::size_t i = 0; i < std::max<std::size_t>(readers, 1); ++i) {
    TRY_ASSIGN(std::unique_ptr<Reader> reader, Reader::open(dir, vfs, clock));
    pool->give_back(std::move(reader));
  }
  return pool;
}

ReaderPool::Lease ReaderPool::acquire(std::chrono::milliseconds time_max) {
  std::unique_ptr<Reader> reader;
  {
    const MutexLock lock(mu_);
    while (idle_.empty()) returned_.wait(mu_);
    reader = std::move(idle_.back());
    idle_.pop_back();
  }
  reader->start(time_max);
  return Lease(*this, std::move(reader));
}

void ReaderPool::give_back(std::unique_ptr<Reader> reader) {
  {
    const MutexLock lock(mu_);
    idle_.push_back(std::move(reader));
  }
  returned_.notify_one();
}

Result<PostPage> find_posts(Reader& reader, const PostQuery& query, const LabelSets& label_sets,
                            const BlockMap& blocks, std::int64_t tail_scan_posts_max) {
  return PostFinder(reader, query, label_sets).find(blocks, tail_scan_posts_max);
}

}  // namespace tidewatch

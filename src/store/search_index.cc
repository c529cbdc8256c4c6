// SPDX-License-Identifier: Apache-2.0
#include "store/search_index.h"

#include <algorithm>

#include "query/region.h"
#include "store/schema.h"
#include "store/search_tokenizer.h"

namespace tidewatch {
namespace {

// Losing the last transactions in a power cut is fine here, hence NORMAL.
constexpr const char* kPragmas =
    "PRAGMA page_size=4096;"
    "PRAGMA auto_vacuum=INCREMENTAL;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=NORMAL;"
    "PRAGMA secure_delete=OFF;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA cache_size=-32768;";

constexpr std::string_view kNextPosts =
    "SELECT sequence, text, region, author, label_set, emotion, topic, source FROM posts"
    " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";

// What make_tables() makes, the tables of FTS5 among it.
constexpr std::string_view kCountTables =
    "SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'post_terms', 'post_terms_data',"
    " 'post_terms_idx', 'post_terms_config')";
constexpr std::int64_t kTables = 5;
// FTS5's own format: without it every statement on the table fails.
constexpr std::string_view kIndexFormat = "SELECT v FROM post_terms_config WHERE k='version'";
constexpr std::int64_t kFormat = 4, kFormatSecureDelete = 5;

// A term list of this size is kept in memory before it is written as a segment; up to eight
// segments of a level are left unmerged. Measured: 57 k rows/s against 50 k with the defaults.
constexpr int kHashBytes = 32 << 20;
constexpr int kAutomerge = 8;

// The write-ahead log is folded from 16 MiB on; from 64 MiB on the indexer waits for the readers
// that keep it in use (it may: only the index falls behind).
constexpr int kWalPages = 4'096;
constexpr int kWalPagesMax = 16'384;

Status make_tables(Database& search, std::int64_t number, std::int64_t store_id) {
  TRY_ASSIGN(Transaction transaction, Transaction::begin(search, Transaction::Kind::kWrite));
  TRY(search.exec("CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID"));
  TRY(set_meta(search, "schema_version", kSearchSchemaVersion));
  TRY(set_meta(search, "store_id", store_id));
  TRY(set_meta(search, "partition", number));
  TRY(set_meta(search, "indexed_until", 0));
  const std::string table{kSearchTable};
  TRY(search.exec("CREATE VIRTUAL TABLE " + table +
                  " USING fts5(terms, content='', columnsize=0, detail=none,"
                  " tokenize='tidewatch')"));
  const auto configure = [&](const char* name, int value) {
    return search.exec("INSERT INTO " + table + "(" + table + ", rank) VALUES('" + name + "', " +
                       std::to_string(value) + ")");
  };
  TRY(configure("hashsize", kHashBytes));
  TRY(configure("automerge", kAutomerge));
  return transaction.commit();
}

}  // namespace

bool is_index_damage(const Error& error) { return error.code == Code::kDataLoss; }

std::string index_damage_text(const Error& damage) {
  return damage.message.substr(0, damage.message.find(';'));
}

Result<std::unique_ptr<Database>> open_partition_search(const IndexPlace& place,
                                                        std::int64_t number) {
  TRY_ASSIGN(std::unique_ptr<Database> search,
             Database::open(partition_search_path(place.dir, number), Database::Mode::kReadWrite,
                            place.vfs));
  TRY(register_search_tokenizer(*search));
  TRY(search->exec(kPragmas));
  TRY_ASSIGN(const auto tables, search->number("SELECT count(*) FROM sqlite_schema"));
  if (tables.value_or(0) == 0) TRY(make_tables(*search, number, place.store_id));
  TRY(check_index_tables(*search));
  TRY_ASSIGN(const auto version, get_meta(*search, "schema_version"));
  TRY_ASSIGN(const auto store_id, get_meta(*search, "store_id"));
  TRY_ASSIGN(const auto partition, get_meta(*search, "partition"));
  if (version != kSearchSchemaVersion || store_id != place.store_id || partition != number) {
    return Error{Code::kDataLoss, search->path().string() + ": not the index of these posts"};
  }
  return search;
}

Status check_index_tables(Database& search) {
  TRY_ASSIGN(const auto ours, search.number(kCountTables));
  if (ours == kTables) {
    TRY_ASSIGN(const auto format, search.number(kIndexFormat));
    if (format == kFormat || format == kFormatSecureDelete) return {};
  }
  return Error{Code::kDataLoss, search.path().string() + ": not a search index"};
}

Result<Statement> prepare_on_index(Database& search, std::string_view sql) {
  auto prepared = search.prepare(sql);
  if (prepared.ok() || prepared.error().code != Code::kInternal) return prepared;
  return Error{Code::kDataLoss, prepared.error().message};
}

Result<std::int64_t> read_indexed_until(Database& search) {
  TRY_ASSIGN(const auto until, get_meta(search, "indexed_until"));
  if (!until) return Error{Code::kDataLoss, search.path().string() + ": not a search index"};
  return *until;
}

SearchIndex::SearchIndex(IndexPlace place, const LabelSets& label_sets, PartitionMap& partitions,
                         BeforeAnew before_anew)
    : place_(std::move(place)),
      label_sets_(label_sets),
      partitions_(partitions),
      before_anew_(std::move(before_anew)) {}

Status SearchIndex::load(std::int64_t last) {
  const auto partitions = partitions_.list();
  for (const Partition& partition : *partitions) {
    const Status loaded = load_partition(partition, last);
    if (loaded.ok()) continue;
    if (!is_index_damage(loaded.error())) return loaded;
    TRY(make_anew(partition.number, loaded.error(), partition.index_made));
  }
  return {};
}

Status SearchIndex::load_partition(const Partition& partition, std::int64_t last) {
  TRY_ASSIGN(const auto search, open_partition_search(place_, partition.number));
  TRY_ASSIGN(const std::int64_t until, read_indexed_until(*search));
  if (until > std::min(partition.last, last)) {  // posts were lost, or another folder's file
    return Error{Code::kDataLoss, search->path().string() + ": further on than the posts"};
  }
  if (partition.compacted && until < partition.last) {
    return Error{Code::kDataLoss, search->path().string() + ": less than there was"};
  }
  TRY_ASSIGN(const std::uint64_t bytes, bytes_used(*search));
  partitions_.change(partition.number, [&](Partition& one) {
    one.indexed_until = std::max(until, one.first - 1);
    one.search_bytes = bytes;
  });
  return {};
}

// First nothing is looked up in it any more, then it goes; readers that have the old file open keep
// it until they see that there is another, however the rest of this ends.
Status SearchIndex::make_anew(std::int64_t number, const Error& damage, std::uint32_t index_made) {
  const auto partition = partitions_.find(number);
  if (!partition || partition->index_made != index_made) return {};
  forget(number);
  if (partition->index_made >= Partition::kIndexRemakesMax) {
    partitions_.change(number, [](Partition& one) { one.index_given_up = true; });
    return Error{Code::kDataLoss,
                 index_damage_text(damage) + ": damaged again after it was made anew " +
                     std::to_string(partition->index_made) +
                     " times since the start; check the disk (dmesg), then start again"};
  }
  TRY(before_anew_(*partition, damage));
  partitions_.change(number, [](Partition& one) {
    one.indexed_until = one.first - 1;
    one.compacted = false;
    ++one.index_made;
  });
  remove_database_files(partition_search_path(place_.dir, number));
  TRY_ASSIGN(const auto search, open_partition_search(place_, number));
  TRY_ASSIGN(const std::uint64_t bytes, bytes_used(*search));
  partitions_.change(number, [&](Partition& one) { one.search_bytes = bytes; });
  return {};
}

Status SearchIndex::go_to(const Partition& partition) {
  if (number_ == partition.number) return {};
  forget(number_);
  TRY_ASSIGN(posts_, Database::open(partition_posts_path(place_.dir, partition.number),
                                    Database::Mode::kReadOnly, place_.vfs));
  TRY_ASSIGN(search_, of_index(open_partition_search(place_, partition.number)));
  sqlite3_wal_hook(
      search_->handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<SearchIndex*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  TRY_ASSIGN(next_posts_, posts_->prepare(kNextPosts));
  TRY_ASSIGN(insert_,
             of_index(prepare_on_index(*search_, "INSERT INTO " + std::string{kSearchTable} +
                                                     "(rowid, terms) VALUES(?1, ?2)")));
  number_ = partition.number;
  return {};
}

void SearchIndex::forget(std::int64_t number) {
  if (number != number_) return;
  next_posts_ = Statement{};
  insert_ = Statement{};
  posts_.reset();
  search_.reset();
  number_ = 0;
}

void SearchIndex::append_document(const Statement& post, std::string& document) const {
  document.assign(post.column_text(1));
  // A separator in the text itself would start an exact term; it only separates words anyway.
  for (char& c : document) {
    if (c == kTermSeparator) c = ' ';
  }
  const auto add = [&](char field, std::string_view value) {
    document.push_back(kTermSeparator);
    document += field_term(field, value);
  };
  const auto add_label = [&](char field, const std::vector<std::string>* names, int column) {
    const auto label = static_cast<std::size_t>(post.column_int(column));
    const bool known = names != nullptr && !post.column_is_null(column) && label < names->size();
    add(field, known ? std::string_view{(*names)[label]} : "unknown");
  };
  const LabelSet* labels = label_sets_.find(post.column_int(4));
  const PostRegion region = parse_region(post.column_text(2));
  add('r', region.province.empty() ? "unknown" : region.province);
  if (!region.city.empty()) add('r', region_name(region));  // found under its province too
  if (!post.column_is_null(3)) add('a', lower_ascii(post.column_text(3)));
  if (!post.column_is_null(7)) add('s', lower_ascii(post.column_text(7)));
  add_label('e', labels == nullptr ? nullptr : &labels->emotions, 5);
  add_label('t', labels == nullptr ? nullptr : &labels->topics, 6);
}

Result<std::size_t> SearchIndex::index_some(std::size_t count_max, std::int64_t last) {
  const auto partitions = partitions_.list();
  for (auto one = partitions->rbegin(); one != partitions->rend(); ++one) {
    if (one->indexed_until >= std::min(one->last, last) || failures_.contains(one->number))
      continue;
    const auto indexed = index_or_make_anew(*one, count_max, last);
    if (indexed.ok()) return indexed;
    forget(number_);
    failures_.emplace(one->number, indexed.error());
    partitions_.change(one->number, [](Partition& failed) { failed.index_failed = true; });
  }
  if (failures_.empty()) return std::size_t{0};
  const Error first = failures_.rbegin()->second;
  failures_.clear();
  return first;
}

Result<std::size_t> SearchIndex::index_or_make_anew(const Partition& partition,
                                                    std::size_t count_max, std::int64_t last) {
  damage_.reset();
  auto indexed = index_partition(partition, count_max, last);
  if (!damage_) return indexed;
  TRY(make_anew(partition.number, *damage_, partition.index_made));
  return index_partition(partition, count_max, last);
}

Result<std::size_t> SearchIndex::index_partition(const Partition& partition, std::size_t count_max,
                                                 std::int64_t last) {
  if (const Status there = go_to(partition); !there.ok()) {
    forget(number_);
    return there.error();
  }
  // Read on from what the index itself says: it may have been made anew.
  TRY_ASSIGN(const std::int64_t from, of_index(read_indexed_until(*search_)));
  std::size_t count = 0;
  std::int64_t until = from;
  std::string document;
  const ResetGuard guard(next_posts_);
  next_posts_.bind(1, from);
  next_posts_.bind(2, static_cast<std::int64_t>(count_max));
  TRY_ASSIGN(Transaction transaction,
             of_index(Transaction::begin(*search_, Transaction::Kind::kWrite)));
  while (true) {
    TRY_ASSIGN(const bool row, next_posts_.step());
    if (!row) break;
    until = next_posts_.column_int(0);
    append_document(next_posts_, document);
    insert_.bind(1, until);
    insert_.bind(2, std::string_view{document});
    TRY(of_index(insert_.run()));
    ++count;
  }
  if (count == 0) {
    return Error{Code::kDataLoss, posts_->path().string() + ": posts up to " +
                                      std::to_string(std::min(partition.last, last)) +
                                      " should be there; restore the file from a backup"};
  }
  TRY(of_index(set_meta(*search_, "indexed_until", until)));
  TRY(of_index(transaction.commit()));
  TRY(tell(until));
  fold_wal();
  return count;
}

Status SearchIndex::tell(std::int64_t until) {
  TRY_ASSIGN(const std::uint64_t bytes, bytes_used(*search_));
  partitions_.change(number_, [&](Partition& one) {
    one.indexed_until = until;
    one.index_failed = false;
    one.search_bytes = bytes;
  });
  return {};
}

// A failure only means that the next transaction tries again.
void SearchIndex::fold_wal() {
  if (wal_pages_ < kWalPages) return;
  const int mode =
      wal_pages_ < kWalPagesMax ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART;
  sqlite3_wal_checkpoint_v2(search_->handle(), nullptr, mode, nullptr, nullptr);
}

}  // namespace tidewatch

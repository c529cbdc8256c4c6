// SPDX-License-Identifier: Apache-2.0
#include "store/search_index.h"

#include <system_error>

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
    "SELECT sequence, text, region, author, label_set, emotion, topic FROM posts"
    " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";

// A term list of this size is kept in memory before it is written as a segment; up to eight
// segments of a level are left unmerged. Measured: 57 k rows/s against 50 k with the defaults.
constexpr int kHashBytes = 8 << 20;
constexpr int kAutomerge = 8;

// The write-ahead log is folded from 16 MiB on; from 64 MiB on the indexer waits for the readers
// that keep it in use (it may: only the index falls behind).
constexpr int kWalPages = 4'096;
constexpr int kWalPagesMax = 16'384;

void remove_files(const std::filesystem::path& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code ignored;  // what cannot be removed fails again, and clearly, when opened
    std::filesystem::remove(path.string() + suffix, ignored);
  }
}

bool is_damage(const Error& error) {
  return error.code == Code::kDataLoss || error.code == Code::kInternal;
}

}  // namespace

std::string shard_table(std::int64_t shard) { return "terms_" + std::to_string(shard); }

Result<SearchExtent> read_search_extent(Database& search) {
  TRY_ASSIGN(const auto indexed_until, get_meta(search, "indexed_until"));
  TRY_ASSIGN(const auto shard_posts, get_meta(search, "shard_posts"));
  TRY_ASSIGN(const auto first_shard, get_meta(search, "first_shard"));
  if (!indexed_until || !shard_posts || !first_shard || *shard_posts <= 0) {
    return Error{Code::kDataLoss, search.path().string() + ": not a search index"};
  }
  return SearchExtent{*indexed_until, *shard_posts, *first_shard};
}

Result<std::unique_ptr<SearchIndex>> SearchIndex::open(const Options& options,
                                                       const LabelSets& label_sets) {
  auto index = try_open(options, label_sets);
  if (index.ok() || !is_damage(index.error())) return index;
  remove_files(search_path(options.dir));
  return try_open(options, label_sets);
}

Result<std::unique_ptr<SearchIndex>> SearchIndex::try_open(const Options& options,
                                                           const LabelSets& label_sets) {
  std::unique_ptr<SearchIndex> index(new SearchIndex(label_sets));
  TRY_ASSIGN(index->posts_,
             Database::open(posts_path(options.dir), Database::Mode::kReadOnly, options.vfs));
  TRY_ASSIGN(index->search_,
             Database::open(search_path(options.dir), Database::Mode::kReadWrite, options.vfs));
  Database& search = *index->search_;
  TRY(register_search_tokenizer(search));
  TRY(search.exec(kPragmas));
  sqlite3_wal_hook(
      search.handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<SearchIndex*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      index.get());
  TRY_ASSIGN(const auto store_id, get_meta(*index->posts_, "store_id"));
  TRY_ASSIGN(const auto tables, search.number("SELECT count(*) FROM sqlite_schema"));
  if (tables.value_or(0) == 0) {
    TRY(index->make_tables(options.shard_posts, store_id.value_or(0)));
  }
  TRY_ASSIGN(const auto version, get_meta(search, "schema_version"));
  TRY_ASSIGN(const auto built_for, get_meta(search, "store_id"));
  TRY_ASSIGN(index->extent_, read_search_extent(search));
  if (version != kSearchSchemaVersion || built_for != store_id ||
      index->extent_.indexed_until > options.last_sequence) {
    return Error{Code::kDataLoss, search.path().string() + ": not the index of these posts"};
  }
  index->indexed_until_ = index->extent_.indexed_until;
  TRY_ASSIGN(index->next_posts_, index->posts_->prepare(kNextPosts));
  TRY(index->note_used());
  return index;
}

Status SearchIndex::make_tables(std::int64_t shard_posts, std::int64_t store_id) {
  TRY_ASSIGN(Transaction transaction, Transaction::begin(*search_, Transaction::Kind::kWrite));
  TRY(search_->exec("CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID"));
  TRY(set_meta(*search_, "schema_version", kSearchSchemaVersion));
  TRY(set_meta(*search_, "store_id", store_id));
  TRY(set_meta(*search_, "shard_posts", shard_posts));
  TRY(set_meta(*search_, "first_shard", 0));
  TRY(set_meta(*search_, "indexed_until", 0));
  return transaction.commit();
}

Status SearchIndex::open_shard(std::int64_t shard) {
  if (shard == open_shard_) return {};
  const std::string table = shard_table(shard);
  TRY_ASSIGN(const auto exists,
             search_->number("SELECT 1 FROM sqlite_schema WHERE name='" + table + "'"));
  if (!exists) {
    TRY(search_->exec("CREATE VIRTUAL TABLE " + table +
                      " USING fts5(terms, content='', columnsize=0, detail=none,"
                      " tokenize='tidewatch')"));
    const auto configure = [&](const char* name, int value) {
      return search_->exec("INSERT INTO " + table + "(" + table + ", rank) VALUES('" + name +
                           "', " + std::to_string(value) + ")");
    };
    TRY(configure("hashsize", kHashBytes));
    TRY(configure("automerge", kAutomerge));
  }
  TRY_ASSIGN(insert_, search_->prepare("INSERT INTO " + table + "(rowid, terms) VALUES(?1, ?2)"));
  open_shard_ = shard;
  return {};
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
  const std::string_view region = post.column_is_null(2) ? "unknown" : post.column_text(2);
  add('r', region);
  if (const std::size_t space = region.find(' '); space != std::string_view::npos) {
    add('r', region.substr(0, space));  // "广东 深圳" is found under 广东 too
  }
  if (!post.column_is_null(3)) add('a', post.column_text(3));
  add_label('e', labels == nullptr ? nullptr : &labels->emotions, 5);
  add_label('t', labels == nullptr ? nullptr : &labels->topics, 6);
}

Result<std::size_t> SearchIndex::index_some(std::size_t count_max) {
  open_shard_ = -1;  // a rolled-back transaction may have taken the table with it
  std::size_t count = 0;
  std::int64_t until = extent_.indexed_until;
  std::string document;
  const ResetGuard guard(next_posts_);
  next_posts_.bind(1, until);
  next_posts_.bind(2, static_cast<std::int64_t>(count_max));
  TRY_ASSIGN(Transaction transaction, Transaction::begin(*search_, Transaction::Kind::kWrite));
  while (true) {
    TRY_ASSIGN(const bool row, next_posts_.step());
    if (!row) break;
    until = next_posts_.column_int(0);
    TRY(open_shard(shard_of(until, extent_.shard_posts)));
    append_document(next_posts_, document);
    insert_.bind(1, until);
    insert_.bind(2, std::string_view{document});
    TRY(insert_.run());
    ++count;
  }
  if (count == 0) return count;
  TRY(set_meta(*search_, "indexed_until", until));
  TRY(transaction.commit());
  extent_.indexed_until = until;
  indexed_until_.store(until, std::memory_order_release);
  fold_wal();
  TRY(note_used());
  return count;
}

Status SearchIndex::drop_before(std::int64_t sequence) {
  const std::int64_t keep = shard_of(sequence, extent_.shard_posts);
  if (keep <= extent_.first_shard || sequence < 1) return {};
  insert_ = Statement{};
  open_shard_ = -1;
  TRY_ASSIGN(Transaction transaction, Transaction::begin(*search_, Transaction::Kind::kWrite));
  for (std::int64_t shard = extent_.first_shard; shard < keep; ++shard) {
    TRY(search_->exec("DROP TABLE IF EXISTS " + shard_table(shard)));
  }
  TRY(set_meta(*search_, "first_shard", keep));
  TRY(transaction.commit());
  extent_.first_shard = keep;
  return note_used();
}

Result<bool> SearchIndex::release_free_pages() { return tidewatch::release_free_pages(*search_); }

// A failure only means that the next transaction tries again.
void SearchIndex::fold_wal() {
  if (wal_pages_ < kWalPages) return;
  const int mode =
      wal_pages_ < kWalPagesMax ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART;
  sqlite3_wal_checkpoint_v2(search_->handle(), nullptr, mode, nullptr, nullptr);
}

Status SearchIndex::note_used() {
  TRY_ASSIGN(const std::uint64_t used, bytes_used(*search_));
  bytes_used_.store(used, std::memory_order_relaxed);
  return {};
}

}  // namespace tidewatch

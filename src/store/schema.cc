// SPDX-License-Identifier: Apache-2.0
#include "store/schema.h"

#include "store/rule_rows.h"

namespace tidewatch {
namespace {

// secure_delete is on in Debian's build; overwriting what retention frees would double its writes.
constexpr const char* kPragmas =
    "PRAGMA page_size=4096;"
    "PRAGMA auto_vacuum=INCREMENTAL;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA secure_delete=OFF;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA cache_size=-65536;";

// The tables of version 1 (its posts moved into partitions); kUpgradeTo2 and so on are what later
// versions added.
constexpr const char* kPostsTables = R"sql(
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- Label texts, one to a line; rows below hold the number of a set and places in it.
CREATE TABLE label_sets(
  label_set INTEGER PRIMARY KEY, emotions TEXT NOT NULL, topics TEXT NOT NULL,
  UNIQUE(emotions, topics));

-- Absolute counts of one key in one minute; `day` is Unix days, `minute` of that day.
CREATE TABLE minutes(
  day INTEGER, key TEXT, minute INTEGER, label_set INTEGER NOT NULL,
  posts INTEGER NOT NULL, negative INTEGER NOT NULL, authors INTEGER NOT NULL,
  texts INTEGER NOT NULL, bare_reposts INTEGER NOT NULL, author_negative INTEGER NOT NULL,
  emotions BLOB NOT NULL,         -- LEB128 numbers, in the order of the label set
  PRIMARY KEY(day, key, minute)) WITHOUT ROWID;
CREATE TABLE minute_days(day INTEGER PRIMARY KEY, stored_at INTEGER NOT NULL);

CREATE TABLE alerts(
  id TEXT PRIMARY KEY, key TEXT NOT NULL, topic TEXT NOT NULL, region TEXT NOT NULL,
  kind TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL, title TEXT NOT NULL,
  onset_at INTEGER NOT NULL, opened_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  closed_at INTEGER, acknowledged_at INTEGER, from_rate REAL NOT NULL, to_rate REAL NOT NULL,
  score REAL NOT NULL, posts INTEGER NOT NULL, authors INTEGER NOT NULL, texts INTEGER NOT NULL,
  emotions TEXT NOT NULL, terms TEXT NOT NULL, evidence TEXT NOT NULL,  -- JSON arrays
  stored_at INTEGER NOT NULL);
CREATE INDEX alerts_by_opened_at ON alerts(opened_at, id);

-- Delivered messages keep their row, without its body, so that put() knows them.
CREATE TABLE outbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT, dedupe_key TEXT NOT NULL UNIQUE, channel TEXT NOT NULL,
  body TEXT NOT NULL, attempts INTEGER NOT NULL, next_attempt_at INTEGER NOT NULL,
  last_error TEXT NOT NULL, delivered_at INTEGER);
CREATE INDEX outbox_waiting ON outbox(next_attempt_at) WHERE delivered_at IS NULL;
)sql";

constexpr const char* kUpgradeTo2 = R"sql(
ALTER TABLE alerts ADD COLUMN muted_until INTEGER;
ALTER TABLE alerts ADD COLUMN details TEXT NOT NULL DEFAULT '{}';  -- JSON: shape and forecast

-- Who did what with an alert. `acknowledged_at` of version 1 went in here.
CREATE TABLE alert_history(
  entry INTEGER PRIMARY KEY AUTOINCREMENT, alert_id TEXT NOT NULL, at INTEGER NOT NULL,
  action TEXT NOT NULL, actor TEXT NOT NULL, note TEXT NOT NULL, state TEXT NOT NULL);
CREATE INDEX alert_history_by_alert ON alert_history(alert_id, entry);
INSERT INTO alert_history(alert_id, at, action, actor, note, state)
  SELECT id, acknowledged_at, 'acknowledged', 'unnamed', '', 'acknowledged' FROM alerts
  WHERE acknowledged_at IS NOT NULL;

-- Dead letters (dead_at) are not tried again; held ones (quiet hours) may be replaced.
ALTER TABLE outbox ADD COLUMN collapse_key TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN dead_at INTEGER;
UPDATE outbox SET created_at=next_attempt_at;
DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox(channel, next_attempt_at)
  WHERE delivered_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_undelivered ON outbox(id) WHERE delivered_at IS NULL;

-- What each subscriber was told of each alert.
CREATE TABLE alert_tellings(
  subscriber TEXT, alert_id TEXT, key TEXT NOT NULL, first_at INTEGER, last_at INTEGER NOT NULL,
  severity INTEGER NOT NULL, escalations INTEGER NOT NULL, ended INTEGER NOT NULL,
  openings TEXT NOT NULL, news_at INTEGER NOT NULL,  -- openings: a JSON array of ms
  PRIMARY KEY(subscriber, alert_id)) WITHOUT ROWID;
)sql";

// Partitions of posts: partition.h.
constexpr const char* kUpgradeTo3 = R"sql(
CREATE TABLE partitions(
  partition INTEGER PRIMARY KEY, first INTEGER NOT NULL,
  last INTEGER,                   -- NULL: the one that is written to
  opened_at INTEGER NOT NULL, stored_until INTEGER NOT NULL, compacted INTEGER NOT NULL);
)sql";

Status make_tables(Database& db) {
  TRY_ASSIGN(Transaction transaction, Transaction::begin(db, Transaction::Kind::kWrite));
  TRY(db.exec(kPostsTables));
  TRY(db.exec("INSERT INTO meta VALUES('store_id', abs(random()) >> 1)"));
  TRY(set_meta(db, "schema_version", 1));
  return transaction.commit();
}

// One version a transaction, so that a crash in between leaves a whole older one.
Status upgrade_tables(Database& db, std::int64_t version) {
  if (version < 2) {
    TRY_ASSIGN(Transaction transaction, Transaction::begin(db, Transaction::Kind::kWrite));
    TRY(db.exec(kUpgradeTo2));
    TRY(set_meta(db, "schema_version", 2));
    TRY(transaction.commit());
  }
  if (version < 3) {
    TRY_ASSIGN(Transaction transaction, Transaction::begin(db, Transaction::Kind::kWrite));
    TRY(db.exec(kUpgradeTo3));
    TRY(set_meta(db, "schema_version", 3));
    TRY(transaction.commit());
  }
  return {};
}

}  // namespace

const char* const kPartitionTables = R"sql(
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE posts(
  sequence INTEGER PRIMARY KEY, id TEXT NOT NULL, text TEXT NOT NULL,
  time INTEGER NOT NULL,          -- event time, ms since the epoch
  source TEXT, author TEXT, region TEXT, repost_of TEXT, url TEXT,
  likes INTEGER, reposts INTEGER, extra TEXT,
  label_set INTEGER NOT NULL, emotion INTEGER, topic INTEGER,
  probabilities BLOB,             -- u16 in 1/65535, emotions then topics; NULL: not classified
  text_hash INTEGER, id_key INTEGER NOT NULL);
CREATE INDEX posts_by_id_key ON posts(id_key);

-- Bounds of every 4,096 posts: sequence / 4096. A block in which two partitions meet is in both.
CREATE TABLE post_blocks(
  block INTEGER PRIMARY KEY, time_min INTEGER NOT NULL, time_max INTEGER NOT NULL,
  stored_at INTEGER NOT NULL);

CREATE TABLE id_filter(bytes BLOB NOT NULL);  -- of a closed partition: id_filter.h
)sql";

Result<std::unique_ptr<Database>> open_posts_db(const std::filesystem::path& dir,
                                                const std::string& vfs) {
  TRY_ASSIGN(std::unique_ptr<Database> db,
             Database::open(posts_path(dir), Database::Mode::kReadWrite, vfs));
  if (sqlite3_db_readonly(db->handle(), "main") == 1) {
    return Error{Code::kPermissionDenied,
                 posts_path(dir).string() +
                     ": this file cannot be written; make it writable for this user or choose "
                     "another folder (--data-dir)"};
  }
  TRY(db->exec(kPragmas));
  TRY_ASSIGN(const auto tables, db->number("SELECT count(*) FROM sqlite_schema"));
  if (tables.value_or(0) == 0) TRY(make_tables(*db));
  TRY_ASSIGN(const auto version, get_meta(*db, "schema_version"));
  if (version.value_or(0) > kPostsSchemaVersion) {
    return Error{Code::kFailedPrecondition,
                 posts_path(dir).string() + ": written by a newer Tidewatch (schema " +
                     std::to_string(*version) + ", this one knows " +
                     std::to_string(kPostsSchemaVersion) +
                     "); upgrade, or choose another folder (--data-dir)"};
  }
  TRY(upgrade_tables(*db, version.value_or(0)));
  TRY(make_rule_table(*db));
  return db;
}

Result<std::optional<std::int64_t>> get_meta(Database& db, std::string_view name) {
  TRY_ASSIGN(Statement select, db.prepare("SELECT value FROM meta WHERE name=?1"));
  select.bind(1, name);
  return select.number();
}

Status set_meta(Database& db, std::string_view name, std::int64_t value) {
  TRY_ASSIGN(Statement insert, db.prepare("INSERT OR REPLACE INTO meta VALUES(?1, ?2)"));
  insert.bind(1, name);
  insert.bind(2, value);
  return insert.run();
}

Result<bool> release_free_pages(Database& db, std::int64_t free_pages_min) {
  TRY_ASSIGN(const auto pages, db.number("PRAGMA page_count"));
  TRY_ASSIGN(const auto free_pages, db.number("PRAGMA freelist_count"));
  const std::int64_t free_now = free_pages.value_or(0);
  if (free_now < free_pages_min || free_now < pages.value_or(0) / 4) return false;
  TRY(db.exec("PRAGMA incremental_vacuum(1024)"));
  return true;
}

Result<std::uint64_t> bytes_used(Database& db) {
  TRY_ASSIGN(const auto pages, db.number("PRAGMA page_count"));
  TRY_ASSIGN(const auto free_pages, db.number("PRAGMA freelist_count"));
  TRY_ASSIGN(const auto page_bytes, db.number("PRAGMA page_size"));
  return static_cast<std::uint64_t>((pages.value_or(0) - free_pages.value_or(0)) *
                                    page_bytes.value_or(0));
}

}  // namespace tidewatch

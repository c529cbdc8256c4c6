// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/result.h"

namespace tidewatch {

class Database;

// Switches off SQLite's count of its memory: all connections would take one lock for every
// allocation, and a query of low priority that is displaced while it holds it keeps the writer
// waiting for milliseconds. Takes effect only before the first use of SQLite in this process, so
// whatever uses it first calls this. Threads: any.
void set_up_sqlite();

// A prepared statement. Owned by whoever prepared it; must die before its Database.
// Threads: one at a time, as its Database. Bound texts and blobs are borrowed until reset().
//
//   TRY_ASSIGN(Statement insert, db.prepare("INSERT INTO t VALUES(?1)"));
//   insert.bind(1, 42);
//   TRY(insert.run());
class Statement {
 public:
  Statement() = default;
  ~Statement() { sqlite3_finalize(stmt_); }
  Statement(Statement&& other) noexcept
      : db_(std::exchange(other.db_, nullptr)), stmt_(std::exchange(other.stmt_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(db_, other.db_);
    std::swap(stmt_, other.stmt_);
    return *this;
  }

  // Parameters count from 1.
  void bind(int i, std::int64_t value) { sqlite3_bind_int64(stmt_, i, value); }
  void bind(int i, double value) { sqlite3_bind_double(stmt_, i, value); }
  void bind(int i, std::string_view text) {
    sqlite3_bind_text64(stmt_, i, text.data() != nullptr ? text.data() : "", text.size(),
                        SQLITE_STATIC, SQLITE_UTF8);
  }
  void bind_blob(int i, std::string_view bytes) {
    sqlite3_bind_blob64(stmt_, i, bytes.data() != nullptr ? bytes.data() : "", bytes.size(),
                        SQLITE_STATIC);
  }
  void bind_null(int i) { sqlite3_bind_null(stmt_, i); }
  // NULL when empty.
  void bind_or_null(int i, std::string_view text) { text.empty() ? bind_null(i) : bind(i, text); }

  // Moves to the next row: false when there is none.
  Result<bool> step();
  // Runs a statement without rows to its end and resets it.
  Status run();
  // Runs a query of at most one row with one number; nothing when there is no row. Resets it.
  Result<std::optional<std::int64_t>> number();
  void reset() {
    sqlite3_reset(stmt_);
    sqlite3_clear_bindings(stmt_);
  }

  // Columns count from 0. Texts live until the next step or reset.
  std::int64_t column_int(int i) const { return sqlite3_column_int64(stmt_, i); }
  double column_double(int i) const { return sqlite3_column_double(stmt_, i); }
  bool column_is_null(int i) const { return sqlite3_column_type(stmt_, i) == SQLITE_NULL; }
  std::string_view column_text(int i) const;
  std::string_view column_blob(int i) const;

 private:
  friend class Database;
  Statement(Database* db, sqlite3_stmt* stmt) : db_(db), stmt_(stmt) {}
  Database* db_ = nullptr;
  sqlite3_stmt* stmt_ = nullptr;
};

// Resets a statement when the scope ends, so that no read transaction is left open.
class ResetGuard {
 public:
  explicit ResetGuard(Statement& statement) : statement_(statement) {}
  ~ResetGuard() { statement_.reset(); }
  ResetGuard(const ResetGuard&) = delete;
  ResetGuard& operator=(const ResetGuard&) = delete;

 private:
  Statement& statement_;
};

// One connection to one SQLite file. Threads: one at a time (opened without SQLite's own mutex).
// Errors: every failure names the file and, where there is one, the remedy; see `error`.
class Database {
 public:
  enum class Mode : std::uint8_t { kReadWrite, kReadOnly };
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& path, Mode mode,
                                                const std::string& vfs);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Status exec(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);
  Result<std::optional<std::int64_t>> number(std::string_view sql);

  // Calls `expired` now and then while a statement runs; true interrupts it.
  void set_expired(std::function<bool()> expired);

  // Makes an Error of the connection's last failure.
  Error error(int code) const;
  sqlite3* handle() const { return db_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  Database(sqlite3* db, std::filesystem::path path) : db_(db), path_(std::move(path)) {}
  sqlite3* db_;
  std::filesystem::path path_;
  std::function<bool()> expired_;
};

// A transaction that rolls back unless committed. After a failed commit nothing was written.
class Transaction {
 public:
  enum class Kind : std::uint8_t { kRead, kWrite };
  static Result<Transaction> begin(Database& db, Kind kind);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status commit();

 private:
  explicit Transaction(Database* db) : db_(db) {}
  Database* db_;
};

}  // namespace tidewatch

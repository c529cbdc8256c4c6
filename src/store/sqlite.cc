// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite.h"

#include <mutex>

namespace tidewatch {
namespace {

// How many steps of SQLite's machine pass between two looks at the clock: about 0.1 ms.
constexpr int kStepsPerExpiredCheck = 2'000;

Code code_of(int sqlite_code) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_FULL:
      return Code::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Code::kDataLoss;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Code::kPermissionDenied;
    case SQLITE_INTERRUPT:
      return Code::kDeadlineExceeded;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

std::string_view remedy_of(int sqlite_code) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_FULL:
      return "; free some space on that disk or lower the store's size limit, then try again";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "; restore the file from a backup, or move it away to start empty";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "; check that the folder exists and that this user may write there";
    case SQLITE_INTERRUPT:
      return "; the query took longer than its limit: ask for less, or use rarer words";
    case SQLITE_IOERR:
      return "; the disk failed to read or write: check it (dmesg) and its free space";
    default:
      return "";
  }
}

}  // namespace

std::string_view Statement::column_text(int i) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(stmt_, i));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(stmt_, i))};
}

std::string_view Statement::column_blob(int i) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(stmt_, i));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(stmt_, i))};
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(stmt_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return db_->error(code);
}

Status Statement::run() {
  const ResetGuard guard(*this);
  int code = sqlite3_step(stmt_);
  while (code == SQLITE_ROW) code = sqlite3_step(stmt_);
  if (code != SQLITE_DONE) return db_->error(code);
  return {};
}

Result<std::optional<std::int64_t>> Statement::number() {
  const ResetGuard guard(*this);
  TRY_ASSIGN(const bool row, step());
  if (!row || column_is_null(0)) return std::optional<std::int64_t>{};
  return std::optional<std::int64_t>{column_int(0)};
}

void set_up_sqlite() {
  static std::once_flag once;
  // SQLITE_MISUSE: somebody else in this process used SQLite before; then it stays as it is.
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& path, Mode mode,
                                                 const std::string& vfs) {
  set_up_sqlite();
  sqlite3* handle = nullptr;
  const int flags =
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
      (mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, vfs.c_str());
  if (handle == nullptr) {
    return Error{Code::kUnavailable, path.string() + ": not enough memory to open it"};
  }
  std::unique_ptr<Database> db(new Database(handle, path));
  if (code != SQLITE_OK) return db->error(code);
  sqlite3_busy_timeout(handle, 5'000);  // only ever waits for another connection's recovery
  return db;
}

Database::~Database() { sqlite3_close_v2(db_); }

Status Database::exec(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* stmt = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &stmt, nullptr);
  if (code != SQLITE_OK) return error(code);
  return Statement(this, stmt);
}

Result<std::optional<std::int64_t>> Database::number(std::string_view sql) {
  TRY_ASSIGN(Statement statement, prepare(sql));
  return statement.number();
}

void Database::set_expired(std::function<bool()> expired) {
  expired_ = std::move(expired);
  const auto check = [](void* self) -> int {
    return static_cast<Database*>(self)->expired_() ? 1 : 0;
  };
  sqlite3_progress_handler(db_, expired_ ? kStepsPerExpiredCheck : 0,
                           expired_ ? static_cast<int (*)(void*)>(check) : nullptr, this);
}

Error Database::error(int code) const {
  std::string message = path_.string() + ": ";
  message += sqlite3_errmsg(db_);
  message += remedy_of(code);
  return {code_of(code), std::move(message)};
}

Result<Transaction> Transaction::begin(Database& db, Kind kind) {
  TRY(db.exec(kind == Kind::kRead ? "BEGIN" : "BEGIN IMMEDIATE"));
  return Transaction(&db);
}

Status Transaction::commit() {
  TRY(db_->exec("COMMIT"));
  db_ = nullptr;
  return {};
}

Transaction::~Transaction() {
  if (db_ == nullptr || sqlite3_get_autocommit(db_->handle()) != 0) return;
  db_->exec("ROLLBACK").ignore("nothing to do about it; an interrupted one is closed anyway");
}

}  // namespace tidewatch

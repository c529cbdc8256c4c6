// SPDX-License-Identifier: Apache-2.0
#include "store/outbox_rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/post_rows.h"

namespace tidewatch {
namespace {

constexpr std::size_t kOutboxQueryLimitMax = 1'000;

constexpr const char* kSelectMessage =
    "SELECT id, dedupe_key, channel, body, attempts, next_attempt_at, last_error, collapse_key,"
    " held, created_at, dead_at FROM outbox WHERE delivered_at IS NULL";

OutboxMessage read_row(const Statement& row) {
  OutboxMessage message{.id = static_cast<std::uint64_t>(row.column_int(0)),
                        .dedupe_key = std::string{row.column_text(1)},
                        .channel = std::string{row.column_text(2)},
                        .body = std::string{row.column_text(3)},
                        .attempts = static_cast<std::uint32_t>(row.column_int(4)),
                        .next_attempt_at = from_millis(row.column_int(5)),
                        .last_error = std::string{row.column_text(6)},
                        .collapse_key = std::string{row.column_text(7)},
                        .held = row.column_int(8) != 0,
                        .created_at = from_millis(row.column_int(9)),
                        .dead_at = {}};
  if (!row.column_is_null(10)) message.dead_at = from_millis(row.column_int(10));
  return message;
}

std::ptrdiff_t changes(Database& db) { return sqlite3_changes(db.handle()); }

}  // namespace

Result<std::ptrdiff_t> write_message(Database& db, const OutboxMessage& message, EventTime now) {
  TRY_ASSIGN(Statement insert,
             db.prepare("INSERT OR IGNORE INTO outbox(dedupe_key, channel, body, attempts,"
                        " next_attempt_at, last_error, collapse_key, held, created_at)"
                        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)"));
  insert.bind(1, std::string_view{message.dedupe_key});
  insert.bind(2, std::string_view{message.channel});
  insert.bind(3, std::string_view{message.body});
  insert.bind(4, std::int64_t{message.attempts});
  insert.bind(5, to_millis(message.next_attempt_at));
  insert.bind(6, std::string_view{message.last_error});
  insert.bind(7, std::string_view{message.collapse_key});
  insert.bind(8, std::int64_t{message.held ? 1 : 0});
  insert.bind(9, to_millis(now));
  TRY(insert.run());
  if (changes(db) == 0) return std::ptrdiff_t{0};
  if (message.collapse_key.empty()) return std::ptrdiff_t{1};
  const std::int64_t id = sqlite3_last_insert_rowid(db.handle());
  TRY_ASSIGN(Statement collapse,
             db.prepare("DELETE FROM outbox WHERE delivered_at IS NULL AND dead_at IS NULL AND"
                        " channel=?1 AND collapse_key=?2 AND held=1 AND attempts=0 AND id!=?3"));
  collapse.bind(1, std::string_view{message.channel});
  collapse.bind(2, std::string_view{message.collapse_key});
  collapse.bind(3, id);
  TRY(collapse.run());
  return 1 - changes(db);
}

Result<std::vector<OutboxMessage>> read_due_messages(Database& db, EventTime now,
                                                     std::string_view channel,
                                                     std::size_t count_max) {
  TRY_ASSIGN(Statement select,
             db.prepare(std::string(kSelectMessage) +
                        " AND dead_at IS NULL AND channel=?1 AND next_attempt_at<=?2"
                        " ORDER BY id LIMIT ?3"));
  select.bind(1, channel);
  select.bind(2, to_millis(now));
  select.bind(3, static_cast<std::int64_t>(count_max));
  std::vector<OutboxMessage> messages;
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return messages;
    messages.push_back(read_row(select));
  }
}

Result<OutboxPage> read_messages(Database& db, const OutboxQuery& query) {
  std::string sql = kSelectMessage;
  if (query.state == OutboxQuery::State::kWaiting) sql += " AND dead_at IS NULL";
  if (query.state == OutboxQuery::State::kDead) sql += " AND dead_at IS NOT NULL";
  if (query.before > 0) sql += " AND id<?1";
  if (!query.channel.empty()) sql += " AND channel=?2";
  sql += " ORDER BY id DESC LIMIT ?3";
  TRY_ASSIGN(Statement select, db.prepare(sql));
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, kOutboxQueryLimitMax);
  if (query.before > 0) select.bind(1, static_cast<std::int64_t>(query.before));
  if (!query.channel.empty()) select.bind(2, std::string_view{query.channel});
  select.bind(3, static_cast<std::int64_t>(limit + 1));
  OutboxPage page;
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return page;
    if (page.messages.size() == limit) {
      page.next = page.messages.back().id;
      return page;
    }
    page.messages.push_back(read_row(select));
  }
}

Result<std::vector<OutboxCount>> count_messages(Database& db) {
  TRY_ASSIGN(Statement select,
             db.prepare("SELECT channel, sum(dead_at IS NULL), sum(dead_at IS NOT NULL) FROM outbox"
                        " WHERE delivered_at IS NULL GROUP BY channel ORDER BY channel"));
  std::vector<OutboxCount> counts;
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return counts;
    counts.push_back({std::string{select.column_text(0)},
                      static_cast<std::uint64_t>(select.column_int(1)),
                      static_cast<std::uint64_t>(select.column_int(2))});
  }
}

Result<std::ptrdiff_t> write_delivery(Database& db, std::uint64_t id, EventTime now) {
  TRY_ASSIGN(Statement update,
             db.prepare("UPDATE outbox SET delivered_at=?2, body=''"
                        " WHERE id=?1 AND delivered_at IS NULL AND dead_at IS NULL"));
  update.bind(1, static_cast<std::int64_t>(id));
  update.bind(2, to_millis(now));
  TRY(update.run());
  return -changes(db);
}

Status write_failure(Database& db, std::uint64_t id, const std::string& error,
                     EventTime next_attempt_at) {
  TRY_ASSIGN(Statement update,
             db.prepare("UPDATE outbox SET attempts=attempts+1, last_error=?2, next_attempt_at=?3"
                        " WHERE id=?1 AND delivered_at IS NULL AND dead_at IS NULL"));
  update.bind(1, static_cast<std::int64_t>(id));
  update.bind(2, std::string_view{error});
  update.bind(3, to_millis(next_attempt_at));
  return update.run();
}

Result<std::ptrdiff_t> write_death(Database& db, std::uint64_t id, const std::string& error,
                                   EventTime now) {
  TRY_ASSIGN(Statement update,
             db.prepare("UPDATE outbox SET attempts=attempts+1, last_error=?2, dead_at=?3"
                        " WHERE id=?1 AND delivered_at IS NULL AND dead_at IS NULL"));
  update.bind(1, static_cast<std::int64_t>(id));
  update.bind(2, std::string_view{error});
  update.bind(3, to_millis(now));
  TRY(update.run());
  return -changes(db);
}

Result<std::ptrdiff_t> write_deaths_unknown(Database& db, std::span<const std::string> channels,
                                            EventTime now) {
  TRY_ASSIGN(Statement update,
             db.prepare("UPDATE outbox SET dead_at=?1,"
                        " last_error=printf('channel ''%s'' is not configured', channel)"
                        " WHERE delivered_at IS NULL AND dead_at IS NULL AND"
                        " channel NOT IN (SELECT value FROM json_each(?2))"));
  const std::string names =
      nlohmann::json(std::vector<std::string>(channels.begin(), channels.end()))
          .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  update.bind(1, to_millis(now));
  update.bind(2, std::string_view{names});
  TRY(update.run());
  return -changes(db);
}

Result<std::ptrdiff_t> write_retry(Database& db, std::uint64_t id, const std::string& channel,
                                   EventTime now) {
  TRY_ASSIGN(Statement update,
             db.prepare("UPDATE outbox SET dead_at=NULL, attempts=0, held=0, next_attempt_at=?1,"
                        " created_at=?1 WHERE delivered_at IS NULL AND dead_at IS NOT NULL AND " +
                        std::string(id > 0 ? "id=?2" : "channel=?2")));
  update.bind(1, to_millis(now));
  if (id > 0) {
    update.bind(2, static_cast<std::int64_t>(id));
  } else {
    update.bind(2, std::string_view{channel});
  }
  TRY(update.run());
  return changes(db);
}

Status remove_messages(Database& db, EventTime before) {
  TRY_ASSIGN(Statement remove,
             db.prepare("DELETE FROM outbox WHERE delivered_at<?1 OR dead_at<?1"));
  remove.bind(1, to_millis(before));
  TRY(remove.run());
  TRY_ASSIGN(Statement trim,
             db.prepare("DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE"
                        " delivered_at IS NULL AND dead_at IS NOT NULL"
                        " ORDER BY id DESC LIMIT -1 OFFSET ?1)"));
  trim.bind(1, static_cast<std::int64_t>(kDeadLettersMax));
  return trim.run();
}

}  // namespace tidewatch

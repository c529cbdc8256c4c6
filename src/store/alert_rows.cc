// SPDX-License-Identifier: Apache-2.0
#include "store/alert_rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/post_rows.h"

namespace tidewatch {
namespace {

using nlohmann::json;

constexpr std::size_t kAlertQueryLimitMax = 1'000;

constexpr const char* kWriteAlert = R"sql(
INSERT INTO alerts(id, key, topic, region, kind, severity, state, title, onset_at, opened_at,
  updated_at, closed_at, from_rate, to_rate, score, posts, authors, texts, emotions, terms,
  evidence, stored_at, muted_until, details)
VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24)
ON CONFLICT(id) DO UPDATE SET key=?2, topic=?3, region=?4, kind=?5, severity=?6, state=?7,
  title=?8, onset_at=?9, opened_at=?10, updated_at=?11, closed_at=?12, from_rate=?13, to_rate=?14,
  score=?15, posts=?16, authors=?17, texts=?18, emotions=?19, terms=?20, evidence=?21,
  stored_at=?22, muted_until=?23, details=?24
)sql";

constexpr const char* kSelectAlert =
    "SELECT id, key, topic, region, kind, severity, state, title, onset_at, opened_at, updated_at,"
    " closed_at, from_rate, to_rate, score, posts, authors, texts, emotions, terms, evidence,"
    " muted_until, details FROM alerts ";

// Invalid UTF-8 becomes U+FFFD instead of an exception.
std::string to_text(const json& list) {
  return list.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::vector<std::string> read_strings(std::string_view text) {
  std::vector<std::string> strings;
  const json list = json::parse(text, nullptr, false);
  if (!list.is_array()) return strings;
  for (const json& one : list) {
    if (const auto* string = one.get_ptr<const std::string*>()) strings.push_back(*string);
  }
  return strings;
}

std::vector<std::pair<std::string, double>> read_shares(std::string_view text) {
  std::vector<std::pair<std::string, double>> shares;
  const json list = json::parse(text, nullptr, false);
  if (!list.is_array()) return shares;
  for (const json& one : list) {
    if (one.is_array() && one.size() == 2 && one[0].is_string() && one[1].is_number()) {
      shares.emplace_back(one[0].get<std::string>(), one[1].get<double>());
    }
  }
  return shares;
}

// {"posts":80,"accounts":[["ann",3,9]],"cascade":["root",70,2,60],"forecast":[ms,1.5,2,3],
//  "provinces":["广东"],"acceleration":0.1}
std::string details_text(const Alert& alert) {
  json accounts = json::array();
  for (const WaveAccount& account : alert.shape.accounts) {
    accounts.push_back({account.author, account.posts, account.reposted});
  }
  const WaveCascade& cascade = alert.shape.cascade;
  json details{{"posts", alert.shape.posts}, {"accounts", std::move(accounts)}};
  if (cascade.posts > 0) {
    details["cascade"] = {cascade.root, cascade.posts, cascade.depth, cascade.breadth};
  }
  if (alert.forecast) {
    details["forecast"] = {to_millis(alert.forecast->at), alert.forecast->low,
                           alert.forecast->expected, alert.forecast->high};
  }
  if (!alert.provinces.empty()) details["provinces"] = alert.provinces;
  if (alert.acceleration) details["acceleration"] = *alert.acceleration;
  return to_text(details);
}

void read_details(std::string_view text, Alert& alert) {
  const json details = json::parse(text, nullptr, false);
  if (!details.is_object()) return;
  try {  // what this program wrote; a row that somebody changed gives none
    alert.shape.posts = details.value("posts", std::uint64_t{0});
    for (const json& account : details.value("accounts", json::array())) {
      alert.shape.accounts.push_back({account.at(0), account.at(1), account.at(2)});
    }
    if (details.contains("cascade")) {
      const json& cascade = details["cascade"];
      alert.shape.cascade = {cascade.at(0), cascade.at(1), cascade.at(2), cascade.at(3)};
    }
    if (details.contains("forecast")) {
      const json& forecast = details["forecast"];
      alert.forecast = AlertForecast{from_millis(forecast.at(0)), forecast.at(1), forecast.at(2),
                                     forecast.at(3)};
    }
    alert.provinces = details.value("provinces", std::vector<std::string>{});
    if (details.contains("acceleration")) alert.acceleration = details["acceleration"];
  } catch (const json::exception&) {
    alert.shape = {};
    alert.forecast.reset();
    alert.provinces.clear();
    alert.acceleration.reset();
  }
}

const char* state_condition(AlertQuery::State state) {
  switch (state) {
    case AlertQuery::State::kAll:
      return "";
    case AlertQuery::State::kOpen:
      return " AND state NOT IN ('closed', 'resolved')";
    case AlertQuery::State::kClosed:
      return " AND state IN ('closed', 'resolved')";
    case AlertQuery::State::kGoingOn:
      return " AND closed_at IS NULL";
    case AlertQuery::State::kEnded:
      return " AND closed_at IS NOT NULL";
  }
  return "";
}

Alert read_row(const Statement& row) {
  Alert alert;
  alert.id = row.column_text(0);
  alert.key = row.column_text(1);
  alert.topic = row.column_text(2);
  alert.region = row.column_text(3);
  alert.kind = row.column_text(4);
  alert.severity = row.column_text(5);
  alert.state = row.column_text(6);
  alert.title = row.column_text(7);
  alert.onset_at = from_millis(row.column_int(8));
  alert.opened_at = from_millis(row.column_int(9));
  alert.updated_at = from_millis(row.column_int(10));
  if (!row.column_is_null(11)) alert.closed_at = from_millis(row.column_int(11));
  alert.from_rate = row.column_double(12);
  alert.to_rate = row.column_double(13);
  alert.score = row.column_double(14);
  alert.posts = static_cast<std::uint64_t>(row.column_int(15));
  alert.authors = static_cast<std::uint64_t>(row.column_int(16));
  alert.texts = static_cast<std::uint64_t>(row.column_int(17));
  alert.emotions = read_shares(row.column_text(18));
  alert.terms = read_strings(row.column_text(19));
  alert.evidence = read_strings(row.column_text(20));
  if (!row.column_is_null(21)) alert.muted_until = from_millis(row.column_int(21));
  read_details(row.column_text(22), alert);
  return alert;
}

}  // namespace

Status write_alert(Database& db, const Alert& alert, EventTime now) {
  const std::string emotions = to_text(json(alert.emotions));
  const std::string terms = to_text(json(alert.terms));
  const std::string evidence = to_text(json(alert.evidence));
  TRY_ASSIGN(Statement insert, db.prepare(kWriteAlert));
  int next = 0;
  for (const std::string* text : {&alert.id, &alert.key, &alert.topic, &alert.region, &alert.kind,
                                  &alert.severity, &alert.state, &alert.title}) {
    insert.bind(++next, std::string_view{*text});
  }
  insert.bind(9, to_millis(alert.onset_at));
  insert.bind(10, to_millis(alert.opened_at));
  insert.bind(11, to_millis(alert.updated_at));
  alert.closed_at ? insert.bind(12, to_millis(*alert.closed_at)) : insert.bind_null(12);
  insert.bind(13, alert.from_rate);
  insert.bind(14, alert.to_rate);
  insert.bind(15, alert.score);
  insert.bind(16, static_cast<std::int64_t>(alert.posts));
  insert.bind(17, static_cast<std::int64_t>(alert.authors));
  insert.bind(18, static_cast<std::int64_t>(alert.texts));
  insert.bind(19, std::string_view{emotions});
  insert.bind(20, std::string_view{terms});
  insert.bind(21, std::string_view{evidence});
  insert.bind(22, to_millis(now));
  alert.muted_until ? insert.bind(23, to_millis(*alert.muted_until)) : insert.bind_null(23);
  const std::string details = details_text(alert);
  insert.bind(24, std::string_view{details});
  return insert.run();
}

Result<std::optional<Alert>> read_alert(Database& db, const std::string& id) {
  TRY_ASSIGN(Statement select, db.prepare(std::string(kSelectAlert) + "WHERE id=?1"));
  select.bind(1, std::string_view{id});
  TRY_ASSIGN(const bool row, select.step());
  if (!row) return std::optional<Alert>{};
  return std::optional<Alert>{read_row(select)};
}

Result<AlertPage> read_alerts(Database& db, const AlertQuery& query) {
  std::string sql = std::string(kSelectAlert) + "WHERE 1";
  sql += state_condition(query.state);
  if (!query.before.empty()) {
    sql += " AND (opened_at, id) < (SELECT opened_at, id FROM alerts WHERE id=?1)";
  }
  sql += " ORDER BY opened_at DESC, id DESC LIMIT ?2";
  TRY_ASSIGN(Statement select, db.prepare(sql));
  const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, kAlertQueryLimitMax);
  if (!query.before.empty()) select.bind(1, std::string_view{query.before});
  select.bind(2, static_cast<std::int64_t>(limit + 1));
  AlertPage page;
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return page;
    if (page.alerts.size() == limit) {
      page.next = page.alerts.back().id;
      return page;
    }
    page.alerts.push_back(read_row(select));
  }
}

Status write_history(Database& db, const std::string& id,
                     std::span<const AlertHistoryEntry> entries) {
  for (const AlertHistoryEntry& entry : entries) {
    TRY_ASSIGN(Statement insert,
               db.prepare("INSERT INTO alert_history(alert_id, at, action, actor, note, state)"
                          " VALUES(?1,?2,?3,?4,?5,?6)"));
    insert.bind(1, std::string_view{id});
    insert.bind(2, to_millis(entry.at));
    insert.bind(3, std::string_view{entry.action});
    insert.bind(4, std::string_view{entry.by});
    insert.bind(5, std::string_view{entry.note});
    insert.bind(6, std::string_view{entry.state});
    TRY(insert.run());
  }
  if (entries.empty()) return {};
  TRY_ASSIGN(Statement trim,
             db.prepare("DELETE FROM alert_history WHERE alert_id=?1 AND entry NOT IN (SELECT entry"
                        " FROM alert_history WHERE alert_id=?1 ORDER BY entry DESC LIMIT ?2)"));
  trim.bind(1, std::string_view{id});
  trim.bind(2, static_cast<std::int64_t>(kHistoryEntriesMax));
  return trim.run();
}

Result<std::vector<AlertHistoryEntry>> read_history(Database& db, const std::string& id) {
  TRY_ASSIGN(Statement select, db.prepare("SELECT at, action, actor, note, state FROM alert_history"
                                          " WHERE alert_id=?1 ORDER BY entry"));
  select.bind(1, std::string_view{id});
  std::vector<AlertHistoryEntry> history;
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return history;
    history.push_back({from_millis(select.column_int(0)), std::string{select.column_text(1)},
                       std::string{select.column_text(2)}, std::string{select.column_text(3)},
                       std::string{select.column_text(4)}});
  }
}

Status remove_alerts(Database& db, EventTime written_before) {
  TRY_ASSIGN(Statement remove,
             db.prepare("DELETE FROM alerts WHERE state IN ('closed', 'resolved') AND"
                        " stored_at<?1"));
  remove.bind(1, to_millis(written_before));
  TRY(remove.run());
  if (sqlite3_changes(db.handle()) == 0) return {};
  return db.exec(
      "DELETE FROM alert_history WHERE alert_id NOT IN (SELECT id FROM alerts);"
      "DELETE FROM alert_tellings WHERE alert_id NOT IN (SELECT id FROM alerts)");
}

}  // namespace tidewatch

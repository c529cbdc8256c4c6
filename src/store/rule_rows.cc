// SPDX-License-Identifier: Apache-2.0
#include "store/rule_rows.h"

#include "store/post_rows.h"

namespace tidewatch {

Status make_rule_table(Database& db) {
  return db.exec(
      "CREATE TABLE IF NOT EXISTS user_rules("
      " name TEXT PRIMARY KEY, query TEXT NOT NULL, description TEXT NOT NULL,"
      " enabled INTEGER NOT NULL, updated_at INTEGER NOT NULL) WITHOUT ROWID");
}

Result<std::vector<Rule>> read_rules(Database& db) {
  TRY_ASSIGN(Statement select, db.prepare("SELECT name, query, description, enabled"
                                          " FROM user_rules ORDER BY name"));
  std::vector<Rule> rules;
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return rules;
    rules.push_back({std::string{select.column_text(0)}, std::string{select.column_text(1)},
                     std::string{select.column_text(2)}, select.column_int(3) != 0});
  }
}

Status write_rule(Database& db, const Rule& rule, EventTime now) {
  TRY_ASSIGN(Statement insert,
             db.prepare("INSERT OR REPLACE INTO user_rules VALUES(?1, ?2, ?3, ?4, ?5)"));
  insert.bind(1, std::string_view{rule.name});
  insert.bind(2, std::string_view{rule.query});
  insert.bind(3, std::string_view{rule.description});
  insert.bind(4, std::int64_t{rule.enabled});
  insert.bind(5, to_millis(now));
  return insert.run();
}

Status remove_rule(Database& db, const std::string& name) {
  TRY_ASSIGN(Statement erase, db.prepare("DELETE FROM user_rules WHERE name=?1"));
  erase.bind(1, std::string_view{name});
  return erase.run();
}

}  // namespace tidewatch

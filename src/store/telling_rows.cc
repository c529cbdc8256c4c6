// SPDX-License-Identifier: Apache-2.0
#include "store/telling_rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/post_rows.h"

namespace tidewatch {

Status write_tellings(Database& db, std::span<const Telling> tellings) {
  for (const Telling& telling : tellings) {
    nlohmann::json openings = nlohmann::json::array();
    for (const EventTime opening : telling.openings) openings.push_back(to_millis(opening));
    const EventTime last = telling.openings.empty()
                               ? telling.last_at
                               : std::max(telling.last_at, telling.openings.back());
    TRY_ASSIGN(Statement insert,
               db.prepare("INSERT OR REPLACE INTO alert_tellings(subscriber, alert_id, key,"
                          " first_at, last_at, severity, escalations, ended, openings, news_at)"
                          " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"));
    insert.bind(1, std::string_view{telling.subscriber});
    insert.bind(2, std::string_view{telling.alert_id});
    insert.bind(3, std::string_view{telling.key});
    telling.first_at ? insert.bind(4, to_millis(*telling.first_at)) : insert.bind_null(4);
    insert.bind(5, to_millis(telling.last_at));
    insert.bind(6, static_cast<std::int64_t>(telling.severity));
    insert.bind(7, std::int64_t{telling.escalations});
    insert.bind(8, std::int64_t{telling.ended ? 1 : 0});
    const std::string list = openings.dump();
    insert.bind(9, std::string_view{list});
    insert.bind(10, to_millis(last));
    TRY(insert.run());
  }
  return {};
}

Result<std::vector<Telling>> read_tellings(Database& db, EventTime since) {
  TRY_ASSIGN(Statement select,
             db.prepare("SELECT subscriber, alert_id, key, first_at, last_at, severity,"
                        " escalations, ended, openings FROM alert_tellings"
                        " WHERE ended=0 OR news_at>=?1"));
  select.bind(1, to_millis(since));
  std::vector<Telling> tellings;
  while (true) {
    TRY_ASSIGN(const bool row, select.step());
    if (!row) return tellings;
    Telling telling;
    telling.subscriber = select.column_text(0);
    telling.alert_id = select.column_text(1);
    telling.key = select.column_text(2);
    if (!select.column_is_null(3)) telling.first_at = from_millis(select.column_int(3));
    telling.last_at = from_millis(select.column_int(4));
    telling.severity = static_cast<Severity>(
        std::clamp<std::int64_t>(select.column_int(5), 0, static_cast<int>(Severity::kCritical)));
    telling.escalations = static_cast<std::uint32_t>(select.column_int(6));
    telling.ended = select.column_int(7) != 0;
    const auto openings = nlohmann::json::parse(select.column_text(8), nullptr, false);
    for (const auto& opening : openings) {
      if (opening.is_number_integer()) {
        telling.openings.push_back(from_millis(opening.get<std::int64_t>()));
      }
    }
    tellings.push_back(std::move(telling));
  }
}

}  // namespace tidewatch

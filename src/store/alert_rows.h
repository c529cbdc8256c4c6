// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "alert/alert.h"
#include "alert/life_cycle.h"
#include "core/clock.h"
#include "core/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace tidewatch {

// Alerts in posts.db. The writing functions work within the caller's
// transaction. Lists are JSON arrays, so that they can be read with the sqlite3 program.

Status write_alert(Database& db, const Alert& alert, EventTime now);
Result<std::optional<Alert>> read_alert(Database& db, const std::string& id);
Result<AlertPage> read_alerts(Database& db, const AlertQuery& query);
// Appends to the alert's history; past kHistoryEntriesMax its oldest entries go.
Status write_history(Database& db, const std::string& id,
                     std::span<const AlertHistoryEntry> entries);
Result<std::vector<AlertHistoryEntry>> read_history(Database& db, const std::string& id);
// Removes alerts, with their history, closed or resolved and last written before
// `written_before`.
Status remove_alerts(Database& db, EventTime written_before);

}  // namespace tidewatch

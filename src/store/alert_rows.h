// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "alert/alert.h"
#include "alert/life_cycle.h"
#include "alert/outbox.h"
#include "core/clock.h"
#include "core/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace tidewatch {

// Alerts and outbox messages in posts.db. The writing functions work within the caller's
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

// Returns false when the dedupe_key is known already.
Result<bool> write_message(Database& db, const OutboxMessage& message);
Result<std::vector<OutboxMessage>> read_due_messages(Database& db, EventTime now,
                                                     std::size_t count_max);
Result<std::size_t> count_waiting_messages(Database& db);
Status write_delivery(Database& db, std::uint64_t id, EventTime now);
Status write_failure(Database& db, std::uint64_t id, const std::string& error,
                     EventTime next_attempt_at);
// Forgets messages delivered before `delivered_before`.
Status remove_messages(Database& db, EventTime delivered_before);

}  // namespace tidewatch

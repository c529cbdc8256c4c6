// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "alert/outbox.h"
#include "core/clock.h"
#include "core/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace tidewatch {

// Outbox messages in posts.db. The writing functions work within the caller's transaction; those
// that change how many messages wait return by how much.

Result<std::ptrdiff_t> write_message(Database& db, const OutboxMessage& message, EventTime now);
Result<std::vector<OutboxMessage>> read_due_messages(Database& db, EventTime now,
                                                     std::string_view channel,
                                                     std::size_t count_max);
Result<OutboxPage> read_messages(Database& db, const OutboxQuery& query);
Result<std::vector<OutboxCount>> count_messages(Database& db);  // by channel
Result<std::ptrdiff_t> write_delivery(Database& db, std::uint64_t id, EventTime now);
Status write_failure(Database& db, std::uint64_t id, const std::string& error,
                     EventTime next_attempt_at);
Result<std::ptrdiff_t> write_death(Database& db, std::uint64_t id, const std::string& error,
                                   EventTime now);
Result<std::ptrdiff_t> write_deaths_unknown(Database& db, std::span<const std::string> channels,
                                            EventTime now);
// Lets dead letters wait again: the one with the id, or (0) all of the channel.
Result<std::ptrdiff_t> write_retry(Database& db, std::uint64_t id, const std::string& channel,
                                   EventTime now);
// Forgets messages delivered, or dead, before `before`, and the oldest dead ones past their bound.
Status remove_messages(Database& db, EventTime before);

}  // namespace tidewatch

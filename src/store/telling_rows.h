// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "alert/subscriber.h"
#include "core/result.h"
#include "store/sqlite.h"

namespace tidewatch {

// What subscribers were told of alerts, in posts.db. Writes stand in the caller's transaction.
Status write_tellings(Database& db, std::span<const Telling> tellings);
// Those of waves that go on, and those with a message or an opening since.
Result<std::vector<Telling>> read_tellings(Database& db, EventTime since);

}  // namespace tidewatch

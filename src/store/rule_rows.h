// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "rules/rule.h"
#include "store/sqlite.h"

namespace tidewatch {

// Rules made over the API, in posts.db. The writing functions work within the caller's transaction.

// Stores of before there were rules have no table for them.
Status make_rule_table(Database& db);
Result<std::vector<Rule>> read_rules(Database& db);  // by name
Status write_rule(Database& db, const Rule& rule, EventTime now);
Status remove_rule(Database& db, const std::string& name);

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "query/query.h"

namespace tidewatch {

// What a user wants watched: posts for which `query` holds are counted under the key `rule:NAME`,
// which has alerts of its own. A plain value.
struct Rule {
  std::string name;  // 1 to kRuleNameBytesMax bytes of UTF-8, no control characters, no '/'
  std::string query;
  std::string description;  // for people; at most kRuleDescriptionBytesMax
  bool enabled = true;
  bool operator==(const Rule&) const = default;
};

inline constexpr std::size_t kRulesMax = 10'000;
inline constexpr std::size_t kRuleNameBytesMax = 64;
inline constexpr std::size_t kRuleDescriptionBytesMax = 1'000;

// Checks the name and the rest but for the query.
Status check_rule(const Rule& rule);

// Reads [[rule]] tables: name, query, description, enabled, and the lists topics, regions,
// emotions, sources, which narrow the query (each list: any of its values). `file` is used in
// messages, which name line, rule and key. Queries are parsed, names of topics are not looked up.
// With `rules_only` anything but rules is an error, else it is passed over.
Result<std::vector<Rule>> parse_rules(std::string_view toml, const std::string& file,
                                      bool rules_only = true);

// A query that holds where `query` does and the field has one of `values`.
std::string narrowed(const std::string& query, QueryField field,
                     const std::vector<std::string>& values);

}  // namespace tidewatch

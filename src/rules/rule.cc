// SPDX-License-Identifier: Apache-2.0
#include "rules/rule.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tidewatch {
namespace {

constexpr std::array<std::pair<std::string_view, QueryField>, 4> kLists{
    {{"topics", QueryField::kTopic},
     {"regions", QueryField::kRegion},
     {"emotions", QueryField::kEmotion},
     {"sources", QueryField::kSource}}};
constexpr std::size_t kListMax = 100;

Error bad(const std::string& file, const toml::node& node, const std::string& what) {
  return {Code::kInvalidArgument,
          file + ", line " + std::to_string(node.source().begin.line) + ": rule" + what};
}

Result<Rule> parse_rule(const toml::table& table, const std::string& file) {
  Rule rule;
  std::vector<std::pair<QueryField, std::vector<std::string>>> lists;
  for (const auto& [key, node] : table) {
    const std::string name{key.str()};
    const auto list = std::find_if(kLists.begin(), kLists.end(),
                                   [&](const auto& one) { return one.first == name; });
    if (list != kLists.end()) {
      std::vector<std::string> values;
      const toml::array* const array = node.as_array();
      for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
        const auto value = (*array)[i].value_exact<std::string>();
        if (value && value->find('"') == std::string::npos) values.push_back(*value);
      }
      if (array == nullptr || values.size() != array->size() || values.empty() ||
          values.size() > kListMax) {
        return bad(file, node, "." + name + " must be a list of 1 to 100 strings");
      }
      lists.emplace_back(list->second, std::move(values));
      continue;
    }
    if (name == "enabled") {
      const auto value = node.value_exact<bool>();
      if (!value) return bad(file, node, ".enabled must be true or false");
      rule.enabled = *value;
      continue;
    }
    std::string* const text = name == "name"          ? &rule.name
                              : name == "query"       ? &rule.query
                              : name == "description" ? &rule.description
                                                      : nullptr;
    if (text == nullptr) {
      return bad(file, node,
                 "." + name +
                     " is not known; known here are: name, query, description, enabled, "
                     "topics, regions, emotions, sources");
    }
    const auto value = node.value_exact<std::string>();
    if (!value) return bad(file, node, "." + name + " must be a string in quotes");
    *text = *value;
  }
  if (const Status checked = check_rule(rule); !checked) {
    return bad(file, table, " '" + rule.name + "': " + checked.error().message);
  }
  // As it was written, so that columns in messages are right.
  if (!rule.query.empty() || lists.empty()) {
    const auto parsed = parse_query(rule.query);
    if (!parsed) return bad(file, table, " '" + rule.name + "', query: " + parsed.error().message);
  }
  for (const auto& [field, values] : lists) rule.query = narrowed(rule.query, field, values);
  if (const auto parsed = parse_query(rule.query); !parsed) {
    return bad(file, table, " '" + rule.name + "', with its lists: " + parsed.error().message);
  }
  return rule;
}

}  // namespace

Status check_rule(const Rule& rule) {
  const bool control = std::any_of(rule.name.begin(), rule.name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '/';
  });
  if (rule.name.empty() || rule.name.size() > kRuleNameBytesMax || control ||
      rule.name.front() == ' ' || rule.name.back() == ' ') {
    return Error{Code::kInvalidArgument,
                 "name: must be 1 to " + std::to_string(kRuleNameBytesMax) +
                     " bytes without '/', control characters and outer spaces"};
  }
  if (rule.description.size() > kRuleDescriptionBytesMax) {
    return Error{
        Code::kInvalidArgument,
        "description: at most " + std::to_string(kRuleDescriptionBytesMax) + " bytes are kept"};
  }
  return {};
}

std::string narrowed(const std::string& query, QueryField field,
                     const std::vector<std::string>& values) {
  std::string out = query.empty() ? "" : "(" + query + ") ";
  out += field_name(field);
  out += ":(";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += " OR ";
    out += '"' + values[i] + '"';
  }
  return out + ")";
}

Result<std::vector<Rule>> parse_rules(std::string_view text, const std::string& file,
                                      bool rules_only) {
  toml::table root;
  try {  // toml++ throws on a syntax error
    root = toml::parse(text, file);
  } catch (const toml::parse_error& e) {
    return Error{Code::kInvalidArgument, file + ", line " + std::to_string(e.source().begin.line) +
                                             ": " + std::string{e.description()}};
  }
  std::vector<Rule> rules;
  for (const auto& [key, node] : root) {
    if (key.str() != "rule" && !rules_only) continue;
    const toml::array* const array = node.as_array();
    if (key.str() != "rule" || array == nullptr || !array->is_array_of_tables()) {
      return bad(file, node,
                 "s are written as [[rule]]; '" + std::string{key.str()} + "' is something else");
    }
    for (const toml::node& entry : *array) {
      TRY_ASSIGN(Rule rule, parse_rule(*entry.as_table(), file));
      if (std::any_of(rules.begin(), rules.end(),
                      [&](const Rule& other) { return other.name == rule.name; })) {
        return bad(file, entry, " '" + rule.name + "' is there twice; give each its own name");
      }
      if (rules.size() == kRulesMax) {
        return bad(file, entry, "s: more than " + std::to_string(kRulesMax) + "; merge some");
      }
      rules.push_back(std::move(rule));
    }
  }
  return rules;
}

}  // namespace tidewatch

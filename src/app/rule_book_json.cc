// SPDX-License-Identifier: Apache-2.0
#include "app/rule_book_json.h"

#include <nlohmann/json.hpp>

namespace tidewatch {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json entry_json(const RuleBook::Entry& entry) {
  return {{"name", entry.rule.name},
          {"key", "rule:" + entry.rule.name},
          {"query", entry.rule.query},
          {"description", entry.rule.description},
          {"enabled", entry.rule.enabled},
          {"origin", entry.from_file ? "file" : "api"},
          {"problem", entry.problem.empty() ? Json(nullptr) : Json(entry.problem)}};
}

// Reads a request of the given members; `name` may be given in the body when it is the path's.
Result<Rule> read_rule(std::string_view request_json, const std::string& name, bool query_only) {
  const Json request = Json::parse(request_json, nullptr, /*allow_exceptions=*/false);
  if (request.is_discarded() || !request.is_object()) {
    return Error{Code::kInvalidArgument, R"(the body must be a JSON object: {"query":"…"})"};
  }
  Rule rule;
  rule.name = name;
  bool has_query = false;
  for (const auto& [key, value] : request.items()) {
    if (key == "query" && value.is_string()) {
      rule.query = value.get<std::string>();
      has_query = true;
    } else if (key == "description" && value.is_string() && !query_only) {
      rule.description = value.get<std::string>();
    } else if (key == "enabled" && value.is_boolean() && !query_only) {
      rule.enabled = value.get<bool>();
    } else if (key == "name" && value.is_string() && !query_only) {
      if (value.get<std::string>() != name) {
        return Error{Code::kInvalidArgument, "'name' differs from the path's; leave it out"};
      }
    } else {
      return Error{Code::kInvalidArgument,
                   "'" + key +
                       "' is not known or of the wrong type; a rule has query (string), "
                       "description (string) and enabled (true or false)"};
    }
  }
  if (!has_query) return Error{Code::kInvalidArgument, R"('query' is missing: {"query":"退款"})"};
  return rule;
}

Result<std::string> get(const RuleBook& book, const std::string& name) {
  for (const RuleBook::Entry& entry : book.entries()) {
    if (entry.rule.name == name) return dump(entry_json(entry));
  }
  return Error{Code::kNotFound, "there is no rule '" + name + "'; GET /v1/rules lists them"};
}

}  // namespace

Result<std::string> answer_rules(RuleBook& book, RuleAction action, const std::string& name,
                                 std::string_view request_json) {
  switch (action) {
    case RuleAction::kList: {
      Json list = Json::array();
      for (const RuleBook::Entry& entry : book.entries()) list.push_back(entry_json(entry));
      return dump({{"rules", std::move(list)}, {"rules_max", kRulesMax}});
    }
    case RuleAction::kGet:
      return get(book, name);
    case RuleAction::kPut: {
      TRY_ASSIGN(const Rule rule, read_rule(request_json, name, /*query_only=*/false));
      TRY(book.put(rule));
      return get(book, name);
    }
    case RuleAction::kDelete:
      TRY(book.remove(name));
      return dump({{"removed", name}});
    case RuleAction::kValidate: {
      TRY_ASSIGN(const Rule rule, read_rule(request_json, "", /*query_only=*/true));
      QueryError detail;
      const auto query = book.validate(rule.query, &detail);
      if (query) return dump({{"valid", true}, {"query", to_string(*query)}});
      return dump({{"valid", false},
                   {"column", detail.column},
                   {"reason", detail.reason},
                   {"remedy", detail.remedy}});
    }
    case RuleAction::kPreview:
      break;
  }
  return Error{Code::kInternal, "unknown action"};
}

}  // namespace tidewatch

// SPDX-License-Identifier: Apache-2.0
#include "sources/foreign_json.h"

#include <fmt/format.h>

namespace tidewatch {
namespace {

bool too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kForeignJsonDepthMax) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<nlohmann::json> parse_foreign_json(std::string_view text) {
  if (too_deep(text)) {
    return Error{Code::kInvalidArgument,
                 fmt::format("JSON nested deeper than {} levels", kForeignJsonDepthMax)};
  }
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Error{Code::kInvalidArgument, "not JSON"};
  return Result<nlohmann::json>(std::move(json));
}

std::optional<std::uint64_t> foreign_count(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto member = object.find(key);
  if (member == object.end()) return 0;
  if (!member->is_number_unsigned()) return std::nullopt;
  return member->get<std::uint64_t>();
}

std::string foreign_text(const nlohmann::json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string{};
}

}  // namespace tidewatch
